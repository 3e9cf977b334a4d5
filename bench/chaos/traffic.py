"""Traffic of a chaos run: a feeder of insights and commands, and the de-duplicating actuator with its bad habits."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from decision_stream.model.actuation import Directive
from decision_stream.model.command import Autonomy, Command, Pin, SetAutonomy, Tick, Unpin
from decision_stream.model.event import Event
from decision_stream.model.outcome import Outcome, OutcomeStatus
from decision_stream.sim.actuator import Actuator
from decision_stream.wire.codec import encode

from ..judged import source_of
from .fleet import MINUTE_MS, START_MS, Fleet
from .policy import PARTITIONS, topic

log = logging.getLogger(__name__)

PULSE_S = 0.05
MAX_UNSENT = 2_000
"""Beyond this the feeder waits: Kafka is away."""
BAD_INPUT = (b"not json", b'{"schema_version": 9}', b'{"id": "x"}', b"\xff\xfe", b"NaN")


@dataclass(slots=True)
class Journalled:
    """What the tail of the journal has seen: how many records, and the newest judged insight of each partition."""

    count: int = 0
    newest: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), -1))


class Traffic:
    """Feeds at `rate` insights a second until `stop_feeding`; `fed` is the newest good one's offset by partition."""

    def __init__(self, bootstrap_servers: str, fleet: Fleet, rate: float, random: Random) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._fleet = fleet
        self._rate = rate
        self._random = random
        self._actuator = Actuator(fleet, slow_ms=5_000.0)
        self._producer: AIOKafkaProducer | None = None
        self._unsent = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._late: set[asyncio.Task[None]] = set()
        self._minutes = dict.fromkeys(fleet.scopes, 0)
        self._numbers = count()
        self._is_feeding = True
        self.fed: dict[int, int] = dict.fromkeys(range(PARTITIONS), -1)
        self.sent: Counter[str] = Counter()
        self.acted: list[Directive] = []
        self.journalled = Journalled()

    async def start(self) -> None:
        """Begin."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap_servers, linger_ms=10, enable_idempotence=True
        )
        await self._producer.start()
        for loop in (self._feed, self._actuate, self._watch):
            self._tasks.append(asyncio.create_task(loop()))

    async def stop_feeding(self) -> None:
        """No more insights; the actuator goes on."""
        self._is_feeding = False
        await self._tasks[0]
        deadline = time.monotonic() + 60.0
        while (self._unsent or self._late) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End all of it."""
        for task in (*self._tasks, *self._late):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._late, return_exceptions=True)
        if self._producer is not None:
            await self._producer.stop()

    def check(self) -> None:
        """Raise what any of the loops has raised."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise task.exception()

    async def _feed(self) -> None:
        scopes = list(self._fleet.scopes)
        started, made = time.monotonic(), 0
        while self._is_feeding:
            due = int((time.monotonic() - started) * self._rate)
            if self._unsent > MAX_UNSENT:
                started, made = time.monotonic(), 0
                await asyncio.sleep(PULSE_S)
                continue
            while made < due:
                await self._tell(scopes[made % len(scopes)])
                made += 1
            await asyncio.sleep(PULSE_S)

    async def _tell(self, scope: str) -> None:
        minute = self._minutes[scope]
        self._minutes[scope] = minute + 1
        at_ms = START_MS + minute * MINUTE_MS
        insight = self._fleet.insight(scope, minute, self._actuator.served(scope).configuration)
        await self._send("insights", scope, insight)
        for outcome in self._actuator.measure(scope, minute, at_ms):
            await self._send("outcomes", scope, outcome)
        if self._random.random() < 0.01:
            await self._send("commands", scope, self._command(scope, at_ms))
        if self._random.random() < 0.002:
            await self._send("insights", scope, self._random.choice(BAD_INPUT))

    def _command(self, scope: str, at_ms: int) -> Command:
        # Mostly what keeps the engine deciding; a pin is lifted by the next unpin.
        instruction = self._random.choices(
            (Tick(), Unpin(), Pin(), SetAutonomy(level=Autonomy.AUTOPILOT)), weights=(5, 5, 1, 1)
        )[0]
        return Command(
            id=f"command-{next(self._numbers)}", scope=scope, at_ms=at_ms, instruction=instruction, actor="user:chaos"
        )

    async def _actuate(self) -> None:
        async for record in self._tail("decisions"):
            directive = msgspec.json.decode(record.value, type=Directive)
            outcomes = self._actuator.carry_out(directive)
            if any(outcome.status is OutcomeStatus.APPLIED for outcome in outcomes):
                self.acted.append(directive)
            for outcome in outcomes:
                await self._report(directive, outcome)

    async def _report(self, directive: Directive, outcome: Outcome) -> None:
        """Send an outcome; some come late, twice, without a decision, or contradict themselves."""
        habit = self._random.random()
        scope = directive.scope
        if habit < 0.05:
            self.sent["late outcomes"] += 1
            task = asyncio.create_task(self._send_late(scope, outcome, self._random.uniform(1.0, 6.0)))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return
        await self._send("outcomes", scope, outcome)
        if habit < 0.10:
            self.sent["duplicate outcomes"] += 1
            await self._send("outcomes", scope, outcome)
        elif habit < 0.13:
            self.sent["orphan outcomes"] += 1
            orphan = msgspec.structs.replace(outcome, id=f"{outcome.id}:orphan", decision_id=f"no-{directive.id}")
            await self._send("outcomes", scope, orphan)
        elif habit < 0.16:
            self.sent["contradictory outcomes"] += 1
            other = msgspec.structs.replace(
                outcome, id=f"{outcome.id}:but", status=OutcomeStatus.FAILED, error="changed its mind"
            )
            await self._send("outcomes", scope, other)
        elif habit < 0.18:
            self.sent["contradictory outcomes"] += 1
            same_id = msgspec.structs.replace(outcome, status=OutcomeStatus.FAILED, error="same id, other content")
            await self._send("outcomes", scope, same_id)

    async def _send_late(self, scope: str, outcome: Outcome, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send("outcomes", scope, outcome)

    async def _send(self, name: str, scope: str, event: Event | bytes) -> None:
        assert self._producer is not None
        value = event if isinstance(event, bytes) else encode(event)
        try:
            future = await self._producer.send(topic(name), value, key=scope.encode())
        except KafkaError as fault:
            log.warning("not sent: %r", fault)
            return
        self.sent[name] += 1
        self._unsent += 1
        # Bad input is parked and never journalled: nobody may wait for it when it comes last.
        awaited = name == "insights" and not isinstance(event, bytes)
        future.add_done_callback(lambda done: self._arrived(awaited, done))

    def _arrived(self, is_awaited: bool, done: asyncio.Future) -> None:
        self._unsent -= 1
        if done.cancelled() or done.exception() is not None:
            self.sent["not delivered"] += 1
        elif is_awaited:
            placed = done.result()
            self.fed[placed.partition] = max(self.fed[placed.partition], placed.offset)

    async def _watch(self) -> None:
        newest = self.journalled.newest
        async for record in self._tail("journal"):
            self.journalled.count += 1
            source = source_of(record.value)
            if source.topic == "insights":
                newest[source.partition] = max(newest[source.partition], source.offset)

    async def _tail(self, name: str) -> AsyncIterator[ConsumerRecord]:
        """Records of a topic from its start, as they come, through outages of the broker."""
        parts = [TopicPartition(topic(name), number) for number in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign(parts)
            while True:
                try:
                    fetched = await consumer.getmany(timeout_ms=200)
                except KafkaError as fault:
                    log.warning("tail of %s: %r", name, fault)
                    await asyncio.sleep(0.2)
                    continue
                for records in fetched.values():
                    for record in records:
                        yield record
        finally:
            await consumer.stop()
