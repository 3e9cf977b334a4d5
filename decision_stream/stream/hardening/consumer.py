"""A consumer that starts where it should and commits only what has arrived.

It lets the broker collect for some milliseconds. Stock Faust does not seek when nothing was committed, remembers
commits that failed as done, and sleeps a second whenever all its buffers are full.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.structs import TopicPartition
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.futures import notify

from .assignment import require_topics
from .fetching import FetchRhythm


class TunedConsumerThread(driver.AIOKafkaConsumerThread):
    """Consumer thread with the app's fetch settings, which Faust does not pass on."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        settings, start = self.app.settings, consumer.start

        async def start_and_watch() -> None:
            await start()
            self.app.membership.watch(consumer._coordinator)
            require_topics(consumer, settings.session_timeout_ms / 2_000.0)
            FetchRhythm(consumer._fetcher, settings.fetch_max_wait_ms, settings.fetch_min_bytes, self.consumer.is_read)

        consumer.start = start_and_watch
        return consumer


class SafeConsumer(driver.Consumer):
    """Consumer with a commit gate."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._began_at: dict[TP, int] = {}

    def _new_consumer_thread(self) -> TunedConsumerThread:
        # A loop of the app's kind: Faust would make asyncio's own, which costs more for each turn.
        thread = TunedConsumerThread(self, loop=self.loop, thread_loop=type(self.loop)(), beacon=self.beacon)
        thread._close_thread_loop_on_stop = True
        return thread

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Let go of partitions; what was applied but not sent before the membership ended must never be sent."""
        if self.app.membership.is_lost and (self._unacked_messages or self.app.has_unsent):
            self.app.fail("the group went on without this worker while it had something to send")
        await super().on_partitions_revoked(revoked)

    def drop(self, message: Any) -> None:
        """Forget a message that was taken from a stream but not processed: `rewind` brings it again."""
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)

    async def rewind(self, tp: TP, offset: int) -> None:
        """Read a partition again from this offset, and go on if it was paused."""
        await self.seek(tp, offset)
        self.resume_partitions({ensure_TP(tp)})

    def began_at(self, tp: TP) -> int | None:
        """The offset from which an input partition is read in this generation; None before the seek."""
        return self._began_at.get(tp)

    def behind(self) -> set[TP]:
        """Assigned input partitions on which records wait that were not processed."""
        return {
            tp
            for tp in self.assignment()
            if not self._is_changelog_tp(tp)
            and tp not in self._paused_partitions
            and (self.is_in_hand(tp) or self._has_unfetched(tp))
        }

    def lag(self) -> dict[TP, int]:
        """Records between the committed offset, or the beginning, and the end, of each assigned partition."""
        assigned = self._thread._ensure_consumer()._subscription.subscription.assignment
        found = {}
        for tp in self.assignment():
            state = assigned.state_value(tp) if assigned is not None else None
            if state is not None and state.highwater is not None:
                found[ensure_TP(tp)] = max(0, state.highwater - (self._committed_offset[tp] or 0))
        return found

    def is_read(self, tp: TopicPartition) -> bool:
        """Whether Faust reads the partition: a changelog only while it recovers."""
        active = self._active_partitions
        # A pair is a pair: aiokafka's equals Faust's.
        return active is None or tp in active or not self._is_changelog_tp(TP(*tp))

    @property
    def is_idle(self) -> bool:
        """Whether everything that was fetched is processed."""
        return not self._unacked_messages

    def is_in_hand(self, tp: TP) -> bool:
        """Whether something of the partition was fetched and is not processed yet."""
        return any(message.tp == tp and not message.acked for message in tuple(self._unacked_messages))

    def _has_unfetched(self, tp: TP) -> bool:
        consumer = self._thread._ensure_consumer()
        assigned = consumer._subscription.subscription.assignment
        state = assigned.state_value(tp) if assigned is not None else None
        if state is None or not state.has_valid_position or state.highwater is None:
            return False
        return state.position < state.highwater

    async def perform_seek(self) -> None:
        """Seek to what is committed, and to the beginning where nothing is.

        aiokafka does not seek a partition without a committed offset, nor one whose committed offset is 0; records that
        were fetched and thrown away during recovery would never come again.
        """
        committed = {ensure_TP(tp): offset for tp, offset in (await self.seek_to_committed()).items()}
        fresh = [tp for tp, offset in committed.items() if not offset and not self._is_changelog_tp(tp)]
        beginnings = await self.earliest_offsets(*fresh) if fresh else {}
        for tp in fresh:
            await self._seek(tp, beginnings[tp])
        self._began_at = {**committed, **{tp: beginnings[tp] for tp in fresh}}
        for tp, offset in committed.items():
            self._read_offset[tp] = offset or None
            self._committed_offset[tp] = offset or None

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        """Commit once everything below these offsets has arrived; a commit that failed is tried again."""
        before = {tp: self._committed_offset[tp] for tp in offsets}
        did_commit = await super()._commit_offsets(offsets, start_new_transaction)
        if not did_commit:
            self._committed_offset.update(before)
            for tp, offset in offsets.items():
                # Stock code took the offsets off its list of acknowledged ones: put the last back.
                self._acked[tp].append(offset - 1)
                self._acked_index[tp].add(offset - 1)
        return did_commit

    async def _wait_next_records(self, timeout: float) -> Any:
        while self.flow_active and not self._active_partitions and self._buffered_partitions and not self.should_stop:
            await asyncio.sleep(0.002)
        return await super()._wait_next_records(timeout)
