"""Where a worker is measured on a Kafka of its own: topics, what is fed to it, and what its journal says."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from decision_stream.broker.embedded import EmbeddedKafka
from decision_stream.broker.topics import apply, topic_table

from .contenders import PARTITIONS, WORKER, all_committed
from .judged import source_of
from .load import records

Told = TypeVar("Told", bound=tuple[str | float, ...])


@dataclass
class Scene:
    """Topics of one measurement, its workers, and what the journal's tail has seen."""

    kafka: EmbeddedKafka
    prefix: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    due_at: dict[tuple[int, int], float] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    newest: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), -1))
    fed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), -1))
    judged: int = 0
    repeated: int = 0

    def start_worker(self, session: str = "10s") -> subprocess.Popen[bytes]:
        """A worker as the command line starts it."""
        worker = WORKER.start(
            self.kafka.bootstrap_servers,
            self.prefix,
            DS_KAFKA__SESSION_TIMEOUT=session,
            DS_KAFKA__HEARTBEAT_INTERVAL="1s",
        )
        self.workers.append(worker)
        return worker

    async def feed(self, rate: float, seconds: float, scopes: int = 500) -> None:
        """Insights at this rate; the time each was due is kept for its latency."""
        loaded = records(int(rate * seconds), scopes)
        producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka.bootstrap_servers, linger_ms=2, max_batch_size=128 * 1024
        )
        await producer.start()
        begun = time.time()
        try:
            for number, (key, value) in enumerate(loaded):
                due = begun + number / rate
                if due > time.time():
                    await asyncio.sleep(due - time.time())
                sent = await producer.send(f"{self.prefix}insights", value, key=key)
                sent.add_done_callback(lambda done, due=due: self._placed(done, due))
        finally:
            await producer.stop()

    def _placed(self, done: asyncio.Future, due: float) -> None:
        if not done.cancelled() and done.exception() is None:
            placed = done.result()
            self.due_at[placed.partition, placed.offset] = due
            self.fed[placed.partition] = max(self.fed[placed.partition], placed.offset)

    async def tail(self) -> None:
        """Follow the journal for ever."""
        seen: set[tuple[str, int, int]] = set()
        parts = [TopicPartition(f"{self.prefix}journal", number) for number in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=10
        )
        await consumer.start()
        try:
            consumer.assign(parts)
            while True:
                for fetched in (await consumer.getmany(timeout_ms=100)).values():
                    self._saw(fetched, seen, time.time())
        finally:
            await consumer.stop()

    def _saw(self, fetched: list[ConsumerRecord], seen: set[tuple[str, int, int]], now: float) -> None:
        for record in fetched:
            source = source_of(record.value)
            place = (source.topic, source.partition, source.offset)
            if place in seen:
                self.repeated += 1
                continue
            seen.add(place)
            if source.topic == "insights":
                self.judged += 1
                self.newest[source.partition] = max(self.newest[source.partition], source.offset)
                due = self.due_at.get((source.partition, source.offset))
                if due is not None:
                    self.latencies.append(now - due)

    async def until_judged(self, limit_s: float = 120.0) -> float:
        """Wait until everything fed up to now is judged; the seconds it took."""
        target, begun = dict(self.fed), time.monotonic()
        while any(self.newest[number] < offset for number, offset in target.items()):
            if time.monotonic() - begun > limit_s:
                raise TimeoutError(f"after {limit_s:g} s judged {self.newest} of {target}")
            await asyncio.sleep(0.01)
        return time.monotonic() - begun

    async def until_idle(self) -> None:
        """Wait until everything on all input topics is committed, what the worker tells itself included."""
        await all_committed(self.kafka.bootstrap_servers, self.prefix)


@asynccontextmanager
async def entered(kafka: EmbeddedKafka, name: str) -> AsyncIterator[Scene]:
    """Topics of this prefix, followed; in the end its workers are killed."""
    scene = Scene(kafka, f"{name}.")
    specs = topic_table(prefix=scene.prefix, app_id=f"{scene.prefix}app", partitions=PARTITIONS)
    await apply(kafka.bootstrap_servers, specs)
    tailing = asyncio.create_task(scene.tail())
    try:
        yield scene
    finally:
        tailing.cancel()
        await asyncio.gather(tailing, return_exceptions=True)
        for worker in scene.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()


async def measured(
    parts: Mapping[str, Callable[[EmbeddedKafka], Awaitable[list[Told]]]], names: Sequence[str]
) -> list[Told]:
    """The rows of the named parts, or of all, on an embedded Kafka of their own; each part's are told as it ends."""
    kafka = EmbeddedKafka()
    await asyncio.to_thread(kafka.start)
    rows: list[Told] = []
    try:
        for name in names or parts:
            found = await parts[name](kafka)
            print(json.dumps(found), file=sys.stderr, flush=True)
            rows += found
    finally:
        await asyncio.to_thread(kafka.stop)
    return rows
