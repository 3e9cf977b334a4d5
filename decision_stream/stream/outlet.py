"""What leaves the worker: table writes first, outputs only when the state that made them is durable.

So an output that anybody has seen can always be told again with the same bytes, and a crash at any moment leaves either
nothing of an event or all of it. The scope's next write then drops outputs that the broker has acknowledged from the
outbox.

What quiet events did to a scope is written once for all of them: when nothing is left to apply, before a commit, or
after `PATIENCE_S` for a worker that is behind.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka.partitioner import murmur2

from ..wire.trace import TRACEPARENT
from .hardening.producer import OrderedProducer
from .record import MAX_DEFERRED_BYTES, Applied, Output, StoredScope, hot_write
from .scopes import Writes

BUSY_BYTES = MAX_DEFERRED_BYTES
"""Outputs of a scope that wait, in bytes, beyond which they leave at once: else its next events would wait for them."""

Future = asyncio.Future[Any]
PATIENCE_S = 1.0
"""A worker that had something left to apply for so long writes all quiet scopes; what it says is late anyway."""


class _Held:
    """Outputs of a scope on their way: until their state is durable, and then until all of them are acknowledged."""

    __slots__ = ("events", "key", "outputs", "partition", "remaining", "scope", "sequences", "stored")

    def __init__(self, scope: str, key: bytes, partition: int) -> None:
        self.scope = scope
        self.key = key
        self.partition = partition
        self.stored: StoredScope | None = None
        self.events = 0
        self.sequences: list[int] = []
        self.outputs: list[Output] = []
        self.remaining = 0

    def add(self, applied: Applied) -> None:
        """One more event whose outputs wait for the same write."""
        self.stored = applied.stored
        self.events += 1
        self.sequences += applied.sequences
        self.outputs += applied.outputs

    @property
    def is_busy(self) -> bool:
        """Whether so much of the scope waits that it should not wait for company."""
        return self.stored is not None and self.stored.outbox_bytes >= BUSY_BYTES


class Outlet:
    """Sends what applying came to. `delivered` names, by scope, the sequences whose outputs have arrived.

    `keep` brings a scope's writes into the table in memory; `is_idle` says whether nothing is left to apply.
    """

    def __init__(
        self,
        producer: OrderedProducer,
        changelog: str,
        topics: Mapping[str, str],
        keep: Callable[[int, Writes], None],
        is_idle: Callable[[], bool],
        partitions: int,
    ) -> None:
        self._producer = producer
        self._changelog = changelog
        self._topics = topics
        self._keep = keep
        self._is_idle = is_idle
        self._partitions = partitions
        self._is_pushing = False
        self._deferred: dict[str, _Held] = {}
        self._deferred_at = 0.0
        self._held: dict[Future, list[_Held]] = {}
        self._waiting: dict[Future, list[_Held]] = {}
        self._submitted = 0
        self._released = 0
        self.delivered: dict[str, tuple[int, ...]] = {}

    def send(self, scope: str, key: bytes, partition: int, applied: Applied) -> None:
        """Write the state, then send the outputs when it is durable; a repetition is sent at once."""
        self._submitted += 1
        held = self._deferred.get(scope)
        if held is None:
            held = _Held(scope, key, partition)
            if applied.is_deferred:
                if not self._deferred:
                    self._deferred_at = time.monotonic()
                self._deferred[scope] = held
        held.add(applied)
        if applied.writes:
            self._deferred.pop(scope, None)
            self._write(held, applied.writes)
        elif not applied.is_deferred and self._deferred.get(scope) is not held:
            self._release(held)

    def write_deferred(self, scope: str | None = None) -> None:
        """Write what is deferred of a scope, or of all."""
        if scope is None:
            deferred, self._deferred = self._deferred, {}
        else:
            held = self._deferred.pop(scope, None)
            deferred = {} if held is None else {scope: held}
        for held in deferred.values():
            assert held.stored is not None
            self._write(held, (hot_write(held.stored),))

    def forget_deferred(self) -> None:
        """Partitions have moved; what was not written is not committed either, and comes again to whoever owns it."""
        self._submitted -= sum(held.events for held in self._deferred.values())
        self._deferred.clear()

    def take_delivered(self, scope: str) -> frozenset[int]:
        """Sequences of the scope that have arrived since the last call."""
        return frozenset(self.delivered.pop(scope, ()))

    @property
    def is_holding(self) -> bool:
        """Whether outputs wait for their state to be durable."""
        return self._released < self._submitted

    async def settle(self) -> None:
        """Wait until everything submitted so far has arrived; raises `ProducerSendError` when anything failed."""
        self.write_deferred()
        target = self._submitted
        while self._released < target:
            await self._producer.deliver()
        await self._producer.deliver()

    def _on_durable(self, future: Future) -> None:
        held = self._held.pop(future)
        if future.cancelled() or future.exception() is not None:
            return  # The producer remembers the failure, and nothing is committed any more.
        for one in held:
            self._release(one)
        # At once: what is acknowledged before the scope's next write is not written there again.
        if any(one.is_busy for one in held):
            self._producer.push()
        if not self._is_pushing:
            # In the loop's next turn: those of the request's other batches are released in this one.
            self._is_pushing = True
            asyncio.get_running_loop().call_soon(self._push)

    def _push(self) -> None:
        self._is_pushing = False
        self.rest()

    def rest(self) -> None:
        """When nothing is left to apply, what is deferred is written and leaves at once; else it waits for more."""
        if self._is_idle():
            self.write_deferred()
            self._producer.push()
        elif self._deferred and time.monotonic() - self._deferred_at > PATIENCE_S:
            self.write_deferred()

    def _write(self, held: _Held, writes: Writes) -> None:
        self._keep(held.partition, writes)
        for record_key, value in writes:
            durable = self._producer.append(self._changelog, held.partition, record_key, value)
        waiting = self._held.get(durable)
        if waiting is None:
            self._held[durable] = [held]
            durable.add_done_callback(self._on_durable)
        else:
            waiting.append(held)
        if held.is_busy:
            self._producer.push()

    def _release(self, held: _Held) -> None:
        self._released += held.events
        futures: set[Future] = set()
        for output in held.outputs:
            headers = ((TRACEPARENT, output.traceparent.encode()),) if output.traceparent else ()
            topic = self._topics[output.topic]
            key, partition = held.key, held.partition
            if output.to:
                key = output.to.encode()
                partition = output.partition if output.partition >= 0 else partition_of(key, self._partitions)
            futures.add(self._producer.append(topic, partition, key, output.value, headers))
        held.remaining = len(futures)
        for future in futures:
            waiting = self._waiting.get(future)
            if waiting is None:
                self._waiting[future] = [held]
                future.add_done_callback(self._on_arrived)
            else:
                waiting.append(held)

    def _on_arrived(self, future: Future) -> None:
        waiting = self._waiting.pop(future)
        if future.cancelled() or future.exception() is not None:
            return
        for held in waiting:
            held.remaining -= 1
            if held.remaining == 0 and held.sequences:
                # A tuple: with many quiet scopes, what waits here for their next events is no small part of the memory.
                self.delivered[held.scope] = (*self.delivered.get(held.scope, ()), *held.sequences)


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's default partitioner puts a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
