"""What a fault schedule is about, and what must hold at its end: nothing lost, contradicted, or different."""

import json
from collections import Counter
from random import Random

import msgspec

from decision_stream.model.command import Autonomy, Pin, SetAutonomy, Tick, Unpin
from decision_stream.model.event import Event
from decision_stream.model.journal import JournalRecord
from decision_stream.model.knowledge import ProviderHealth, ProviderReport, Sighting, Signal, aggregate_of
from decision_stream.model.policy import Policy
from decision_stream.stream.record import StoredScope, apply, empty
from tests.factories import MINUTE_MS, START_MS, command, estimate, insight
from tests.faults.virtual import SCOPE, TOPICS, Guards, Log, Schedule, Worker

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
