"""A backlog is drained: CPU of the process for each insight, beside bare Faust and quixstreams on the same bytes."""

import asyncio
import signal
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from . import contenders
from .contenders import PARTITIONS, Contender, cpu_s
from .figures import BARE_PASS, BARE_TABLE, HOT, MANY, QUIX, SETTLED, SHELL, WHOLE, Figure, against
from .load import records

COUNT, SCOPES, SETTLED_SCOPES, SETTLED_COUNT = 24_000, 500, 100, 96_000
QUICK_ROUNDS = 4
"""How many times those who decide nothing get the same bytes, because they are through with them in half a second."""


async def measure(bootstrap_servers: str) -> list[Figure]:
    """Figures of all contenders that are installed."""
    many, one = records(COUNT, SCOPES), records(COUNT, 1)
    again = many * QUICK_ROUNDS
    passed = await _drained(bootstrap_servers, BARE_PASS, "bp.", contenders.FAUST_PASS, many)
    bare = await _drained(bootstrap_servers, BARE_TABLE, "bt.", contenders.FAUST_TABLE, many)
    figures = [passed[0], bare[0]]
    yardstick = bare[0].value
    if contenders.QUIX_PYTHON.exists():
        quix, _ = await _drained(bootstrap_servers, QUIX, "bq.", contenders.QUIXSTREAMS, again)
        figures.append(Figure(what=quix.what, value=quix.value, unit=quix.unit, remark=_share(quix, yardstick)))
    shell, _ = await _drained(bootstrap_servers, SHELL, "bs.", contenders.SHELL_ALONE, again)
    figures.append(against(shell, yardstick, 0.25))
    whole, _ = await _drained(bootstrap_servers, WHOLE, "bw.", contenders.WORKER, many)
    grown, many_rate = await _drained(bootstrap_servers, MANY, "bm.", contenders.WORKER, records(SETTLED_COUNT, SCOPES))
    settled, rate = await _drained(bootstrap_servers, SETTLED, "bo.", contenders.WORKER, records(COUNT, SETTLED_SCOPES))
    hot, hot_rate = await _drained(bootstrap_servers, HOT, "bh.", contenders.WORKER, one)
    figures += [against(figure, yardstick, 0.5) for figure in (whole, grown, settled)]
    told = f"{hot_rate / many_rate:.2f} × the rate of 500 routes, {hot_rate / rate:.2f} × that of 100"
    return [
        *figures,
        Figure(what=hot.what, value=hot.value, unit=hot.unit, remark=_share(hot, yardstick)),
        Figure(
            what=f"{HOT}: time",
            value=1e6 / hot_rate,
            unit="µs for each insight",
            goal=f"{1e6 / many_rate:.0f}, of 500 routes",
            at_most=1e6 / many_rate,
            remark=told,
        ),
    ]


def _share(figure: Figure, yardstick: float) -> str:
    return f"{figure.value / yardstick:.2f} ×; {figure.remark}"


async def _drained(
    bootstrap_servers: str, name: str, prefix: str, contender: Contender, loaded: list[tuple[bytes, bytes]]
) -> tuple[Figure, float]:
    """The figure, and insights per second."""
    await contender.enter(bootstrap_servers, prefix)
    await _fill(bootstrap_servers, prefix, loaded)
    spent, rate = await _drain(bootstrap_servers, prefix, contender, len(loaded))
    print(f"{name}: {spent:.0f} µs, {rate:,.0f} insights/s", file=sys.stderr, flush=True)
    return Figure(what=name, value=spent, unit="µs CPU per insight", remark=f"{rate:,.0f} insights/s"), rate


async def _fill(bootstrap_servers: str, prefix: str, loaded: list[tuple[bytes, bytes]]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, linger_ms=10, max_batch_size=128 * 1024)
    await producer.start()
    for key, value in loaded:
        await producer.send(f"{prefix}insights", value, key=key)
    await producer.stop()


async def _drain(bootstrap_servers: str, prefix: str, contender: Contender, count: int) -> tuple[float, float]:
    """Microseconds of CPU per insight and insights per second, after the first quarter and to the end."""
    worker = contender.start(bootstrap_servers, prefix)
    parts = [TopicPartition(f"{prefix}journal", number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    try:
        consumer.assign(parts)
        begun = None
        while True:
            assert worker.poll() is None, f"{prefix} ended with {worker.returncode}"
            done = sum((await consumer.end_offsets(parts)).values())
            now, cpu = time.monotonic(), cpu_s(worker.pid)
            if begun is None and done >= count // 4:
                begun = (done, now, cpu)
            if done >= count and begun is not None:
                insights = done - begun[0]
                return (cpu - begun[2]) / insights * 1e6, insights / (now - begun[1])
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
        worker.send_signal(signal.SIGTERM)
        await asyncio.to_thread(worker.wait)
