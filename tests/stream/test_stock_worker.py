"""When a worker must end, beside stock Faust, which goes on: the first half of a pair is why the second exists."""

import asyncio
import signal
from collections import Counter, defaultdict, deque
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import faust
import pytest
from aiokafka.errors import MessageSizeTooLargeError
from faust import Event
from faust.transport.consumer import Consumer as AnyConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Producer
from faust.types import TP, ConsumerMessage
from mode import Service
from mode.worker import Worker as StockWorker

from decision_stream.stream import watchdog
from decision_stream.stream import worker as worker_module
from decision_stream.stream.app import EngineApp, build_app
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.hardening import lifeline as lifeline_module
from decision_stream.stream.hardening.batches import BatchConsumer, RecordBatch, _batch
from decision_stream.stream.hardening.consumer import SafeConsumer
from decision_stream.stream.hardening.lifeline import Lifeline
from decision_stream.stream.hardening.membership import UNKNOWN_MEMBER, Membership
from decision_stream.stream.hardening.producer import OrderedProducer
from decision_stream.stream.worker import EXIT_FORCED, Worker

TOPIC = TP("ds.insights", 0)
BOTH_WAYS = pytest.mark.parametrize("is_batched", [True, False], ids=["batches", "events"])


class Ended(BaseException):
    """What a worker that ends itself raises here; the process would not return."""


def end(reason: str) -> None:
    raise Ended(reason)


def stock_app() -> faust.App:
    made = faust.App("stock", broker="kafka://localhost:9", store="memory://")
    made.topics._acking_topics.add(TOPIC.topic)
    return made


def our_app(is_batched: bool = True) -> EngineApp:
    made = build_app(StreamSettings(bootstrap_servers="localhost:9", batched=is_batched))
    made.topics._acking_topics.add(TOPIC.topic)
    made.fail = end
    made.outlet = SimpleNamespace(rest=lambda: None)
    made._producer = OrderedProducer.__new__(OrderedProducer)
    return made


def reading(app: faust.App, kind: type[AnyConsumer], began_at: int) -> AnyConsumer:
    """A consumer as it is after the seek: its first record should have this offset."""
    made = kind.__new__(kind)
    made.app, made.transport = app, MagicMock()
    made._committed_offset, made._read_offset = defaultdict(lambda: None), defaultdict(lambda: None)
    made._acked, made._acked_index, made._gap = defaultdict(list), defaultdict(set), defaultdict(lambda: None)
    made._unacked_messages, made._n_acked, made._commit_every = set(), 0, None
    made._paused_partitions, made._buffered_partitions = set(), set()
    made._on_message_in = made._on_message_out = lambda *_: None
    if isinstance(made, SafeConsumer):
        made._began_at = {TOPIC: began_at}
    if isinstance(made, BatchConsumer):
        made._in_flight, made._position, made._buffered = defaultdict(deque), {}, Counter()
    app._consumer, app.consumer_generation_id = made, 1
    app.flow_control.resume()
    return made


def message(offset: int) -> ConsumerMessage:
    made = ConsumerMessage(TOPIC.topic, 0, offset, 0.0, 0, (), b"k", b"%d" % offset, None, 1, 1, TOPIC, generation_id=1)
    made.refcount = 1
    return made


def batch(offset: int) -> RecordBatch:
    one = SimpleNamespace(offset=offset, timestamp=0, timestamp_type=0, key=b"k", value=b"%d" % offset, headers=())
    return _batch(TOPIC, [one], 1)


async def by_stock_faust(offsets: list[int], process: Any) -> tuple[list[int], int | None]:
    """What an agent of stock Faust does with records of these offsets: those processed, and what is committed next."""
    app, processed = stock_app(), []
    consumer = reading(app, Consumer, began_at=offsets[0])
    stream = app.channel().stream()
    for offset in offsets:
        stream.channel.queue.put_nowait(Event(app, None, b"%d" % offset, None, message(offset)))
    try:
        async for value in stream:
            processed.append(int(value))
            process()
            if len(processed) == len(offsets):
                break
    except ValueError:
        pass  # The agent is started again, and goes on with the next event.
    for _ in range(10):
        await asyncio.sleep(0)  # The loop closes the generator, whose last act is to acknowledge.
    await stream.stop()
    return processed, consumer._new_offset(TOPIC)


