"""The outlet: state before outputs, one write for quiet events, and nothing left behind when partitions move."""

import asyncio

from decision_stream.model.journal import Source
from decision_stream.model.policy import Policy
from decision_stream.stream.outlet import Outlet
from decision_stream.stream.record import apply, empty
from tests.factories import SCOPE, insight

KEY = SCOPE.encode()


class Producer:
    """Batches of one record that arrive when the test says so."""

    def __init__(self) -> None:
        self.appended: list[tuple[str, asyncio.Future]] = []
        self.pushes = 0

    def append(self, topic, partition, key, value, headers=()):
        future = asyncio.get_running_loop().create_future()
        self.appended.append((topic, future))
        return future

    def push(self) -> None:
        self.pushes += 1

    async def deliver(self) -> None:
        for _, future in self.appended:
            if not future.done():
                future.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @property
    def topics(self) -> list[str]:
        return [topic for topic, _ in self.appended]


def outlet(producer: Producer, is_idle: bool = False) -> tuple[Outlet, dict[bytes, bytes]]:
    table: dict[bytes, bytes] = {}
    names = {name: name for name in ("proposals", "decisions", "signals", "journal")}
    made = Outlet(producer, "changelog", names, lambda _, writes: table.update(writes), lambda: is_idle, 4)
    return made, table


def send(made: Outlet, minutes: range, stored=None):
    stored = stored or empty(SCOPE)
    for minute in minutes:
        source = Source(topic="insights", partition=1, offset=minute)
        done = apply(stored, source, insight(minute), Policy(), delivered=made.take_delivered(SCOPE), may_defer=True)
        made.send(SCOPE, KEY, 1, done)
        stored = done.stored
    return stored


async def test_outputs_of_quiet_events_leave_after_their_common_write():
    producer = Producer()
    made, table = outlet(producer)
    stored = send(made, range(2))
    await made.settle()
    begun, held = list(producer.topics), dict(table)
    send(made, range(2, 7), stored)
    assert producer.topics == begun and table == held and made.is_holding, "nothing is written yet"
    await made.settle()
    assert producer.topics[len(begun) :] == ["changelog", *["journal"] * 5] and not made.is_holding
    assert table != held
    assert made.take_delivered(SCOPE) == frozenset(range(3, 8))


async def test_a_worker_with_nothing_left_to_apply_writes_and_pushes_at_once():
    producer = Producer()
    made, _ = outlet(producer, is_idle=True)
    stored = send(made, range(2))
    await made.settle()
    written = producer.topics.count("changelog")
    send(made, range(2, 4), stored)
    made.rest()
    assert producer.topics.count("changelog") == written + 1 and producer.pushes


async def test_a_worker_that_is_behind_writes_after_a_while(monkeypatch):
    producer = Producer()
    made, _ = outlet(producer)
    stored = send(made, range(2))
    await made.settle()
    written = producer.topics.count("changelog")
    send(made, range(2, 4), stored)
    made.rest()
    assert producer.topics.count("changelog") == written
    monkeypatch.setattr("decision_stream.stream.outlet.PATIENCE_S", -1.0)
    made.rest()
    assert producer.topics.count("changelog") == written + 1


async def test_what_was_deferred_when_partitions_move_is_never_sent():
    producer = Producer()
    made, _ = outlet(producer)
    stored = send(made, range(2))
    await made.settle()
    appended = list(producer.topics)
    send(made, range(2, 4), stored)
    made.forget_deferred()
    assert not made.is_holding
    await made.settle()
    assert producer.topics == appended


async def test_what_a_busy_scope_waits_for_leaves_at_once(monkeypatch):
    producer = Producer()
    made, _ = outlet(producer)
    stored = send(made, range(2))
    await made.settle()
    pushes = producer.pushes
    stored = send(made, range(2, 4), stored)
    made.write_deferred()
    assert producer.pushes == pushes, "what little waits may wait for company"
    monkeypatch.setattr("decision_stream.stream.outlet.BUSY_BYTES", stored.outbox_bytes + 1)
    send(made, range(4, 6), stored)
    made.write_deferred()
    assert producer.pushes == pushes + 1, "its state"
    await made.settle()
    assert producer.pushes > pushes + 1, "and its outputs, as soon as that is durable"
