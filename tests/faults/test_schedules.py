"""Thousands of fault schedules: nothing lost or contradicted, state as if nothing had happened."""

import json
import os
from collections import Counter
from dataclasses import fields
from random import Random

import msgspec
import pytest

from decision_stream.model.command import Autonomy, Pin, SetAutonomy, Tick, Unpin
from decision_stream.model.decision import Proposal
from decision_stream.model.event import Event
from decision_stream.model.journal import JournalRecord
from decision_stream.model.knowledge import ProviderHealth, ProviderReport, Sighting, Signal, aggregate_of
from decision_stream.model.policy import Policy
from decision_stream.stream.record import StoredScope, UnreadableState, apply, empty
from tests.factories import MINUTE_MS, START_MS, command, estimate, insight
from tests.faults.virtual import FAULTS, SCOPE, TOPICS, EndedItself, Guards, Log, Schedule, Worker

SCHEDULES = int(os.environ.get("DS_FAULT_SCHEDULES", "10000"))
POLICY = Policy()
WATCH = aggregate_of("provider", "openai", SCOPE, 1)


class Broken(AssertionError):
    """A promise was broken; the message names it."""


def made(seed: int) -> Log:
    """The log of one scope, or every fifth time of an aggregate."""
    draw = Random(seed)
    return Log(_sightings(draw), WATCH) if seed % 5 == 4 else Log(_events(draw))


def _sightings(draw: Random) -> dict[str, list[Event]]:
    """What scopes tell of a provider; they fall into trouble so often that it has incidents now and then."""
    numbers: Counter[str] = Counter()
    sightings: list[Event] = []
    for minute in range(draw.randrange(10, 30)):
        member = f"acme/support/{draw.randrange(6)}"
        numbers[member] += draw.choice((0, 1, 1, 1))
        report = ProviderReport(provider="openai", is_troubled=draw.random() < 0.5, is_changed=draw.random() < 0.1)
        sightings.append(
            Sighting(
                id=f"sighting-{minute}",
                scope=WATCH,
                at_ms=START_MS + minute * MINUTE_MS,
                member=member,
                number=numbers[member],
                content=report,
            )
        )
    return {"insights": [], "commands": [], "signals": sightings}


def _events(draw: Random) -> dict[str, list[Event]]:
    """Some insights, commands and signals of one scope; the candidates make it propose now and then."""
    insights: list[Event] = []
    for minute in range(draw.randrange(6, 18)):
        rival = estimate(f"model-{draw.randrange(3)}", cost_usd=draw.choice((0.002, 0.02)), samples=200 + 50 * minute)
        insights.append(insight(minute, scope=SCOPE, candidates=(rival,) if draw.random() < 0.7 else ()))
    commands: list[Event] = [
        command(minute + 0.5, draw.choice((Tick(), Pin(), Unpin(), SetAutonomy(level=Autonomy.OBSERVE))), scope=SCOPE)
        for minute in range(draw.randrange(6))
    ]
    signals: list[Event] = [
        Signal(
            id=f"signal-{number}",
            scope=SCOPE,
            at_ms=START_MS,
            aggregate=WATCH,
            home=0,
            number=draw.randrange(1, number + 2),
            content=ProviderHealth(
                provider="premium",
                has_incident=draw.random() < 0.5,
                since_ms=START_MS,
                until_ms=START_MS + 5 * MINUTE_MS,
                witnesses=6,
                troubled=4,
                needed=4,
                days_between_false_incidents=400.0,
            ),
        )
        for number in range(draw.randrange(5))
    ]
    return {"insights": insights, "commands": commands, "signals": signals}


def play(seed: int, guards: Guards) -> tuple[Log, Worker]:
    log = made(seed)
    return log, Schedule(seed, log, guards, POLICY).run()


