"""Holes of stock Faust beside what puts them right, in process: the first line of a pair is why the second exists.

Here: what is read, stored and committed. When a worker ends is in test_stock_worker.py. The table of
docs/decisions/0001 names hole, file and test.
"""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import msgspec
import pytest
from faust.exceptions import ProducerSendError
from faust.stores.memory import Store
from faust.tables.recovery import Recovery
from faust.transport.drivers.aiokafka import Consumer, Producer
from faust.transport.producer import ProducerBuffer
from faust.types import TP

from decision_stream.stream.hardening.appending import Appender
from decision_stream.stream.hardening.consumer import SafeConsumer
from decision_stream.stream.hardening.producer import OrderedProducer
from decision_stream.stream.hardening.recovery import SafeRecovery
from decision_stream.stream.hardening.self_test import PLACE, _accumulator
from decision_stream.stream.hardening.store import OwnedStore

FRESH, HELD = TP("ds.insights", 0), TP("ds.insights", 1)


def order_of_recovery(kind: type[Recovery]) -> list[str]:
    """What recovery does to the partitions and queues in its end, in order."""
    calls = MagicMock()
    calls.app.on_rebalance_complete.send = AsyncMock()
    calls.app.consumer.assignment.return_value = {HELD}
    calls.app.consumer_generation_id = 1
    calls.app._fetcher.maybe_start = AsyncMock()
    made = kind.__new__(kind)
    made.app, made.tables = calls.app, MagicMock(take_up_check=None, ready_listener=None)
    made.tables.values.return_value = ()
    made.actives_for_table, made.standbys_for_table = {}, {}
    made.active_highwaters, made.active_offsets = {}, {}
    made.completed, made.log = MagicMock(), MagicMock()
    made._wait = AsyncMock()
    made._set_recovery_ended = MagicMock()
    made._is_changelog_tp = lambda tp: False
    made._recovery_started_at = made._recovery_ended_at = 0.0
    asyncio.run(made.on_recovery_completed(1))
    wanted = ("resume_partitions", "perform_seek", "clear", "flow_control.resume")
    names = [name.removeprefix("app.").removeprefix("consumer.") for name, _, _ in calls.mock_calls]
    return [name for name in names if name.endswith(wanted)]


def test_recovery_lets_records_flow_only_after_the_seek_and_the_clearing_of_queues():
    assert order_of_recovery(Recovery)[0] == "resume_partitions", "before it seeks and clears the queues"
    assert order_of_recovery(SafeRecovery)[-1] == "resume_partitions"


def consumer_of(kind: type[Consumer]) -> Any:
    made = kind.__new__(kind)
    made._read_offset, made._committed_offset = defaultdict(lambda: None), defaultdict(lambda: None)
    made._acked, made._acked_index = defaultdict(list), defaultdict(set)
    made.seek_to_committed = AsyncMock(return_value={FRESH: None, HELD: 7})
    made.earliest_offsets = AsyncMock(return_value={FRESH: 3})
    made._seek = AsyncMock()
    made._is_changelog_tp = lambda tp: False
    return made


def test_a_partition_without_a_commit_is_read_again_from_its_beginning():
    stock, safe = consumer_of(Consumer), consumer_of(SafeConsumer)
    asyncio.run(stock.perform_seek())
    asyncio.run(safe.perform_seek())
    assert stock._seek.call_args_list == [], "what was fetched and thrown away does not come again"
    safe._seek.assert_awaited_once_with(FRESH, 3)


def test_a_commit_that_failed_is_not_remembered_as_done():
    def after(kind: type[Consumer]) -> int | None:
        made = consumer_of(kind)
        made.log, made.assignment, made.in_transaction = MagicMock(), lambda: {HELD}, False
        made.app = MagicMock()
        made.app.producer.flush = AsyncMock()
        made._commit = AsyncMock(return_value=False)
        made._committed_offset[HELD] = 7
        assert asyncio.run(made._commit_offsets({HELD: 9})) is False
        return made._committed_offset[HELD]

    assert after(Consumer) == 9
    assert after(SafeConsumer) == 7


class RunningBuffer(ProducerBuffer):
    """Stock Faust's buffer, as it is while the app runs."""

    state = "running"


async def test_a_flush_waits_until_everything_has_arrived():
    stock = RunningBuffer()
    stock.app = MagicMock()
    stock.app.conf.producer_threaded = False
    stock.pending.put_nowait(MagicMock())
    await stock.flush()
    assert stock.size == 1, "it gave up, and the offsets are committed next"

    begun: list[Any] = []
    made = OrderedProducer.__new__(OrderedProducer)
    made._appender = Appender(_accumulator(), 1_000_000, begun.append)
    made._appender.append(PLACE, b"k", b"v")
    flushing = asyncio.create_task(made.deliver())
    await asyncio.wait([flushing], timeout=0.3)
    assert not flushing.done()
    begun[0].done(base_offset=0)
    await flushing


def flushing(kind: type[Producer]) -> Any:
    """A producer of which one send has failed."""
    made = kind.__new__(kind)
    made._producer = MagicMock()
    made._producer.flush = AsyncMock()  # aiokafka's waits, and never raises.
    made.buffer = MagicMock(flush=AsyncMock())
    made.failure = ConnectionError("refused")

    async def settle() -> None:
        made.check()

    made.app = SimpleNamespace(settle=settle)
    return made


def test_a_flush_reports_what_was_not_delivered():
    asyncio.run(flushing(Producer).flush())
    with pytest.raises(ProducerSendError, match="refused"):
        asyncio.run(flushing(OrderedProducer).flush())


async def test_nothing_is_committed_over_what_has_not_arrived():
    def committing(kind: type[Consumer], producer: type[Producer]) -> Any:
        made = consumer_of(kind)
        made.log, made.assignment, made.in_transaction = MagicMock(), lambda: {HELD}, False
        made.app = MagicMock(producer=flushing(producer))
        made._commit = AsyncMock(return_value=True)
        return made

    stock, safe = committing(Consumer, Producer), committing(SafeConsumer, OrderedProducer)
    await stock._commit_offsets({HELD: 9})
    stock._commit.assert_awaited_once()
    with pytest.raises(ProducerSendError):
        await safe._commit_offsets({HELD: 9})
    safe._commit.assert_not_awaited()
    assert safe._committed_offset[HELD] is None


def test_a_late_write_of_a_replaced_owner_does_not_win_over_a_newer_one():
    newer, late = msgspec.msgpack.encode((1, 2, 5)), msgspec.msgpack.encode((1, 1, 9))
    events = [
        SimpleNamespace(key=b"k", value=value, message=SimpleNamespace(key=b"k", value=value, partition=0))
        for value in (newer, late)
    ]

    def held(kind: type[Store]) -> bytes:
        made = kind.__new__(kind)
        made.data, made._key_partition = {}, {}
        made.apply_changelog_batch(events, to_key=lambda key: key, to_value=lambda value: value)
        return made.data[b"k"]

    assert held(Store) == late
    assert held(OwnedStore) == newer


async def test_a_key_of_a_lost_partition_is_forgotten_also_when_this_worker_wrote_it():
    async def left(kind: type[Store]) -> dict[bytes, bytes]:
        made = kind.__new__(kind)
        made.data, made._key_partition = {}, {}
        if isinstance(made, OwnedStore):
            made.put(0, b"k", b"v")
        else:
            made[b"k"] = b"v"  # As a table writes it.
        await made.on_recovery_completed({TP("changelog", 1)}, set())
        return made.data

    assert await left(Store) == {b"k": b"v"}, "it would be served, and written over what its new owner wrote"
    assert await left(OwnedStore) == {}
