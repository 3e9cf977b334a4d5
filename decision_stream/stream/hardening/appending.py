"""Records go straight into aiokafka's batches: no queue, task and future per record, and the order is kept."""

from collections.abc import Callable, Sequence
from typing import Any

from aiokafka.structs import TopicPartition
from faust.exceptions import ProducerSendError

Headers = Sequence[tuple[str, bytes]]
RECORD_OVERHEAD_BYTES = 200


class Appender:
    """Appends to a message accumulator; `on_new` is told of every batch that is begun.

    A record may have `max_request_bytes` with what Kafka adds to it.
    """

    def __init__(self, accumulator: Any, max_request_bytes: int, on_new: Callable[[Any], None]) -> None:
        self._accumulator = accumulator
        self._max_bytes = max_request_bytes - RECORD_OVERHEAD_BYTES
        self._on_new = on_new

    @property
    def failure(self) -> BaseException | None:
        """Why the accumulator takes nothing any more, if it told."""
        return self._accumulator._exception

    @property
    def is_closed(self) -> bool:
        """Whether the accumulator is closed."""
        return self._accumulator._closed

    def append(self, tp: TopicPartition, key: bytes | None, value: bytes | None, headers: Headers = ()) -> Any:
        """Append a record; returns the future of its batch. Raises `ProducerSendError` when the record is too large."""
        accumulator = self._accumulator
        batches = accumulator._batches.get(tp)
        if batches:
            batch = batches[-1]
            if batch._builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is not None:
                return batch.future
            self._wake()
        if len(value or b"") > self._max_bytes:
            raise ProducerSendError(f"a record of {len(value or b'')} bytes is larger than {self._max_bytes}")
        batch = accumulator._append_batch(accumulator.create_builder(), tp)
        # It waits as long as the oldest one: all leave in one request, which costs more than what is in it.
        batch._ctime = min(waiting[0]._ctime for waiting in accumulator._batches.values() if waiting)
        self._on_new(batch)
        if batch._builder.append(timestamp=None, key=key, value=value, headers=list(headers)) is None:
            raise ProducerSendError(f"a record of {len(value or b'')} bytes does not fit into an empty batch")
        return batch.future

    def push(self) -> None:
        """Let what was appended leave with the next request instead of waiting for more."""
        accumulator = self._accumulator
        for batches in accumulator._batches.values():
            for batch in batches:
                batch._linger_time = 0.0
        if accumulator._batches:
            self._wake()

    async def deliver(self) -> None:
        """Wait until everything appended so far is acknowledged or has failed."""
        await self._accumulator.flush_for_commit()

    def _wake(self) -> None:
        waiter = self._accumulator._waiter_future
        if not waiter.done():
            waiter.set_result(None)
