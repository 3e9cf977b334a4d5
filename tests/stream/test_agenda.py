"""The ticker's agenda says what a look at every scope would say, whatever happened, and again after a restart."""

import asyncio
from collections import defaultdict
from random import Random
from types import SimpleNamespace

import pytest

from decision_stream.model.policy import Policy
from decision_stream.stream.agenda import Agenda
from decision_stream.stream.app import _take_stock
from decision_stream.stream.flood import FloodGuard, FloodLimits
from decision_stream.stream.hardening.store import OwnedStore
from decision_stream.stream.observer import SilentObserver
from decision_stream.stream.outlet import Outlet
from decision_stream.stream.processor import OUTPUTS, Processor
from decision_stream.stream.scopes import Scopes
from decision_stream.wire.codec import encode
from tests.factories import MINUTE_MS, START_MS, estimate, insight

PARTITIONS = 2
NAMES = [f"acme/support/route-{number}" for number in range(8)]
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


class Loop:
    """A producer that keeps proposals and decisions, and whose batches arrive at once."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[tuple[int, bytes, bytes]]] = defaultdict(list)

    def append(self, topic, partition, key, value, headers=()):
        future = asyncio.get_running_loop().create_future()
        future.set_result(None)
        self.sent[topic].append((partition, key, value))
        return future


def worker(store: OwnedStore, kept: int) -> SimpleNamespace:
    scopes, producer, agenda = Scopes(store, kept), Loop(), Agenda()
    outlet = Outlet(producer, "changelog", {name: name for name in OUTPUTS}, scopes.keep, lambda: False, PARTITIONS)
    scopes.before_eviction = outlet.write_deferred
    return SimpleNamespace(
        scopes=scopes,
        producer=producer,
        agenda=agenda,
        outlet=outlet,
        observer=SilentObserver(),
        consumer_generation_id=1,
        owned_partitions=lambda: set(range(PARTITIONS)),
        processor=Processor(
            scopes=scopes,
            outlet=outlet,
            producer=producer,
            policy=Policy(),
            dead_letter_topic="dead-letters",
            observer=SilentObserver(),
            flood=FloodGuard(FloodLimits()),
            agenda=agenda,
        ),
    )


def looked_at(made: SimpleNamespace, now_ms: int) -> dict[int, list[str]]:
    """What the ticker did before there was an agenda: decode every scope and ask it."""
    return {
        partition: [
            scope
            for scope in made.scopes.names({partition})
            if (deadline_ms := made.scopes.peek(scope).state.next_deadline_ms()) is not None and deadline_ms <= now_ms
        ]
        for partition in range(PARTITIONS)
    }


def in_agenda(made: SimpleNamespace, now_ms: int) -> dict[int, list[str]]:
    return {partition: made.agenda.due(partition, now_ms) for partition in range(PARTITIONS)}


@pytest.mark.parametrize("seed", range(4))
async def test_it_says_what_a_look_at_every_scope_would_say(seed):
    draw = Random(seed)
    store = OwnedStore.__new__(OwnedStore)
    store.data, store._key_partition = {}, {}
    made, offsets, carried, ever = worker(store, kept=3), defaultdict(int), defaultdict(int), 0

    async def take(topic: str, partition: int, key: bytes, value: bytes, at_ms: int) -> None:
        offset = offsets[topic, partition]
        offsets[topic, partition] += 1
        made.processor.take(topic, topic, partition, offset, at_ms, key, value, ())
        await asyncio.sleep(0)

    for minute in range(30):
        now_ms = START_MS + minute * MINUTE_MS
        for number, scope in enumerate(NAMES):
            if draw.random() < 0.3:
                continue
            offers = CHEAP if draw.random() < 0.5 else ()
            value = encode(insight(minute, scope=scope, candidates=offers))
            await take("insights", number % PARTITIONS, scope.encode(), value, now_ms)
        # Some of what is proposed is heard; nobody carries it out, so that deadlines pass.
        proposals = made.producer.sent["proposals"]
        while carried["proposals"] < len(proposals) and draw.random() < 0.7:
            partition, key, value = proposals[carried["proposals"]]
            carried["proposals"] += 1
            await take("proposals", partition, key, value, now_ms)
        for at_ms in (now_ms, now_ms + 2 * MINUTE_MS, now_ms + 10_000 * MINUTE_MS):
            assert in_agenda(made, at_ms) == looked_at(made, at_ms)
            ever += sum(map(len, in_agenda(made, at_ms).values()))
    assert ever > 0, "something was due"
    made.outlet.write_deferred()
    restarted = worker(store, kept=3)
    assert not any(in_agenda(restarted, now_ms + 10_000 * MINUTE_MS).values())
    await _take_stock(restarted, 1)
    for at_ms in (now_ms, now_ms + 10_000 * MINUTE_MS):
        assert in_agenda(restarted, at_ms) == looked_at(made, at_ms)


async def test_a_scope_that_cannot_be_read_does_not_hide_the_others():
    store = OwnedStore.__new__(OwnedStore)
    store.data, store._key_partition = {}, {}
    made = worker(store, kept=10)
    scope = NAMES[1].encode()
    for minute in range(3):
        value = encode(insight(minute, scope=NAMES[1], candidates=CHEAP))
        made.processor.take("insights", "insights", 1, minute, START_MS, scope, value, ())
        await asyncio.sleep(0)
    made.outlet.write_deferred()
    store.put(1, NAMES[0].encode(), b"\xc1damaged")
    restarted = worker(store, kept=10)
    await _take_stock(restarted, 1)
    assert restarted.agenda.due(1, START_MS + 10_000 * MINUTE_MS) == [NAMES[1]]
