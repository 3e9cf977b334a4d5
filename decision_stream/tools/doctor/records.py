"""What lies on the topics, judged by what this version reads: would it be taken, and who wrote it?

Of each partition only the newest records are looked at.
"""

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from ... import ENGINE_VERSION
from ...stream.address import client_options
from ...stream.incarnation import MARK_PREFIX
from ...stream.processor import DEAD_LETTERS, INPUTS
from ...stream.record import UnreadableState, check_readable
from ...wire.codec import CONFLUENT_HEADER_BYTES, MalformedMessage, parser
from ...wire.dead_letters import read_headers
from ...wire.schemas import MESSAGES, schema_of
from ...wire.unknown import unknown_fields
from .finding import Finding, fail, ok, warn

NEWEST = 20
"""Records of each partition that are looked at."""
RECENT_S = 86_400.0
STALL_S = 5.0
MESSAGE_OF = {
    "insights": "insight",
    "proposals": "proposal",
    "decisions": "directive",
    "outcomes": "outcome",
    "commands": "command",
    "catalog": "catalog-entry",
    "journal": "journal-record",
}
"""Topics of one kind of message, and its schema. On signals there are two, told apart by `kind`."""


class Looked:
    """Counts what was seen; a finding says how often and shows one."""

    def __init__(self) -> None:
        self.records: Counter[str] = Counter()
        self.unreadable: dict[tuple[str, str], list[str]] = {}
        self.unknown: dict[tuple[str, str], int] = {}
        self.letters: Counter[str] = Counter()
        self.state: list[str] = []
        # Engine version and policy of the newest journal record of each partition.
        self.writers: dict[int, tuple[str, str]] = {}

    def take(self, topic: str, record: ConsumerRecord) -> None:
        """Judge a record of this topic, named without prefix; `scope-state` is the changelog."""
        self.records[topic] += 1
        if topic == "scope-state":
            self._take_state(record)
        elif topic == DEAD_LETTERS:
            self._take_letter(record)
        else:
            self._take_message(topic, record)

    def _take_state(self, record: ConsumerRecord) -> None:
        if record.value is None or record.key is None or record.key.startswith(MARK_PREFIX):
            return
        try:
            check_readable(record.key, record.value)
        except UnreadableState as fault:
            self.state.append(str(fault))

    def _take_letter(self, record: ConsumerRecord) -> None:
        try:
            letter = read_headers(record.headers)
        except (KeyError, ValueError):
            self._bad(DEAD_LETTERS, "no_dead_letter", record, "it has not the headers of one")
        else:
            if time.time() - record.timestamp / 1e3 < RECENT_S:
                self.letters[letter.code.value] += 1

    def _bad(self, topic: str, code: str, record: ConsumerRecord, why: str) -> None:
        place = f"partition {record.partition}, offset {record.offset}: {why}"
        self.unreadable.setdefault((topic, code), []).append(place)

    def _take_message(self, topic: str, record: ConsumerRecord) -> None:
        try:
            if topic in INPUTS:
                _PARSERS[topic](record.value, record.key, record.timestamp)
            elif record.value is not None:
                read: Any = msgspec.json.decode(record.value, type=MESSAGES[MESSAGE_OF[topic]])
                if topic == "journal":
                    self.writers[record.partition] = (read.engine_version, read.policy_hash)
        except MalformedMessage as fault:
            self._bad(topic, fault.code.value, record, fault.reason)
            return
        except msgspec.MsgspecError as fault:
            self._bad(topic, "schema", record, str(fault))
            return
        if record.value is None:
            return
        framed = record.value[:1] == b"\x00"
        body = json.loads(record.value[CONFLUENT_HEADER_BYTES:] if framed else record.value)
        name = body["kind"] if topic == "signals" else MESSAGE_OF[topic]
        for path in unknown_fields(body, _SCHEMAS[name]):
            self.unknown[topic, path] = self.unknown.get((topic, path), 0) + 1

    def findings(self, policy_hash: str) -> list[Finding]:
        """What is to be told."""
        found = [
            fail(
                "schemas",
                f"{topic}: {len(places)} of the newest {self.records[topic]} are not readable ({code}), "
                f"the last at {places[-1]}",
                f"mend the sender of {topic}; schemas/ and schemas/examples say how it must be",
            )
            for (topic, code), places in sorted(self.unreadable.items())
        ]
        found += [
            warn(
                "schemas",
                f"{topic}: {count} of the newest {self.records[topic]} have {path}, which this version ignores",
                "is the sender newer than the engine, or is it misspelt?",
            )
            for (topic, path), count in sorted(self.unknown.items())
        ]
        if not found:
            told = f"the newest {self.records.total()} records of all topics are read by this version"
            found.append(ok("schemas", told if self.records.total() else "no record yet"))
        found += self._state()
        found += self._writers(policy_hash)
        found += self._letters()
        return found

    def _state(self) -> Iterable[Finding]:
        if self.state:
            told = f"{len(self.state)} of the newest {self.records['scope-state']} records: {self.state[0]}"
            yield fail("state", told, "run the version that wrote it; a worker of this one ends and overwrites nothing")

    def _writers(self, policy_hash: str) -> Iterable[Finding]:
        versions = sorted({version for version, _ in self.writers.values()})
        if [version for version in versions if version != ENGINE_VERSION]:
            told = f"last decided by {', '.join(versions)}; this is {ENGINE_VERSION}"
            yield warn("version", told, "finish the upgrade; `replay --from-topic` compares before it")
        elif versions:
            yield ok("version", f"last decided by {ENGINE_VERSION}, as this is")
        policies = sorted({policy for _, policy in self.writers.values()} - {policy_hash})
        if policies:
            told = f"last decided under policy {', '.join(policies)}; these settings are {policy_hash}"
            yield warn("policy", told, "give --config the workers' file, or restart them with this one")

    def _letters(self) -> Iterable[Finding]:
        if self.letters:
            codes = ", ".join(f"{count} {code}" for code, count in sorted(self.letters.items()))
            yield warn("letters", f"dead letters within a day, among the newest: {codes}", "`decision-stream dlq list`")


