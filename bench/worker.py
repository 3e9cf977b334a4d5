"""The whole worker on a real Kafka beside bare Faust on the same bytes: process CPU while a backlog is drained."""

import asyncio
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from decision_stream.broker.choose import broker
from decision_stream.broker.topics import apply, topic_table

from .load import records

COUNT, SCOPES, PARTITIONS = 24_000, 500, 4
WARM_UP = 6_000
YARDSTICK = "bare Faust, pass-through and table"


def measure() -> list[tuple[str, float, str]]:
    """Rows of name, microseconds of CPU per insight, and a remark; the broker is named in the last."""
    with broker(progress=lambda line: print(line, file=sys.stderr)) as kafka:
        return asyncio.run(_measure(kafka.bootstrap_servers, kafka.description))


async def _measure(bootstrap_servers: str, description: str) -> list[tuple[str, float, str]]:
    loaded = records(COUNT, SCOPES)
    size = sum(len(value) for _, value in loaded) // len(loaded)
    bare = [sys.executable, str(Path(__file__).with_name("bare_faust.py")), bootstrap_servers]
    alone = [sys.executable, "-m", "bench.shell_alone", bootstrap_servers, "bs.", str(PARTITIONS)]
    whole = [sys.executable, "-m", "decision_stream", "run", "-b", bootstrap_servers]
    rows: list[tuple[str, float, str]] = []
    yardstick = math.nan
    for name, prefix, command, insights in (
        ("bare Faust, pass-through", "bp.", [*bare, "bp.", "pass"], loaded),
        (YARDSTICK, "bt.", [*bare, "bt.", "table"], loaded),
        ("the shell alone, with all guarantees", "bs.", alone, loaded),
        ("the whole worker", "bw.", whole, loaded),
        ("the whole worker, one hot key", "bh.", whole, records(COUNT, 1)),
    ):
        specs = topic_table(prefix=prefix, app_id=f"{prefix}app", partitions=PARTITIONS)
        await apply(bootstrap_servers, specs)
        await _fill(bootstrap_servers, prefix, insights)
        spent, rate = await _drain(bootstrap_servers, prefix, command)
        if name == YARDSTICK:
            yardstick = spent
        share = "" if math.isnan(yardstick) else f"; {spent / yardstick:.2f} of bare Faust with a table"
        rows.append((name, spent, f"{rate:,.0f} insights/s{share}"))
    rows.append(("", float("nan"), f"{size} B per insight; {description}"))
    return rows


async def _fill(bootstrap_servers: str, prefix: str, loaded: list[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=10, max_batch_size=128 * 1024)
    await producer.start()
    for key, value in loaded:
        await producer.send(f"{prefix}insights", value, key=key)
    await producer.stop()


async def _drain(bootstrap_servers: str, prefix: str, command: list[str]) -> tuple[float, float]:
    """Microseconds of CPU per event and events per second, between the warm-up and the end."""
    environment = {
        **os.environ,
        "DS_KAFKA__APP_ID": f"{prefix}app",
        "DS_KAFKA__TOPIC_PREFIX": prefix,
        "DS_KAFKA__PARTITIONS": str(PARTITIONS),
        "DS_MONITORING__METRICS_PORT": "0",
        "DS_MONITORING__LOG_LEVEL": "error",
    }
    worker = subprocess.Popen(command, env=environment)
    parts = [TopicPartition(f"{prefix}journal", number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    try:
        consumer.assign(parts)
        begun = None
        while True:
            assert worker.poll() is None, f"{command[1]} ended with {worker.returncode}"
            done = sum((await consumer.end_offsets(parts)).values())
            now, cpu = time.monotonic(), cpu_s(worker.pid)
            if begun is None and done >= WARM_UP:
                begun = (done, now, cpu)
            if done >= COUNT and begun is not None:
                events = done - begun[0]
                return (cpu - begun[2]) / events * 1e6, events / (now - begun[1])
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
        worker.send_signal(signal.SIGTERM)
        await asyncio.to_thread(worker.wait)


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used, all threads, user and system: its own clock, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)
