"""Insights at a steady rate: CPU for each, and the time from when it was due to when its record can be read."""

import asyncio
import re
import signal
import sys
import time
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from . import contenders
from .contenders import PARTITIONS, Contender, all_committed, cpu_s, rss_mb
from .figures import Figure, against
from .load import records

WARM_UP_S, CATCH_UP_S, MEASURED_S = 6.0, 20.0, 12.0
_NUMBER = re.compile(rb'"insight-(\d+)"')


@dataclass(frozen=True, slots=True)
class Steady:
    """CPU per insight in µs, and latencies in ms."""

    cpu_us: float
    p50_ms: float
    p99_ms: float


async def measure(bootstrap_servers: str) -> list[Figure]:
    """Figures at 500 and 1,000 insights a second, of an idle worker, and of one with many scopes."""
    bare = await _steady(bootstrap_servers, "ob.", contenders.FAUST_TABLE, 500.0)
    figures = [_spent("bare Faust, 500/s", bare)]
    if contenders.QUIX_PYTHON.exists():
        quix = await _steady(bootstrap_servers, "oq.", contenders.QUIXSTREAMS, 500.0)
        figures.append(_spent("quixstreams, 500/s", quix))
    shell = await _steady(bootstrap_servers, "oa.", contenders.SHELL_ALONE, 500.0)
    figures.append(against(_spent("the shell alone, 500/s", shell), bare.cpu_us, 0.3))
    slow = await _steady(bootstrap_servers, "os.", contenders.WORKER, 500.0)
    figures += [against(_spent("the whole worker, 500/s", slow), bare.cpu_us, 0.3), _late("500/s", slow)]
    fast = await _steady(bootstrap_servers, "of.", contenders.WORKER, 1_000.0)
    figures += [_spent("the whole worker, 1,000/s", fast), _late("1,000/s", fast)]
    return [*figures, *await _idle_and_large(bootstrap_servers)]


def _spent(what: str, steady: Steady) -> Figure:
    told = f"median {steady.p50_ms:.0f} ms, 99th percentile {steady.p99_ms:.0f} ms to the record"
    return Figure(what=what, value=steady.cpu_us, unit="µs CPU per insight", remark=told)


def _late(rate: str, steady: Steady) -> Figure:
    return Figure(
        what=f"the whole worker, {rate}, 99th percentile to the verdict",
        value=steady.p99_ms,
        unit="ms",
        goal="50 ms",
        at_most=50.0,
        remark=f"median {steady.p50_ms:.0f} ms",
    )


async def _steady(bootstrap_servers: str, prefix: str, contender: Contender, rate: float) -> Steady:
    await contender.enter(bootstrap_servers, prefix)
    due_at: dict[int, float] = {}
    seen: list[tuple[int, float]] = []
    worker = contender.start(bootstrap_servers, prefix)
    tailing = asyncio.create_task(_tail(bootstrap_servers, prefix, seen))
    longest_s = WARM_UP_S + CATCH_UP_S + MEASURED_S
    feeding = asyncio.create_task(_feed(bootstrap_servers, prefix, rate, longest_s, 500, due_at))
    try:
        await asyncio.sleep(WARM_UP_S)
        for _ in range(int(CATCH_UP_S / 0.1)):
            # What came before it was ready must not count as slowness, nor as cheap because it came in one piece.
            if len(seen) > len(due_at) - rate / 10.0:
                break
            await asyncio.sleep(0.1)
        cpu, first = cpu_s(worker.pid), len(due_at)
        await asyncio.sleep(MEASURED_S)
        spent, insights = cpu_s(worker.pid) - cpu, len(due_at) - first
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        for _ in range(200):
            if len(seen) >= len(due_at):
                break
            await asyncio.sleep(0.1)
        measured = range(first, first + insights)
        found = sorted(came - due_at[number] for number, came in seen if number in measured)
        assert len(found) >= insights, f"{prefix}: {len(found)} of {insights} insights have a record"
    finally:
        feeding.cancel()
        tailing.cancel()
        await asyncio.gather(feeding, tailing, return_exceptions=True)
        await _end(worker)
    p50_ms, p99_ms = (found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99))
    steady = Steady(spent / insights * 1e6, p50_ms, p99_ms)
    print(f"{prefix} {rate:.0f}/s: {steady}", file=sys.stderr, flush=True)
    return steady


async def _idle_and_large(bootstrap_servers: str) -> list[Figure]:
    """A worker that was given two insights of each of 10,000 scopes and then nothing."""
    prefix, scopes = "oi.", 10_000
    await contenders.WORKER.enter(bootstrap_servers, prefix)
    seen: list[tuple[int, float]] = []
    worker = contenders.WORKER.start(bootstrap_servers, prefix)
    tailing = asyncio.create_task(_tail(bootstrap_servers, prefix, seen))
    try:
        await _feed(bootstrap_servers, prefix, 2_000.0, 10.0, scopes, {})
        while len(seen) < 2 * scopes:
            assert worker.poll() is None, f"the worker ended with {worker.returncode}"
            await asyncio.sleep(0.1)
        # New scopes ask aggregates what is known elsewhere, and hear of it: twice as much work as the insights were.
        await all_committed(bootstrap_servers, prefix)
        memory_mb = rss_mb(worker.pid)
        await asyncio.sleep(3.0)
        cpu = cpu_s(worker.pid)
        await asyncio.sleep(12.0)
        idle = (cpu_s(worker.pid) - cpu) / 12.0 * 100.0
    finally:
        tailing.cancel()
        await asyncio.gather(tailing, return_exceptions=True)
        await _end(worker)
    print(f"{prefix} idle {idle:.1f} %, {memory_mb:.0f} MB", file=sys.stderr, flush=True)
    told = "two insights of each"
    return [
        Figure(what="idle worker with 10,000 scopes", value=idle, unit="% of a core", goal="2 %", at_most=2.0),
        Figure(what="10,000 scopes", value=memory_mb, unit="MB", goal="200 MB", at_most=200.0, remark=told),
    ]


async def _feed(
    bootstrap_servers: str, prefix: str, rate: float, seconds: float, scopes: int, due_at: dict[int, float]
) -> None:
    loaded = records(int(rate * seconds), scopes)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=2, max_batch_size=128 * 1024)
    await producer.start()
    try:
        begun = time.time()
        for number, (key, value) in enumerate(loaded):
            due = begun + number / rate
            if due > time.time():
                await asyncio.sleep(due - time.time())
            due_at[number] = due
            await producer.send(f"{prefix}insights", value, key=key)
    finally:
        await producer.stop()


async def _tail(bootstrap_servers: str, prefix: str, seen: list[tuple[int, float]]) -> None:
    """Note for ever which insight a record is of, and when it came."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=10)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(f"{prefix}journal", number) for number in range(PARTITIONS)])
        while True:
            for fetched in (await consumer.getmany(timeout_ms=100)).values():
                now = time.time()
                for record in fetched:
                    named = _NUMBER.search(record.value)
                    if named is not None:  # Scopes also hear of each other, and the journal tells of that too.
                        seen.append((int(named[1]), now))
    finally:
        await consumer.stop()


async def _end(worker) -> None:
    worker.send_signal(signal.SIGTERM)
    await asyncio.to_thread(worker.wait)