async def by_our_stage(
    offsets: list[int], began_at: int, process: Any, is_batched: bool, earliest: int = 0
) -> tuple[list[int], int | None, str]:
    """The same for a stage of ours, with the reason for which it ends the worker."""
    app, processed = our_app(is_batched), []
    consumer = reading(app, BatchConsumer if is_batched else SafeConsumer, began_at)

    def take(*record: Any) -> int:
        processed.append(int(record[6]))
        process()
        return 0

    consumer.earliest_offsets = AsyncMock(return_value={TOPIC: earliest})
    app.processor = SimpleNamespace(take=take)
    agent = app.agents["decision_stream.stage.insights"]
    stream = app.channel().stream()
    for offset in offsets:
        record = batch(offset) if is_batched else message(offset)
        if is_batched:
            consumer._in_flight[TOPIC].append(record)
        stream.channel.queue.put_nowait(Event(app, None, record.value, None, record))
    with pytest.raises(Ended) as ended:
        await asyncio.wait_for(agent.fun(stream), 20)
    committable = consumer._position.get(TOPIC) if is_batched else consumer._new_offset(TOPIC)
    return processed, committable, str(ended.value)


def fail() -> None:
    raise ValueError("a mistake of ours")


def do_nothing() -> None:
    pass


@BOTH_WAYS
async def test_an_event_that_a_stage_failed_on_is_not_acknowledged(is_batched):
    assert await by_stock_faust([7], fail) == ([7], 8), "it is committed over: the event is lost"
    processed, committable, reason = await by_our_stage([7], 7, fail, is_batched)
    assert (processed, committable) == ([7], None) and "a mistake of ours" in reason


@BOTH_WAYS
async def test_a_record_that_was_skipped_ends_the_worker(is_batched):
    assert (await by_stock_faust([7, 9], do_nothing))[0] == [7, 9], "nobody notices that 8 never came"
    processed, committable, reason = await by_our_stage([7, 9], 7, do_nothing, is_batched)
    assert (processed, committable) == ([7], 8) and "expected offset 8, found 9" in reason


@BOTH_WAYS
async def test_a_record_that_was_skipped_at_the_beginning_ends_the_worker(is_batched):
    """Recovery is where stock Faust skips: the first record that comes is not the first that is not committed."""
    processed, committable, reason = await by_our_stage([9], 7, do_nothing, is_batched)
    assert (processed, committable) == ([], None) and "expected offset 7, found 9" in reason


@BOTH_WAYS
async def test_records_that_kafka_has_deleted_meanwhile_are_no_gap(is_batched):
    processed, _, reason = await by_our_stage([9], 7, fail, is_batched, earliest=9)
    assert processed == [9] and "a mistake of ours" in reason


def test_a_publish_that_was_refused_ends_the_worker():
    refused = MagicMock()
    refused.result.side_effect = refused.exception.return_value = MessageSizeTooLargeError()
    refused.cancelled.return_value = False
    stock = stock_app()
    sent = MagicMock()
    stock.topic("decisions")._on_published(refused, message=sent, producer=MagicMock(), state=None)
    sent.set_exception.assert_called_once()
    assert not stock.crashed, "a line in the log, and the offset is committed"

    made = OrderedProducer.__new__(OrderedProducer)
    made.app = SimpleNamespace(fail=end)
    with pytest.raises(Ended, match="MessageSizeTooLarge"):
        made._on_batch(refused)


@pytest.fixture
def clock(monkeypatch):
    """The clock of pauses, in seconds."""
    now = [100.0]
    monkeypatch.setattr(lifeline_module, "_now_s", lambda: now[0])
    return now


