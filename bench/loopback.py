"""The worker's own path without a broker: parse, apply, state and outputs into batches, which arrive at once.

What the whole worker takes beyond this is Kafka's protocol, its sockets and Faust. Deterministic and without waiting,
so that a profiler sees nothing else: `python -m cProfile -s tottime -m bench.loopback`.
"""

import asyncio
import sys
import time
from typing import Any

from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.structs import TopicPartition

from decision_stream.edge.logs import DecisionLog
from decision_stream.edge.metrics import Metrics
from decision_stream.edge.observers import Observers
from decision_stream.model.policy import Policy
from decision_stream.stream.agenda import Agenda
from decision_stream.stream.config import StreamSettings
from decision_stream.stream.flood import FloodGuard, FloodLimits
from decision_stream.stream.hardening.appending import Appender
from decision_stream.stream.hardening.batches import CHUNK
from decision_stream.stream.outlet import Outlet
from decision_stream.stream.processor import OUTPUTS, Processor
from decision_stream.stream.scopes import Scopes

from .load import records

ROUND = 4_000
"""Records between two deliveries: as many as a drained backlog brings within the outlet's patience, or nearly."""
PARTITIONS = 4


class _Store:
    """The table's memory, without Faust around it."""

    def __init__(self) -> None:
        self._data: dict[bytes, bytes] = {}

    def read(self, key: bytes) -> bytes | None:
        return self._data.get(key)

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        self._data[key] = value


class _Producer:
    """Batches as the worker's producer makes them; `deliver` acknowledges all of them."""

    def __init__(self) -> None:
        self._begun: list[Any] = []
        accumulator = MessageAccumulator(ClusterMetadata(), 128 * 1024, 0, 30.0, linger_ms=20)
        self._batches = accumulator._batches
        self._appender = Appender(accumulator, 1_000_000, self._begun.append)
        self.records = 0

    def append(self, topic: str, partition: int, key: bytes, value: bytes, headers: Any = ()) -> asyncio.Future[Any]:
        self.records += topic == "changelog"
        return self._appender.append(TopicPartition(topic, partition), key, value, headers)

    def push(self) -> None:
        self._appender.push()

    async def deliver(self) -> None:
        while self._begun:
            begun, self._begun[:] = list(self._begun), []
            self._batches.clear()
            for batch in begun:
                batch.get_data_buffer()
                batch.done(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def measure(count: int = 24_000, scopes: int = 500, warm_up: int = 6_000) -> tuple[float, float]:
    """Microseconds of CPU per insight after the warm-up, and changelog records per insight."""
    return asyncio.run(_measure(count, scopes, warm_up))


async def _measure(count: int, scopes: int, warm_up: int) -> tuple[float, float]:
    producer = _Producer()
    kept = Scopes(_Store(), 1_000)
    outlet = Outlet(producer, "changelog", {name: name for name in OUTPUTS}, kept.keep, lambda: False, PARTITIONS)
    kept.before_eviction = outlet.write_deferred
    processor = Processor(
        scopes=kept,
        outlet=outlet,
        agenda=Agenda(),
        producer=producer,
        policy=Policy(),
        dead_letter_topic="dead-letters",
        observer=Observers(Metrics(), DecisionLog()),
        flood=FloodGuard(FloodLimits()),
    )
    limit = StreamSettings(bootstrap_servers="").max_outbox_bytes
    started, written = 0.0, 0
    for offset, (key, value) in enumerate(records(count, scopes)):
        if offset == warm_up:
            started, written = time.process_time(), producer.records
        waiting_bytes = processor.take("insights", "insights", 0, offset, 2_000_000_000_000, key, value, ())
        if offset % CHUNK == 0:
            outlet.rest()
        if waiting_bytes > limit or offset % ROUND == 0:
            await outlet.settle()
    await outlet.settle()
    events = count - warm_up
    return (time.process_time() - started) / events * 1e6, (producer.records - written) / events


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    spent, share = measure(*given)
    print(f"{spent:.1f} us of CPU per insight, {share:.2f} changelog records")
