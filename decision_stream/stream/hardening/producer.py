"""A producer that appends records to aiokafka's batches directly, in order, and knows whether every one arrived.

Stock Faust sends through a queue, a task and a future per record, does not tell anyone when a send fails, and gives
up flushing after a tenth of a second without progress; offsets were committed although every send had failed. Here a
failed batch is remembered for ever (`failure`), and `flush` returns only when everything appended before it has been
acknowledged.
"""

import asyncio
from asyncio import StreamWriter
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as driver

from .appending import Appender, Headers
from .produce_wire import LeanProduceRequest, PiecewiseWriter
from .topic_ids import topic_ids

MAX_BATCHES_IN_FLIGHT = 40
HOLD_S = 0.02
ASK_TIMES, ASK_AGAIN_S = 60, 0.5


class OrderedProducer(driver.Producer):
    """Idempotent producer with synchronous appends and one future per batch."""

    failure: BaseException | None = None
    in_flight: int = 0

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Start, and come between what is appended and what leaves."""
        await super().on_start()
        producer = self._ensure_producer()
        self._appender = Appender(producer._message_accumulator, producer._max_request_size, self._on_new)
        self._fence(producer._sender)
        _speak_leanly(producer.client)

    def _fence(self, sender: Any) -> None:
        """Hold every request until the group confirms that this worker still owns its partitions; end when it denies.

        A record that was appended before a pause would otherwise be sent after it, before anybody looks at the clock.
        """
        send, app = sender._send_produce_req, self.app

        async def send_as_member(node_id: Any, batches: Any) -> None:
            app.lifeline.check()
            while not app.membership.may_send:
                if app.membership.is_lost:
                    app.fail("the group went on without this worker while it had something to send")
                await asyncio.sleep(HOLD_S)
            await send(node_id, batches)

        sender._send_produce_req = send_as_member

    async def know_topics(self, topics: Sequence[str]) -> None:
        """Fetch the metadata of the topics that records will be appended to."""
        for topic in topics:
            await self._ensure_producer().partitions_for(topic)

    async def topic_ids(self, topics: Sequence[str]) -> dict[str, bytes]:
        """Kafka's identities of topics; tries again while the broker is away. Raises `KafkaError` in the end."""
        client = self._ensure_producer().client
        for left in range(ASK_TIMES, -1, -1):
            try:
                return await topic_ids(client, topics)
            except KafkaError:
                if not left:
                    raise
                await asyncio.sleep(ASK_AGAIN_S)
        raise AssertionError("not reached")

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> asyncio.Future[Any]:
        """Append a record; the future is that of its batch and fails when the batch does.

        Records of one partition arrive in the order of appending. Raises `ProducerSendError` when any earlier batch has
        failed, when the producer is closed, or when the record is too large.
        """
        self.app.lifeline.check()
        appender = self._appender
        failure = self.failure or appender.failure
        if failure is not None or appender.is_closed:
            raise ProducerSendError(f"the producer has failed or is closed: {failure!r}")
        return appender.append(TopicPartition(topic, partition), key, value, headers)

    def push(self) -> None:
        """Let what was appended leave with the next request instead of waiting for more."""
        self._appender.push()

    async def deliver(self) -> None:
        """Wait until everything appended so far is acknowledged; raises `ProducerSendError` when any batch failed."""
        await self._appender.deliver()
        # The batches' own callbacks run in the next turn of the loop.
        await asyncio.sleep(0)
        self.check()

    @property
    def is_congested(self) -> bool:
        """Whether so many batches wait for acknowledgement that whoever appends should wait too."""
        return self.in_flight > MAX_BATCHES_IN_FLIGHT

    def check(self) -> None:
        """Raise `ProducerSendError` when any batch has failed since the start."""
        if self.failure is not None:
            raise ProducerSendError(f"a record was not delivered: {self.failure!r}")

    async def flush(self) -> None:
        """What Faust calls before it commits: everything the app has to send must have arrived."""
        if self._producer is not None:
            await self.app.settle()

    def _on_new(self, batch: Any) -> None:
        self.in_flight += 1
        batch.future.add_done_callback(self._on_batch)

    def _on_batch(self, future: asyncio.Future[Any]) -> None:
        self.in_flight -= 1
        if future.cancelled():
            self.failure = self.failure or asyncio.CancelledError()
        elif future.exception() is not None:
            self.failure = self.failure or future.exception()
        if self.failure is not None:
            self.app.fail(f"a batch was not delivered: {self.failure!r}")


def _speak_leanly(client: Any) -> None:
    """Let what this client produces be written and read by `produce_wire`."""
    send, connect = client.send, client._get_conn

    def send_lean(node_id: Any, request: Any, **how: Any) -> Any:
        is_produce = type(request) is ProduceRequest
        return send(node_id, LeanProduceRequest(request) if is_produce else request, **how)

    async def connect_piecewise(node_id: Any, **how: Any) -> Any:
        connection = await connect(node_id, **how)
        if connection is not None and type(connection._writer) is StreamWriter:
            connection._writer = PiecewiseWriter(connection._writer)
        return connection

    client.send, client._get_conn = send_lean, connect_piecewise