async def test_nothing_is_sent_after_a_pause_in_which_others_may_have_taken_over(clock):
    stock = Producer.__new__(Producer)
    stock._producer, stock._send_on_produce_message = MagicMock(send=AsyncMock()), MagicMock()
    stock.app = stock_app()
    clock[0] += 60.0
    await stock.send("decisions", b"k", b"v", 0, None, None)
    stock._producer.send.assert_awaited_once()

    made = OrderedProducer.__new__(OrderedProducer)
    made._appender = MagicMock()
    made.app = SimpleNamespace(lifeline=Lifeline(3.0, end))
    clock[0] += 60.0
    with pytest.raises(Ended, match="stood still for 60"):
        made.append("decisions", 0, b"k", b"v")
    made._appender.append.assert_not_called()


async def test_what_was_appended_before_the_group_went_on_is_never_sent():
    def sender() -> Any:
        return SimpleNamespace(_send_produce_req=AsyncMock())

    stock, ours = sender(), sender()
    send = ours._send_produce_req
    made = OrderedProducer.__new__(OrderedProducer)
    membership = Membership(10.0, 20.0)
    made.app = SimpleNamespace(lifeline=Lifeline(60.0, end), membership=membership, fail=end)
    made._fence(ours)
    await stock._send_produce_req(0, {})
    stock._send_produce_req.assert_awaited_once()
    membership.answered(0.0, UNKNOWN_MEMBER)
    with pytest.raises(Ended, match="went on without this worker"):
        await ours._send_produce_req(0, {})
    send.assert_not_awaited()


async def test_a_part_that_crashed_ends_the_worker():
    stock, ours = stock_app(), our_app()
    for app in (stock, ours):
        app.fetcher_of_the_test = Service(beacon=app.beacon)
    await stock.fetcher_of_the_test.crash(RuntimeError("no more records"))
    assert stock.crashed, "a mark that nobody who embeds the app is told of"
    with pytest.raises(Ended, match="no more records"):
        await ours.fetcher_of_the_test.crash(RuntimeError("no more records"))


async def test_a_worker_with_records_waiting_and_no_progress_ends(monkeypatch):
    stock = AIOKafkaConsumerThread.__new__(AIOKafkaConsumerThread)
    stock.consumer, stock.log = MagicMock(), MagicMock()
    stock.consumer.app.monitor.stream_inbound_time = {TOPIC: 0.0}
    stock._verify_aiokafka_event_path = lambda now, tp: False
    stock._consumer = MagicMock()
    assigned = stock._consumer._fetcher._subscriptions.subscription.assignment
    assigned.state_value.return_value = SimpleNamespace(highwater=9, position=3)
    stock.time_started, stock.tp_stream_timeout_secs = 0.0, 10.0
    stock._log_slow_processing_stream = MagicMock()
    stock.verify_event_path(3_600.0, TOPIC)
    stock._log_slow_processing_stream.assert_called_once()  # And that is all.

    monkeypatch.setattr(watchdog, "LOOK_S", 0.01)
    monkeypatch.setattr(watchdog, "_behind", lambda app: ["ds.insights-0"])
    app = SimpleNamespace(settings=StreamSettings(bootstrap_servers="", progress_timeout_ms=100), fail=end)
    with pytest.raises(Ended, match="no progress"):
        await asyncio.wait_for(watchdog.watch(app), 20)


async def test_a_second_signal_ends_a_worker_that_hangs_in_its_stop(monkeypatch):
    stock = StockWorker(loop=asyncio.get_running_loop())
    begun = []
    monkeypatch.setattr(stock, "_stop_on_signal", AsyncMock(side_effect=begun.append))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        stock._schedule_shutdown(number)
    await asyncio.sleep(0)
    assert begun == [signal.SIGTERM], "the others are not heard"

    monkeypatch.setattr(worker_module.os, "_exit", lambda status: end(f"status {status}"))
    made = Worker(StreamSettings(bootstrap_servers="localhost:9"))
    made._on_signal(signal.SIGTERM)
    with pytest.raises(Ended, match=f"status {EXIT_FORCED}"):
        made._on_signal(signal.SIGINT)
