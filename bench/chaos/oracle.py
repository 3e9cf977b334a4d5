"""The oracle: reads every topic from its start and judges the run against a pure replay of what was recorded."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from decision_stream.model.actuation import Directive
from decision_stream.model.event import Event
from decision_stream.model.journal import JournalRecord
from decision_stream.stream.processor import INPUTS
from decision_stream.stream.record import GENESIS, StoredScope, apply, cold_key, empty, load, supersedes
from decision_stream.stream.scopes import is_scope
from decision_stream.tools.recording import Recording
from decision_stream.tools.replay import replay
from decision_stream.wire.codec import parser
from decision_stream.wire.dead_letters import read_headers

from .policy import APP_ID, CHANGELOG, PARTITIONS, POLICY, topic

Place = tuple[str, int, int]
"""Input topic without prefix, partition, offset."""
SHOWN, SHOWN_CHARS = 5, 200


@dataclass(slots=True, kw_only=True)
class Judgement:
    """What the oracle found. The lists hold wall-clock seconds, so that a finding can be told with its fault.

    `findings` are broken promises in words; a good run has none. `late_writes` counts changelog records of replaced
    owners: they are harmless when no scope diverges.
    """

    events: Counter[str] = field(default_factory=Counter)
    lost_s: list[float] = field(default_factory=list)
    doubled_on_wire_s: list[float] = field(default_factory=list)
    doubled_s: list[float] = field(default_factory=list)
    divergent: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    late_writes: int = 0
    scopes: int = 0
    directives: int = 0
    acted: int = 0
    dead_letters: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing done twice, nothing divergent."""
        return not (self.findings or self.lost_s or self.doubled_s or self.divergent)

    def add(self, promise: str, broken: list) -> None:
        """Note a promise that was broken."""
        if broken:
            shown = ", ".join(str(one)[:SHOWN_CHARS] for one in broken[:SHOWN])
            self.findings.append(f"{promise}: {len(broken)}, such as {shown}")


@dataclass(slots=True)
class Journal:
    """Journal records, each once: by scope in order, and by input."""

    chains: dict[str, list[tuple[JournalRecord, bytes]]] = field(default_factory=lambda: defaultdict(list))
    verdicts: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))


async def judge(bootstrap_servers: str, acted: list[Directive]) -> Judgement:
    """Read everything and judge it."""
    names = (*INPUTS, "decisions", "journal", "dead-letters")
    topics = {name: await _read(bootstrap_servers, topic(name)) for name in names}
    changelog = await _read(bootstrap_servers, CHANGELOG)
    committed = await _committed(bootstrap_servers)
    return await asyncio.to_thread(_judge, topics, changelog, committed, acted)


def _judge(
    topics: dict[str, list[ConsumerRecord]],
    changelog: list[ConsumerRecord],
    committed: dict[tuple[str, int], int],
    acted: list[Directive],
) -> Judgement:
    found = Judgement()
    journal = _journal(topics["journal"], found)
    inputs = {(name, record.partition, record.offset): record for name in INPUTS for record in topics[name]}
    found.events.update(name for name, _, _ in inputs)
    _check_verdicts(inputs, journal, topics["dead-letters"], found)
    _check_commits(topics, committed, found)
    directives = _once(topics["decisions"], "decisions", found)
    proposals = _once(topics["proposals"], "proposals", found)
    signals = _once(topics["signals"], "signals", found)
    found.directives = len(directives)
    _check_actuator(acted, directives, found)
    events = _events(inputs, found)
    sent = {"decisions": directives, "proposals": proposals, "signals": signals}
    _check_replay(journal, events, sent, _fold(changelog, found), found)
    _check_with_replay_tool(journal, events, directives, signals, found)
    return found