def check(log: Log, owner: Worker) -> None:
    """All promises on what is durable at the end."""
    journal = _journal(log)
    applied = {(record.source.topic, record.source.offset) for record in journal}
    expected = {(topic, offset) for topic in TOPICS for offset in range(len(log.inputs[topic]))}
    _promise(applied == expected, f"every event has exactly one verdict; missing {sorted(expected - applied)[:3]}")
    _promise(len(journal) == len(expected), "no event has two verdicts")
    _promise(log.committed == {topic: len(log.inputs[topic]) for topic in TOPICS}, "all offsets are committed")
    pure, outputs = _replayed(log, journal)
    _promise(owner.stored.state == pure.state, "the state is that of an undisturbed run")
    _promise(owner.stored.head == pure.head, "the journal's head is that of an undisturbed run")
    seen = {(output.topic, output.value) for output in log.outputs}
    _promise(seen == outputs, "the outputs are those of an undisturbed run")


def _journal(log: Log) -> list[JournalRecord]:
    """Journal records in order, each id once; two records of one id must be the same bytes."""
    first: dict[str, bytes] = {}
    for output in log.outputs:
        if output.topic == "journal":
            identifier = json.loads(output.value)["id"]
            _promise(first.setdefault(identifier, output.value) == output.value, f"{identifier} is told in two ways")
    records = [msgspec.json.decode(value, type=JournalRecord) for value in first.values()]
    _promise([record.sequence for record in records] == list(range(1, len(records) + 1)), "the journal comes in order")
    return records


def _replayed(log: Log, journal: list[JournalRecord]) -> tuple[StoredScope, set[tuple[str, bytes]]]:
    stored, outputs = empty(log.scope), set()
    for record in journal:
        event = log.inputs[record.source.topic][record.source.offset]
        sent = frozenset(entry.sequence for entry in stored.outbox)
        done = apply(stored, record.source, event, POLICY, delivered=sent)
        stored = done.stored
        outputs |= {(output.topic, output.value) for output in done.outputs}
    return stored, outputs


def _promise(kept: bool, promise: str) -> None:
    if not kept:
        raise Broken(promise)


def test_no_schedule_of_faults_breaks_a_promise():
    happened: Counter[str] = Counter()
    told = 0
    for seed in range(SCHEDULES):
        log, owner = play(seed, Guards())
        try:
            check(log, owner)
        except Exception as fault:
            raise AssertionError(f"schedule {seed}: {fault}") from fault
        happened.update({output.topic for output in log.outputs} if log.scope == SCOPE else ())
        told += log.scope == WATCH and any(output.topic == "signals" for output in log.outputs)
    assert happened["proposals"] > SCHEDULES / 10 and told > SCHEDULES / 20, "the schedules are about something"


NOTICED = (Broken, EndedItself, UnreadableState)
"""How a missing guard shows; any other error is one of this checker's own."""


def first_noticed(guards: Guards) -> str:
    """What the first of a thousand schedules says that these guards do not hold."""
    for seed in range(1_000):
        try:
            check(*play(seed, guards))
        except NOTICED as fault:
            return str(fault)
    raise AssertionError(f"with {guards} a thousand schedules were fine: the checker is blind to what is missing")


@pytest.mark.parametrize("guard", [field.name for field in fields(Guards)])
def test_the_checker_notices_a_missing_guard(guard):
    assert first_noticed(Guards(**{guard: False}))


def test_what_the_order_of_recovery_throws_away_is_lost_when_nobody_looks_for_gaps():
    assert "every event has exactly one verdict" in first_noticed(Guards(recovery_order=False, contiguity=False))


def test_every_kind_of_fault_happens():
    happened = set()
    for seed in range(50):
        schedule = Schedule(seed, made(seed), Guards(), POLICY)
        schedule.run()
        happened |= schedule.happened
    assert happened >= {name for name, share in FAULTS.items() if share}


def test_a_schedule_runs_again_exactly():
    one, other = (play(77, Guards())[0] for _ in range(2))
    assert one.outputs == other.outputs and one.changelog == other.changelog


def test_proposals_are_messages():
    log, _ = play(3, Guards())
    for output in log.outputs:
        if output.topic == "proposals":
            assert msgspec.json.decode(output.value, type=Proposal).scope == SCOPE
