"""The simulated fleet as a client of Kafka: analyzer and actuator, minute by minute, in step with the engine.

A minute ends when everything that followed from it has been judged: the journal names every event and every output,
so the fleet knows what to wait for. That makes a run reproducible, and it is a property of this client alone: the
engine is a worker like any other.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ..model.actuation import Directive
from ..model.command import Command, Tick
from ..model.insight import Insight
from ..model.journal import JournalRecord, Verdict
from ..model.outcome import Outcome
from ..wire.codec import encode
from .actuator import MINUTE_MS, Actuator
from .analyzer import Analyzer
from .policy import SLOW_MS, START_MS
from .prompts import offers
from .scorecard import MadeDecision, Scorecard
from .world import World

ANSWER_TIMEOUT_S = 60.0
TICK_EVERY_MINUTES = 10
Publication = tuple[str, Insight | Outcome | Command]


class EngineSilent(Exception):
    """The engine did not answer events in time."""


class Fleet:
    """Use as an asynchronous context manager; then `minute` after `minute`."""

    def __init__(
        self,
        world: World,
        bootstrap_servers: str,
        *,
        prefix: str,
        partitions: int,
        record: Path | None = None,
        on_decision: Callable[[MadeDecision, Directive], None] = lambda _made, _directive: None,
        on_journal: Callable[[JournalRecord], None] = lambda _record: None,
    ) -> None:
        self.world = world
        self.actuator = Actuator(world, SLOW_MS)
        self.analyzer = Analyzer(world, self.actuator)
        self.card = Scorecard(world=world)
        self.insights = 0
        self.learned = 0
        self._prefix = prefix
        self._partitions = partitions
        self._bootstrap_servers = bootstrap_servers
        self._record = record.open("w") if record else None
        self._on_decision = on_decision
        self._on_journal = on_journal
        self._awaited: set[str] = set()
        self._directives: set[str] = set()
        # What was seen before the journal announced it: the topics have no order between them.
        self._judged: set[str] = set()
        self._carried_out: set[str] = set()
        self._now_minute = 0

    async def __aenter__(self) -> "Fleet":
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers, linger_ms=1)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=50
        )
        await self._producer.start()
        await self._consumer.start()
        parts = [
            TopicPartition(self._prefix + topic, number)
            for topic in ("decisions", "signals", "journal")
            for number in range(self._partitions)
        ]
        self._consumer.assign(parts)
        await self._consumer.seek_to_end(*parts)
        for part in parts:
            await self._consumer.position(part)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()
        await self._consumer.stop()
        if self._record:
            self._record.close()

    async def minute(self, minute: int) -> None:
        """Let a simulated minute pass everywhere; raises `EngineSilent` when the engine does not answer."""
        self._now_minute = minute
        at_ms = START_MS + minute * MINUTE_MS
        scopes = list(self.world.scopes)
        self.card.served(self.actuator, minute, at_ms)
        # One phase after the other: events of one scope on different topics have no order of their own.
        measured = [outcome for scope in scopes for outcome in self.actuator.measure(scope, minute, at_ms)]
        await self._tell([("outcomes", outcome) for outcome in measured])
        await self._tell([("commands", offer) for offer in offers(scopes, minute, at_ms)])
        await self._tell([("insights", self.analyzer.insight(scope, minute, at_ms)) for scope in scopes])
        self.insights += len(scopes)
        if minute % TICK_EVERY_MINUTES == 0:
            await self._tell([("commands", _tick(scope, at_ms)) for scope in scopes])

    async def _tell(self, publications: list[Publication]) -> None:
        """Publish, then wait for the verdicts on these events and on all that follows from them."""
        for topic, event in publications:
            await self._publish(topic, event)
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while self._awaited or self._directives:
            if time.monotonic() > deadline:
                missing = sorted(self._awaited | self._directives)
                raise EngineSilent(
                    f"no verdict within {ANSWER_TIMEOUT_S:g} s on {len(missing)} messages, "
                    f"such as {', '.join(missing[:3])}; is the worker running?"
                )
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    await self._read(record.topic.removeprefix(self._prefix), record.value)

    async def _publish(self, topic: str, event: Insight | Outcome | Command) -> None:
        value = encode(event)
        self._awaited.add(event.id)
        self._note("published", topic, value)
        await self._producer.send(self._prefix + topic, value, key=event.scope.encode())

    async def _read(self, topic: str, value: bytes) -> None:
        self._note("read", topic, value)
        if topic == "journal":
            entry = msgspec.json.decode(value, type=JournalRecord)
            self._awaited.discard(entry.event_id)
            self._judged.add(entry.event_id)
            self.learned += entry.verdict is Verdict.LEARNED
            # Proposals are judged in turn; every other output is a directive.
            if entry.verdict is Verdict.PROPOSED:
                self._awaited.update(set(entry.outputs) - self._judged)
            else:
                self._directives.update(set(entry.outputs) - self._carried_out)
            self._awaited.update(set(entry.signals or ()) - self._judged)
            self._on_journal(entry)
            return
        if topic == "signals":
            return
        directive = msgspec.json.decode(value, type=Directive)
        made = self.card.decided(directive, self._now_minute)
        if made is not None:
            self._on_decision(made, directive)
        for outcome in self.actuator.carry_out(directive):
            await self._publish("outcomes", outcome)
        self._carried_out.add(directive.id)
        self._directives.discard(directive.id)

    def _note(self, what: str, topic: str, value: bytes) -> None:
        if self._record:
            self._record.write(json.dumps({"what": what, "topic": topic, "value": value.decode()}) + "\n")


def _tick(scope: str, at_ms: int) -> Command:
    return Command(id=f"tick:{scope}:{at_ms}", scope=scope, at_ms=at_ms, instruction=Tick(), actor="simulator:clock")
