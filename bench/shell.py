"""The shell on a Kafka of its own: stopping, taking over, latency, memory, recovery, a broker that is away."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer

from decision_stream.broker.embedded import EmbeddedKafka
from decision_stream.model.journal import Source
from decision_stream.model.policy import Policy
from decision_stream.stream.record import apply as apply_one
from decision_stream.stream.record import empty, hot_write

from .contenders import PARTITIONS, cpu_s, rss_mb
from .load import insights
from .scene import entered, measured

Row = tuple[str, float, str]


async def _stop(kafka: EmbeddedKafka) -> list[Row]:
    """SIGTERM in the middle of 1,000 insights a second."""
    async with entered(kafka, "stop") as scene:
        worker = scene.start_worker()
        feeding = asyncio.create_task(scene.feed(1_000.0, 12.0))
        await asyncio.sleep(8.0)
        begun = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        status = await asyncio.to_thread(worker.wait)
        took = time.monotonic() - begun
        await feeding
        scene.start_worker()
        await scene.until_judged()
        return [("SIGTERM at 1,000/s: s until exit", took, f"status {status}; told again: {scene.repeated}")]


async def _take_over(kafka: EmbeddedKafka) -> list[Row]:
    rows = []
    for name, number in (("kill -9", signal.SIGKILL), ("clean leave", signal.SIGTERM)):
        async with entered(kafka, f"over{int(number)}") as scene:
            first = scene.start_worker()
            scene.start_worker()
            feeding = asyncio.create_task(scene.feed(200.0, 40.0))
            await asyncio.sleep(10.0)
            await scene.until_judged()
            first.send_signal(number)
            await asyncio.sleep(0.5)
            begun = time.monotonic() - 0.5
            await scene.until_judged()
            rows.append((f"takeover after {name}: s until all partitions decide", time.monotonic() - begun, ""))
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
    return rows


async def _open_loop(kafka: EmbeddedKafka) -> list[Row]:
    rows = []
    for rate in (500.0, 1_000.0):
        async with entered(kafka, f"open{rate:.0f}") as scene:
            worker = scene.start_worker()
            feeding = asyncio.create_task(scene.feed(rate, 25.0))
            await asyncio.sleep(8.0)
            await scene.until_judged()
            scene.latencies.clear()
            cpu, at = cpu_s(worker.pid), time.monotonic()
            await asyncio.sleep(15.0)
            spent = (cpu_s(worker.pid) - cpu) / (time.monotonic() - at)
            found = sorted(scene.latencies)
            p50, p99 = (found[int(len(found) * share)] * 1e3 for share in (0.5, 0.99))
            rows.append((f"open loop {rate:,.0f}/s: ms to the verdict, 99th percentile", p99, f"median {p50:.0f} ms"))
            rows.append((f"open loop {rate:,.0f}/s: us CPU per insight", spent / rate * 1e6, f"{spent:.0%} of a core"))
            await feeding
    return rows


async def _idle(kafka: EmbeddedKafka) -> list[Row]:
    async with entered(kafka, "idle") as scene:
        worker = scene.start_worker()
        await scene.feed(200.0, 10.0)
        await scene.until_judged()
        await asyncio.sleep(3.0)
        cpu = cpu_s(worker.pid)
        await asyncio.sleep(10.0)
        return [("idle worker: % of a core", (cpu_s(worker.pid) - cpu) * 10.0, "500 scopes")]


async def _many_scopes(kafka: EmbeddedKafka) -> list[Row]:
    async with entered(kafka, "many") as scene:
        worker = scene.start_worker()
        await scene.feed(2_000.0, 10.0, scopes=10_000)
        await scene.until_judged()
        memory_mb = rss_mb(worker.pid)
        await scene.until_idle()
        cpu = cpu_s(worker.pid)
        await asyncio.sleep(20.0)
        return [
            ("10,000 scopes: MB of memory", memory_mb, "after two insights of each"),
            ("10,000 scopes, idle: % of a core", (cpu_s(worker.pid) - cpu) * 5.0, "four ticks"),
        ]


async def _overload(kafka: EmbeddedKafka) -> list[Row]:
    """Far more than the worker can do for half a minute; memory must not grow with the backlog."""
    async with entered(kafka, "over") as scene:
        worker = scene.start_worker()
        await scene.feed(500.0, 6.0)
        feeding = asyncio.create_task(scene.feed(20_000.0, 7.5))
        peak = 0.0
        while not feeding.done():
            peak = max(peak, rss_mb(worker.pid))
            await asyncio.sleep(0.2)
        behind = sum(scene.fed.values()) - sum(scene.newest.values())
        took = await scene.until_judged()
        peak = max(peak, rss_mb(worker.pid))
        told = f"{behind:,} insights behind at the end, all judged {took:.0f} s later"
        return [("overload, 150,000 insights at once: MB of memory at most", peak, told)]


async def _recovery(kafka: EmbeddedKafka) -> list[Row]:
    """100,000 scopes of 4 kB: from the start of the process to the verdict on an insight that was waiting."""
    async with entered(kafka, "recover") as scene:
        changelog = f"{scene.prefix}app-scope-state-changelog"
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, linger_ms=20, max_batch_size=512 * 1024)
        await producer.start()
        value = _stored_scope()
        for number in range(100_000):
            await producer.send(
                changelog, value, key=b"tenant/service/stored-%d" % number, partition=number % PARTITIONS
            )
        await producer.stop()
        await scene.feed(100.0, 1.0)
        begun = time.monotonic()
        worker = scene.start_worker()
        await scene.until_judged()
        told = f"{len(value)} B each, {rss_mb(worker.pid):.0f} MB of memory"
        return [("recovery of 100,000 scopes: s from start to verdict", time.monotonic() - begun, told)]


def _stored_scope() -> bytes:
    """What is stored of a scope after its first insight, hot and cold part in one: more than 4 kB."""
    (insight,) = insights(1, 1)
    done = apply_one(empty(insight.scope), Source(topic="insights", partition=0, offset=0), insight, Policy())
    return hot_write(done.stored)[1]


async def _broker_away(kafka: EmbeddedKafka) -> list[Row]:
    async with entered(kafka, "away") as scene:
        worker = scene.start_worker(session="15s")
        feeding = asyncio.create_task(scene.feed(300.0, 45.0))
        await asyncio.sleep(10.0)
        await asyncio.to_thread(kafka.kill)
        await asyncio.sleep(20.0)
        await asyncio.to_thread(kafka.start)
        begun = time.monotonic()
        while worker.poll() is None and min(scene.newest.values()) < 0:
            await asyncio.sleep(0.05)
        if worker.poll() is not None:
            scene.start_worker(session="15s")
        await scene.until_judged()
        took = time.monotonic() - begun
        await feeding
        await scene.until_judged()
        missing = sum(scene.fed.values()) + PARTITIONS - scene.judged
        ended = "the worker lived through" if worker.poll() is None else f"the worker ended with {worker.returncode}"
        return [("broker away for 20 s: s until caught up", took, f"{missing} insights lost; {ended}")]


PARTS: dict[str, Callable[[EmbeddedKafka], Awaitable[list[Row]]]] = {
    "stop": _stop,
    "takeover": _take_over,
    "latency": _open_loop,
    "idle": _idle,
    "scopes": _many_scopes,
    "overload": _overload,
    "recovery": _recovery,
    "broker": _broker_away,
}


if __name__ == "__main__":
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "value", "remark")
    for what, number, remark in asyncio.run(measured(PARTS, sys.argv[1:])):
        table.add_row(what, f"{number:.1f}", remark)
    Console(width=140).print(table)
