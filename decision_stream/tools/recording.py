"""Recordings: what a run consisted of, read from a file or from the topics themselves.

A file is what `decision-stream demo --record` writes: JSON lines with topic and value of every message. The topics hold
the same for as long as they are kept.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from aiokafka.structs import ConsumerRecord

from ..model.command import Command
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import JournalRecord, Source
from ..model.knowledge import Sighting, Signal
from ..model.outcome import Outcome
from ..stream.record import DECISIONS, JOURNAL, PROPOSALS, SIGNALS
from ..wire.codec import Kind, MalformedMessage, parser
from .topic import records_of

KINDS: dict[str, Kind] = {
    "insights": Insight,
    "outcomes": Outcome,
    "commands": Command,
    SIGNALS: Sighting | Signal,
}


class BadRecording(Exception):
    """The recording cannot be replayed; the message says what it lacks."""


@dataclass(slots=True)
class Recording:
    """The messages of a run.

    Input events by id, and by their place where that is known; journal values by scope in order; by id the values of
    directives and of what was told on the topic of signals. `left_out` names the scopes that began before what is kept.
    """

    events: dict[str, Event] = field(default_factory=dict)
    placed: dict[Source, Event] = field(default_factory=dict)
    journal: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    directives: dict[str, bytes] = field(default_factory=dict)
    signals: dict[str, bytes] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
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

    def event_of(self, record: JournalRecord) -> Event | None:
        """The event behind a journal record; None for a proposal, which is made anew, and for one that is missing."""
        return self.placed.get(record.source) or self.events.get(record.event_id)


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


async def read_topics(bootstrap_servers: str, prefix: str) -> Recording:
    """Read what the topics keep of a run, also while it goes on.

    The journal is read first, so that whatever its records name is there when the other topics are read. A scope of
    which the first events are not kept any more cannot be stepped again and is left out.
    Raises `BrokerUnavailable`, and `BadRecording` when the journal cannot be read or is empty.
    """
    recording = Recording()
    async for record in records_of(bootstrap_servers, prefix + JOURNAL):
        _note(recording, JOURNAL, record, prefix)
    if not recording.journal:
        raise BadRecording(f"topic {prefix}{JOURNAL} is empty: nothing was decided, or everything has expired")
    kept_from: dict[tuple[str, int], int] = {}
    for topic, kind in KINDS.items():
        parse = parser(kind)
        async for record in records_of(bootstrap_servers, prefix + topic):
            kept_from.setdefault((topic, record.partition), record.offset)
            try:
                event = parse(record.value, record.key, record.timestamp)
            except MalformedMessage:
                continue
            source = Source(topic=topic, partition=record.partition, offset=record.offset)
            recording.events[event.id] = recording.placed[source] = event
            if topic == SIGNALS:
                recording.signals[event.id] = record.value
    async for record in records_of(bootstrap_servers, prefix + DECISIONS):
        _note(recording, DECISIONS, record, prefix)
    return _of_whole_scopes(recording, kept_from)


def _of_whole_scopes(recording: Recording, kept_from: dict[tuple[str, int], int]) -> Recording:
    """Leave out scopes that began before what is kept, and what was sent after the journal was read."""
    named: set[str] = set()
    until_ms: dict[str, int] = {}
    left_out = []
    for scope in sorted(recording.journal):
        records = [msgspec.json.decode(value, type=JournalRecord) for value in recording.journal[scope]]
        if records[0].sequence != 1 or any(_has_expired(record.source, kept_from) for record in records):
            left_out.append(scope)
            del recording.journal[scope]
            continue
        until_ms[scope] = records[-1].at_ms
        for record in records:
            named.update(record.outputs, record.signals or ())

    def belongs(identifier: str, by: str, at_ms: int) -> bool:
        # What no record names and is not older than the newest record may be of an event that came since.
        return by in until_ms and (identifier in named or at_ms < until_ms[by])

    recording.directives = _kept(recording.directives, lambda it: belongs(it["id"], it["scope"], it["at_ms"]))
    recording.signals = _kept(
        recording.signals, lambda it: belongs(it["id"], it.get("member") or it["aggregate"], it["at_ms"])
    )
    recording.left_out = tuple(left_out)
    return recording


def _has_expired(source: Source, kept_from: dict[tuple[str, int], int]) -> bool:
    """Whether the event at this place is not kept any more; proposals are made anew and need not be."""
    if source.topic == PROPOSALS:
        return False
    first = kept_from.get((source.topic, source.partition))
    return first is None or source.offset < first


def _kept(values: dict[str, bytes], belongs: Callable[[dict], bool]) -> dict[str, bytes]:
    return {identifier: value for identifier, value in values.items() if belongs(json.loads(value))}


def _note(recording: Recording, topic: str, record: ConsumerRecord, prefix: str) -> None:
    try:
        recording.note(topic, record.value)
        if topic == JOURNAL:
            msgspec.json.decode(record.value, type=JournalRecord)
    except (ValueError, KeyError, TypeError) as fault:
        place = f"{prefix}{topic} {record.partition}:{record.offset}"
        raise BadRecording(f"the record at {place} is none of the engine's: {fault}") from fault