def _journal(records: list[ConsumerRecord], found: Judgement) -> Journal:
    """Sort the journal out: repeated records must be the same bytes, and each scope's chain must hold."""
    journal, first = Journal(), {}
    contradictions, gaps, disordered, skipped = [], [], [], []
    for record in records:
        decoded = msgspec.json.decode(record.value, type=JournalRecord)
        if decoded.id in first:
            found.doubled_on_wire_s.append(record.timestamp / 1_000.0)
            if first[decoded.id] != record.value:
                contradictions.append(decoded.id)
                found.doubled_s.append(record.timestamp / 1_000.0)
            continue
        first[decoded.id] = record.value
        journal.chains[decoded.scope].append((decoded, record.value))
        source = decoded.source
        journal.verdicts[source.topic, source.partition, source.offset].add(decoded.id)
        found.verdicts[decoded.verdict] += 1
    for scope, chain in journal.chains.items():
        told = [record.sequence for record, _ in chain]
        if told != sorted(told):
            place = next(place for place, number in enumerate(told) if number != place + 1)
            disordered.append(f"{scope}: {told[max(0, place - 3) : place + 12]}")
            chain.sort(key=lambda pair: pair[0].sequence)
        head, last = GENESIS.hex(), {}
        for number, (record, value) in enumerate(chain):
            if record.sequence != number + 1 or record.previous_hash != head:
                gaps.append(f"{scope}#{record.sequence}")
            if record.source.offset <= last.get(record.source.topic, -1):
                skipped.append(record.id)
            last[record.source.topic] = record.source.offset
            head = sha256(value).hexdigest()
    found.scopes = len(journal.chains)
    found.add("journal records told in two ways", contradictions)
    found.add("breaks of a journal's hash chain", gaps)
    found.add("journals told out of order", disordered)
    found.add("events applied out of order", skipped)
    return journal


def _check_verdicts(
    inputs: dict[Place, ConsumerRecord], journal: Journal, letters: list[ConsumerRecord], found: Judgement
) -> None:
    """Every input has exactly one verdict or one dead letter, and a dead letter has its bytes."""
    parked: dict[Place, bytes] = {}
    damaged = []
    for record in letters:
        letter = read_headers(record.headers)
        place = (letter.topic.removeprefix(topic("")), letter.partition, letter.offset)
        if place in parked:
            found.doubled_on_wire_s.append(record.timestamp / 1_000.0)
        parked[place] = record.value
        if record.value != inputs[place].value or record.key != inputs[place].key:
            damaged.append(letter.id)
    found.dead_letters = len(parked)
    lost = [place for place in inputs if place not in journal.verdicts and place not in parked]
    twice = [place for place in inputs if len(journal.verdicts.get(place, ())) + (place in parked) > 1]
    found.lost_s += [inputs[place].timestamp / 1_000.0 for place in lost]
    found.doubled_s += [inputs[place].timestamp / 1_000.0 for place in twice]
    found.add("inputs without a verdict", lost)
    found.add("inputs with two verdicts", twice)
    found.add("verdicts on what nobody sent", [place for place in journal.verdicts if place not in inputs])
    found.add("dead letters with other bytes than they came with", damaged)


def _check_commits(
    topics: dict[str, list[ConsumerRecord]], committed: dict[tuple[str, int], int], found: Judgement
) -> None:
    ends = {(name, number): 0 for name in INPUTS for number in range(PARTITIONS)}
    for name in INPUTS:
        for record in topics[name]:
            ends[name, record.partition] = record.offset + 1
    behind = [f"{name}-{number} {committed[name, number]}/{end}" for (name, number), end in ends.items()]
    behind = [text for text, (place, end) in zip(behind, ends.items(), strict=True) if committed[place] != end]
    found.add("partitions whose commits do not end where the input does", behind)


def _once(records: list[ConsumerRecord], name: str, found: Judgement) -> dict[str, bytes]:
    """Outputs by id; a repeated one must be the same bytes."""
    first: dict[str, bytes] = {}
    contradictions = []
    for record in records:
        identifier = json.loads(record.value)["id"]
        if identifier in first:
            found.doubled_on_wire_s.append(record.timestamp / 1_000.0)
            if first[identifier] != record.value:
                contradictions.append(identifier)
        first.setdefault(identifier, record.value)
    found.add(f"{name} told in two ways", contradictions)
    return first


def _check_actuator(acted: list[Directive], directives: dict[str, bytes], found: Judgement) -> None:
    """The actuator's rule let each directive through once, and none that was stale."""
    found.acted = len(acted)
    counts = Counter(directive.id for directive in acted)
    twice = [identifier for identifier, count in counts.items() if count > 1]
    found.doubled_s += [directive.at_ms / 1_000.0 for directive in acted if directive.id in twice]
    found.add("directives acted on twice", twice)
    found.add("directives acted on that are not on the topic", [it for it in counts if it not in directives])
    last: dict[str, int] = {}
    stale = []
    for directive in acted:
        if directive.sequence < last.get(directive.scope, 0):
            stale.append(directive.id)
        last[directive.scope] = max(directive.sequence, last.get(directive.scope, 0))
    found.add("stale directives acted on", stale)