async def records(
    address: str, prefix: str, app_id: str, partitions: Mapping[str, int], policy_hash: str
) -> list[Finding]:
    """Read the newest records of all topics, whose `partitions` are given by full name, and judge them."""
    looked = Looked()
    changelog = f"{app_id}-scope-state-changelog"
    async for record in _newest(address, partitions):
        looked.take("scope-state" if record.topic == changelog else record.topic.removeprefix(prefix), record)
    return looked.findings(policy_hash)


async def _newest(address: str, partitions: Mapping[str, int]) -> AsyncIterator[ConsumerRecord]:
    """The newest records of each partition in order; what a compacted topic no longer has is not waited for."""
    parts = [TopicPartition(name, n) for name, count in partitions.items() for n in range(count)]
    consumer = AIOKafkaConsumer(**client_options(address))
    await consumer.start()
    try:
        begins, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        filled = [part for part in parts if ends[part] > begins[part]]
        consumer.assign(filled)
        for part in filled:
            consumer.seek(part, max(begins[part], ends[part] - NEWEST))
        stalled_at = time.monotonic() + STALL_S
        left = set(filled)
        while left and time.monotonic() < stalled_at:
            for part, read in (await consumer.getmany(timeout_ms=200)).items():
                stalled_at = time.monotonic() + STALL_S
                for record in read:
                    if record.offset < ends[part]:
                        yield record
            left = {part for part in left if await consumer.position(part) < ends[part]}
    finally:
        await consumer.stop()


_PARSERS = {topic: parser(kind) for topic, kind in INPUTS.items()}
_SCHEMAS = {name: schema_of(name) for name in (*MESSAGE_OF.values(), "sighting", "signal")}
