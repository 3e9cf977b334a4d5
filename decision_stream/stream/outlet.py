"""What leaves the worker: table writes first, outputs only when the state that made them is durable.

So an output that anybody has seen can always be told again with the same bytes, and a crash at any moment leaves either
nothing of an event or all of it. The scope's next write then drops outputs that the broker has acknowledged from the
outbox.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from ..wire.trace import TRACEPARENT
from .hardening.producer import OrderedProducer
from .record import Applied

Future = asyncio.Future[Any]


class _Held:
    """Outputs of one record on their way: until the state is durable, and then until all of them are acknowledged."""

    __slots__ = ("key", "outputs", "partition", "remaining", "scope", "sequences")

    def __init__(self, scope: str, key: bytes, partition: int, applied: Applied) -> None:
        self.scope = scope
        self.key = key
        self.partition = partition
        self.sequences = applied.sequences
        self.outputs = applied.outputs
        self.remaining = 0


class Outlet:
    """Sends what applying came to. `delivered` names, by scope, the sequences whose outputs have arrived."""

    def __init__(
        self, producer: OrderedProducer, changelog: str, topics: Mapping[str, str], is_idle: Callable[[], bool]
    ) -> None:
        self._producer = producer
        self._is_idle = is_idle
        self._is_pushing = False
        self._changelog = changelog
        self._topics = topics
        self._held: dict[Future, list[_Held]] = {}
        self._waiting: dict[Future, list[_Held]] = {}
        self._submitted = 0
        self._released = 0
        self.delivered: defaultdict[str, set[int]] = defaultdict(set)

    def send(self, scope: str, key: bytes, partition: int, applied: Applied) -> None:
        """Write the state, then send the outputs when it is durable; a repetition is sent at once."""
        held = _Held(scope, key, partition, applied)
        durable: Future | None = None
        for record_key, value in applied.writes:
            durable = self._producer.append(self._changelog, partition, record_key, value)
        self._submitted += 1
        if durable is None:
            self._release(held)
            return
        waiting = self._held.get(durable)
        if waiting is None:
            self._held[durable] = [held]
            durable.add_done_callback(self._on_durable)
        else:
            waiting.append(held)

    def take_delivered(self, scope: str) -> frozenset[int]:
        """Sequences of the scope that have arrived since the last call."""
        found = self.delivered.pop(scope, None)
        return frozenset(found) if found else frozenset()

    @property
    def is_holding(self) -> bool:
        """Whether outputs wait for their state to be durable."""
        return self._released < self._submitted

    async def settle(self) -> None:
        """Wait until everything submitted so far has arrived; raises `ProducerSendError` when anything failed."""
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
        if not self._is_pushing:
            # In the loop's next turn: those of the request's other batches are released in this one.
            self._is_pushing = True
            asyncio.get_running_loop().call_soon(self._push)

    def _push(self) -> None:
        self._is_pushing = False
        self.rest()

    def rest(self) -> None:
        """When there is nothing left to apply, what was appended leaves at once; else it waits for more."""
        if self._is_idle():
            self._producer.push()

    def _release(self, held: _Held) -> None:
        self._released += 1
        futures: set[Future] = set()
        for output in held.outputs:
            headers = ((TRACEPARENT, output.traceparent.encode()),) if output.traceparent else ()
            topic = self._topics[output.topic]
            futures.add(self._producer.append(topic, held.partition, held.key, output.value, headers))
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
                self.delivered[held.scope].update(held.sequences)
