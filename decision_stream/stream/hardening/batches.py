"""Records go through Faust in batches of one partition: one queue entry, one acknowledgement for many.

Stock Faust makes four tasks, a message, an event, a lock and a set entry per record, which costs more than deciding
does. Here what was fetched of a partition is put on its stream's queue as it is, in chunks, and the committable
position of a partition is the end of its acknowledged prefix. A changelog goes to its table's store the same way.
"""

import asyncio
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from faust import Event
from faust.streams import _current_event
from faust.transport.consumer import ensure_TP
from faust.types import TP, ConsumerMessage, StreamT
from mode.utils.futures import notify

from .consumer import SafeConsumer

CHUNK = 50
"""Records that are processed before the event loop gets its turn: some milliseconds."""
POLL_S, POLL_FULL_S = 1.0, 0.02
FULL, DRAINED = 0.8, 0.4
"""Shares of the buffer limit at which a partition is no longer fetched, and fetched again."""


class RecordBatch(ConsumerMessage):
    """Consecutive records of one partition, from offset `first` to `last`, as one message whose value is their list."""

    __slots__ = ("done", "first", "last")

    first: int
    last: int
    done: bool


class BatchConsumer(SafeConsumer):
    """Consumer that delivers batches to streams that are the only reader of their topic."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_flight: dict[TP, deque[RecordBatch]] = defaultdict(deque)
        self._position: dict[TP, int] = {}
        self._buffered: Counter[TP] = Counter()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit what is in hand, then forget the partitions."""
        await super().on_partitions_revoked(revoked)
        self._forget()

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Start from nothing in the new generation."""
        self._forget()
        await super().on_partitions_assigned(assigned, generation_id)

    def ack(self, message: Any) -> bool:
        """Mark a batch as applied; one of an older generation is ignored, since it will come again."""
        if not isinstance(message, RecordBatch):
            return super().ack(message)
        if message.done or message.generation_id != self.app.consumer_generation_id:
            return False
        message.done = message.acked = True
        tp = message.tp
        self._unacked_messages.discard(message)
        in_flight = self._in_flight[tp]
        while in_flight and in_flight[0].done:
            self._position[tp] = in_flight.popleft().last + 1
        self._buffered[tp] -= message.last - message.first + 1
        is_paused = tp in self._paused_partitions
        if not is_paused and tp in self._buffered_partitions and self._buffered[tp] < DRAINED * self._limit:
            self.on_buffer_drop(tp)
        notify(self._waiting_for_ack)
        return True

    def drop(self, message: Any) -> None:
        """Forget a batch that was taken from a stream but not processed."""
        super().drop(message)
        if isinstance(message, RecordBatch) and message in self._in_flight[message.tp]:
            self._in_flight[message.tp].remove(message)
            self._buffered[message.tp] -= message.last - message.first + 1

    async def rewind(self, tp: TP, offset: int) -> None:
        """Read a partition again from this offset; what was fetched of it and not processed is forgotten."""
        for batch in self._in_flight.pop(tp, ()):
            batch.generation_id = -1  # Still in the stream's queue, where it is passed over.
        self._buffered[tp] = 0
        self.on_buffer_drop(tp)
        await super().rewind(tp, offset)

    @property
    def is_idle(self) -> bool:
        """Whether everything that was fetched is processed."""
        return not any(self._in_flight.values()) and super().is_idle

    def is_in_hand(self, tp: TP) -> bool:
        """Whether something of the partition was fetched and is not processed yet."""
        return bool(self._in_flight.get(tp))

    def _filter_committable_offsets(self, tps: Any) -> dict[TP, int]:
        offsets = super()._filter_committable_offsets(tps)
        for tp, position in self._position.items():
            if position > (self._committed_offset[tp] or 0):
                offsets[tp] = position
        return offsets

    @property
    def _limit(self) -> int:
        return self.app.conf.stream_buffer_maxsize

    def _forget(self) -> None:
        self._in_flight.clear()
        self._position.clear()
        self._buffered.clear()

    async def _drain_messages(self, fetcher: Any) -> None:
        def stopped() -> bool:
            return self._stopped.is_set() or fetcher._stopped.is_set()

        endings: tuple[type[BaseException], ...] = (*self.consumer_stopped_errors, asyncio.CancelledError)
        try:
            while not stopped():
                await self._drain_once(stopped)
        except endings:
            if not self.app.should_stop:
                raise

    async def _drain_once(self, stopped: Callable[[], bool]) -> None:
        """Fetch once and hand on what came, unless a rebalance has begun meanwhile."""
        records, _ = await self._wait_next_records(POLL_FULL_S if self._buffered_partitions else POLL_S)
        generation = self.app.consumer_generation_id
        await asyncio.sleep(0)
        if not self.flow_active:
            await self.perform_seek()
            return
        for found, fetched in (records or {}).items():
            if not self.flow_active or generation != self.app.consumer_generation_id or stopped():
                return
            tp = ensure_TP(found)
            if tp not in self._active_partitions and tp not in self._buffered_partitions:
                continue
            if self._is_changelog_tp(tp):
                self._recover(tp, fetched)
                continue
            channels = self.app.topics._tp_index[tp]
            assert len(channels) == 1, f"{tp} must have one stage that reads it"
            await self._deliver(tp, next(iter(channels)), fetched, generation)

    async def _deliver(self, tp: TP, channel: Any, fetched: list[Any], generation: int) -> None:
        read = self._read_offset[tp]
        if read is not None and fetched[0].offset < read:
            fetched = [record for record in fetched if record.offset >= read]
        if not fetched:
            return
        await self.app.flow_control.acquire()
        if generation != self.app.consumer_generation_id:
            return
        for start in range(0, len(fetched), CHUNK):
            batch = _batch(tp, fetched[start : start + CHUNK], generation)
            self._in_flight[tp].append(batch)
            channel.queue.force_put_nowait(Event(self.app, None, batch.value, None, batch))
        self._read_offset[tp] = fetched[-1].offset + 1
        self._buffered[tp] += len(fetched)
        if self._buffered[tp] > FULL * self._limit:
            self.on_buffer_full(tp)

    def _recover(self, tp: TP, fetched: list[Any]) -> None:
        """Records of a changelog go to the table without a queue."""
        read = self._read_offset[tp]
        fetched = [record for record in fetched if read is None or record.offset >= read]
        if fetched:
            self.app.tables.recovery.take_in(tp, fetched)
            self._read_offset[tp] = fetched[-1].offset


async def batches(stream: StreamT[Any]) -> AsyncIterator[RecordBatch]:
    """Batches from the queue of a stream's channel, without Faust's per-event work; the caller acknowledges them.

    Batches of an older generation are dropped: their records come again.
    """
    app, consumer = stream.app, stream.app.consumer
    queue = stream.channel.queue
    stream._finalized = True
    await stream.maybe_start()
    while not stream.should_stop:
        await asyncio.sleep(0)
        try:
            event = queue.get_nowait() if queue._queue and not queue._errors else await queue.get()
        except StopAsyncIteration:
            return  # Faust throws it into the queue when the agent is to stop.
        batch = event.message
        if not app.flow_control.is_active() or batch.generation_id != app.consumer_generation_id:
            continue
        batch.tracked = True
        consumer._unacked_messages.add(batch)
        _current_event.set(weakref.ref(event))
        yield batch


_NO_HEADERS: Any = ()


def _batch(tp: TP, records: Any, generation: int) -> RecordBatch:
    newest = records[-1]
    batch = RecordBatch(
        tp.topic,
        tp.partition,
        newest.offset,
        newest.timestamp / 1_000.0,
        newest.timestamp_type,
        _NO_HEADERS,
        None,
        records,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )
    batch.first, batch.last, batch.done, batch.refcount = records[0].offset, newest.offset, False, 1
    return batch
