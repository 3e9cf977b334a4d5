"""A test bench on a real Kafka: publishes, runs workers as processes, and reads topics from the start."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import ConsumerRecord

from decision_stream.broker.topics import apply_now, topic_table

WORKER = Path(__file__).with_name("worker_main.py")
Record = tuple[bytes | None, bytes | None]


@dataclass
class Bench:
    """Topics, workers and clients of one test."""

    bootstrap_servers: str
    app_id: str
    prefix: str
    partitions: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    settings: dict[str, object] = field(default_factory=dict)
    """What its workers are told beside what a test says."""

    def create_topics(self) -> None:
        """Create them as the product does."""
        specs = topic_table(prefix=self.prefix, app_id=self.app_id, partitions=self.partitions)
        assert apply_now(self.bootstrap_servers, specs) == ()

    def topic(self, name: str) -> str:
        """Full name."""
        return self.prefix + name

    def start_worker(
        self, program: Path = WORKER, *arguments: str, stderr: int | None = None, **settings: object
    ) -> subprocess.Popen[bytes]:
        """A worker process with short timeouts; `program` gets the settings and the arguments."""
        told = {
            "bootstrap_servers": self.bootstrap_servers,
            "app_id": self.app_id,
            "topic_prefix": self.prefix,
            "partitions": self.partitions,
            "session_timeout_ms": 6_000,
            "heartbeat_interval_ms": 500,
            "rebalance_timeout_ms": 6_000,
            "commit_interval_ms": 500,
            "tick_interval_ms": 0,
            **self.settings,
            **settings,
        }
        worker = subprocess.Popen(
            [sys.executable, str(program), json.dumps(told), *arguments],
            env={**os.environ, "PYTHONPATH": "."},
            stderr=stderr,
        )
        self.workers.append(worker)
        return worker

    def end_workers(self) -> None:
        """Kill what still runs."""
        for worker in self.workers:
            if worker.poll() is None:
                worker.kill()
            worker.wait()

    async def publish(self, topic: str, records: Iterable[Record]) -> None:
        """Send records keyed as given and wait until all have arrived."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers, linger_ms=5)
        await producer.start()
        try:
            for key, value in records:
                await producer.send(self.topic(topic), value, key=key)
            await producer.flush()
        finally:
            await producer.stop()

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All records of a topic that are there now, by partition and offset."""
        return await read_topic(self.bootstrap_servers, self.topic(topic), self.partitions)

    async def wait_for(
        self, topic: str, enough: Callable[[list[ConsumerRecord]], bool], seconds: float = 60.0
    ) -> list[ConsumerRecord]:
        """Read the topic as it grows until there is enough; fails with what was there after this many seconds."""
        deadline = time.monotonic() + seconds
        tps = [TopicPartition(self.topic(topic), number) for number in range(self.partitions)]
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap_servers, auto_offset_reset="earliest")
        await consumer.start()
        found: list[ConsumerRecord] = []
        try:
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            while not enough(found):
                for worker in self.workers:
                    assert worker.poll() in (None, 0, -signal.SIGKILL), f"a worker ended with {worker.poll()}"
                assert time.monotonic() < deadline, f"after {seconds:g} s {topic} has {len(found)} records"
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        finally:
            await consumer.stop()
        return found

    async def committed(self, topic: str) -> dict[int, int | None]:
        """Committed offset of each partition of an input topic."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, group_id=self.app_id, enable_auto_commit=False
        )
        await consumer.start()
        try:
            tps = [TopicPartition(self.topic(topic), number) for number in range(self.partitions)]
            return {tp.partition: await consumer.committed(tp) for tp in tps}
        finally:
            await consumer.stop()


async def read_topic(bootstrap_servers: str, topic: str, partitions: int) -> list[ConsumerRecord]:
    """All records of a topic up to its present end."""
    tps = [TopicPartition(topic, number) for number in range(partitions)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        await consumer.seek_to_beginning(*tps)
        found: list[ConsumerRecord] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()
