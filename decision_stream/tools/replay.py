"""Replay: step recorded events through the pure core again and compare every decision and journal record byte for byte.

A recording is what `decision-stream demo --record` writes: JSON lines with topic and value of every message. The
journal in it says in which order each scope's events were applied, and under which policy.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from ..model.command import Command
from ..model.decision import Proposal
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import JournalRecord
from ..model.knowledge import Sighting, Signal, is_aggregate
from ..model.outcome import Outcome
from ..model.policy import Policy
from ..stream.record import DECISIONS, JOURNAL, PROPOSALS, SIGNALS, apply, empty
from ..wire.codec import Kind

KINDS: dict[str, Kind] = {
    "insights": Insight,
    "outcomes": Outcome,
    "commands": Command,
    "signals": Sighting | Signal,
}


class BadRecording(Exception):
    """The recording cannot be replayed; the message says what it lacks."""


@dataclass(slots=True)
class Recording:
    """The messages of a run: input events by id, journal values by scope in order; by id the values of directives and
    of what was told on the topic of signals."""

    events: dict[str, Event] = field(default_factory=dict)
    journal: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    directives: dict[str, bytes] = field(default_factory=dict)
    signals: dict[str, bytes] = field(default_factory=dict)
    _seen: set[bytes] = field(default_factory=set)

    def note(self, topic: str, value: bytes) -> None:
        """Take in a message; a repeated one changes nothing. Raises ValueError or KeyError for what is none."""
        if topic in KINDS:
            event = msgspec.json.decode(value, type=KINDS[topic])
            self.events[event.id] = event
        if topic == SIGNALS:
            self.signals[event.id] = value
        elif topic == DECISIONS:
            self.directives[json.loads(value)["id"]] = value
        elif topic == JOURNAL:
            scope = json.loads(value)["scope"]
            if value not in self._seen:
                self._seen.add(value)
                self.journal[scope].append(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to; `signals` counts what was told across scopes.

    `differences` tells the first difference of each scope, in words.
    """

    scopes: int
    events: int
    directives: int
    signals: int
    differences: tuple[str, ...]


def read_recording(path: Path) -> Recording:
    """Read a recording. Raises `BadRecording` for a file that is none."""
    recording = Recording()
    try:
        with path.open() as lines:
            for line in lines:
                entry = json.loads(line)
                recording.note(entry["topic"], entry["value"].encode())
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as fault:
        raise BadRecording(f"{path} is no recording: {fault}") from fault
    return recording


def replay(recording: Recording, policy: Policy) -> Replayed:
    """Step every scope again under this policy and compare."""
    differences = []
    events = 0
    sent: dict[str, dict[str, bytes]] = {DECISIONS: {}, SIGNALS: {}}
    for scope in sorted(recording.journal):
        values = recording.journal[scope]
        told, applied = _replay_scope(scope, values, recording.events, policy, sent)
        events += applied
        if told is not None:
            differences.append(told)
    differences += _compare("directive", recording.directives, sent[DECISIONS])
    differences += _compare("signal", recording.signals, sent[SIGNALS])
    return Replayed(
        scopes=sum(not is_aggregate(scope) for scope in recording.journal),
        events=events,
        directives=len(sent[DECISIONS]),
        signals=len(sent[SIGNALS]),
        differences=tuple(differences),
    )


def _replay_scope(
    scope: str, values: Iterable[bytes], events: dict[str, Event], policy: Policy, sent: dict[str, dict[str, bytes]]
) -> tuple[str | None, int]:
    stored = empty(scope)
    proposals: dict[str, Event] = {}
    applied = 0
    for value in values:
        record = msgspec.json.decode(value, type=JournalRecord)
        event = events.get(record.event_id) or proposals.get(record.event_id)
        if event is None:
            return f"{scope}: event {record.event_id} of record {record.sequence} is not in the recording", applied
        event = replace(event, traceparent=record.traceparent)
        delivered = frozenset(entry.sequence for entry in stored.outbox)
        done = apply(stored, record.source, event, policy, delivered=delivered)
        applied += 1
        stored = done.stored
        for output in done.outputs:
            if output.topic == PROPOSALS:
                proposal = msgspec.json.decode(output.value, type=Proposal)
                proposals[proposal.id] = proposal
            elif output.topic in sent:
                sent[output.topic][json.loads(output.value)["id"]] = output.value
            elif output.value != value:
                return f"{scope}: record {record.sequence} differs: {_first_difference(value, output.value)}", applied
    return None, applied


def _compare(what: str, recorded: dict[str, bytes], replayed: dict[str, bytes]) -> list[str]:
    wrong = []
    for identifier in sorted(recorded.keys() | replayed.keys()):
        if identifier not in replayed:
            wrong.append(f"{what} {identifier} was recorded but is not sent again")
        elif identifier not in recorded:
            wrong.append(f"{what} {identifier} is sent now but was not recorded")
        elif recorded[identifier] != replayed[identifier]:
            told = _first_difference(recorded[identifier], replayed[identifier])
            wrong.append(f"{what} {identifier} differs: {told}")
    return wrong


def _first_difference(recorded: bytes, replayed: bytes) -> str:
    """The first field in which two canonical JSON objects differ."""
    old, new = json.loads(recorded), json.loads(replayed)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            return f"{name}: recorded {str(old.get(name))[:200]}, replayed {str(new.get(name))[:200]}"
    return "the same values in other bytes"