def _events(inputs: dict[Place, ConsumerRecord], found: Judgement) -> dict[Place, Event]:
    parsers: dict[str, Callable] = {name: parser(kind) for name, kind in INPUTS.items()}
    events = {}
    for place, record in inputs.items():
        try:
            events[place] = parsers[place[0]](record.value, record.key, record.timestamp)
        except Exception:
            continue  # It must be a dead letter, which was checked before.
    return events


def _fold(changelog: list[ConsumerRecord], found: Judgement) -> dict[bytes, bytes]:
    """The table as a recovering owner sees it."""
    table: dict[bytes, bytes] = {}
    for record in changelog:
        held = table.get(record.key)
        if held is None or supersedes(record.value, held):
            table[record.key] = record.value
        else:
            found.late_writes += 1
    return table


def _check_replay(
    journal: Journal,
    events: dict[Place, Event],
    sent: dict[str, dict[str, bytes]],
    table: dict[bytes, bytes],
    found: Judgement,
) -> None:
    """State, journal and outputs are those of one undisturbed process that applied the events in the same order."""
    outputs: dict[str, set[bytes]] = defaultdict(set)
    for scope in sorted(journal.chains):
        pure, difference = _replayed(scope, journal, events, outputs)
        if difference is None:
            stored = load(scope, table.get(scope.encode()), table.get(cold_key(scope)), generation=None)
            if (stored.state, stored.head, stored.sequence, stored.fence) != (
                pure.state,
                pure.head,
                pure.sequence,
                pure.fence,
            ):
                difference = f"state at {stored.sequence}, expected {pure.sequence}"
        if difference is not None:
            found.divergent.append(f"{scope}: {difference}")
    strangers = [key for key in table if is_scope(key) and key.decode() not in journal.chains]
    found.add("stored scopes without a journal", strangers)
    found.add("scopes that differ from the replay", found.divergent)
    for name, values in sent.items():
        found.add(f"{name} of the replay that nobody sent", sorted(outputs[name] - set(values.values())))
        found.add(f"{name} that the replay does not come to", sorted(set(values.values()) - outputs[name]))


def _replayed(
    scope: str, journal: Journal, events: dict[Place, Event], outputs: dict[str, set[bytes]]
) -> tuple[StoredScope, str | None]:
    stored = empty(scope)
    for record, value in journal.chains[scope]:
        source = record.source
        event = events.get((source.topic, source.partition, source.offset))
        if event is None:
            return stored, f"record {record.sequence} is about something that is no event"
        sent = frozenset(entry.sequence for entry in stored.outbox)
        done = apply(stored, source, event, POLICY, delivered=sent)
        stored = done.stored
        for output in done.outputs:
            outputs[output.topic].add(output.value)
        if done.effects is None or done.outputs[-1].value != value:
            return stored, f"journal record {record.sequence}"
    return stored, None


def _check_with_replay_tool(
    journal: Journal,
    events: dict[Place, Event],
    directives: dict[str, bytes],
    signals: dict[str, bytes],
    found: Judgement,
) -> None:
    """The product's own replay agrees. It knows events by id, so scopes in which an id came twice are left to us."""
    ids = Counter((event.scope, event.id) for event in events.values())
    plain = journal.chains.keys() - {scope for (scope, _), count in ids.items() if count > 1}
    recording = Recording(
        events={event.id: event for event in events.values() if event.scope in plain},
        directives={it: value for it, value in directives.items() if json.loads(value)["scope"] in plain},
        signals={it: value for it, value in signals.items() if _sender(value) in plain},
    )
    for scope in plain:
        recording.journal[scope] = [value for _, value in journal.chains[scope]]
    found.add("differences told by the replay tool", list(replay(recording, POLICY).differences))


def _sender(value: bytes) -> str:
    told = json.loads(value)
    return told["member"] if told["kind"] == "sighting" else told["aggregate"]


async def _read(bootstrap_servers: str, name: str) -> list[ConsumerRecord]:
    parts = [TopicPartition(name, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        await consumer.seek_to_beginning(*parts)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def _committed(bootstrap_servers: str) -> dict[tuple[str, int], int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, group_id=APP_ID, enable_auto_commit=False)
    await consumer.start()
    try:
        return {
            (name, number): await consumer.committed(TopicPartition(topic(name), number)) or 0
            for name in INPUTS
            for number in range(PARTITIONS)
        }
    finally:
        await consumer.stop()
