"""A backlog is drained: CPU of the process for each insight, beside bare Faust and quixstreams on the same bytes.

All programs are there at once, stopped but for one, and take turns: each drains a portion of its backlog, then the next
one, some times over, so that a machine that is now faster and now slower is so for all of them. A portion is put on the
topic while its program is stopped, and it is through when all of it is passed on: what a program says comes in bursts,
far behind what it has done, and only where nothing is under way the one tells of the other.
"""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import fmean, stdev

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from scipy.stats import t as student

from . import contenders
from .contenders import PARTITIONS, Contender, cpu_s
from .figures import BARE_PASS, BARE_TABLE, HOT, MANY, QUIX, SETTLED, SHELL, WHOLE, Figure, against
from .load import records

ROUNDS = 16
MANY_SCOPES, SETTLED_SCOPES = 500, 100
AN_HOUR = 60
"""Windows of a scope."""
WARM_UP = 6_000
POLL_S, QUIET_S = 0.01, 0.3

Records = list[tuple[bytes, bytes]]


@dataclass
class Entry:
    """Who drains what: `warm_up` insights of so many scopes, then one `portion` in each of its turns.

    It has a turn in every round, or in every fourth one, where a scope's first hour has no windows for more.
    """

    name: str
    prefix: str
    contender: Contender
    scopes: int
    warm_up: int
    portion: int
    every: int = 1
    spent_s: float = 0.0
    turns_s: list[float] = field(default_factory=list)

    def portions(self) -> Iterator[Records]:
        """The warm-up, then one for each turn."""
        loaded = records(self.warm_up + self.measured, self.scopes)
        yield loaded[: self.warm_up]
        for begin in range(self.warm_up, len(loaded), self.portion):
            yield loaded[begin : begin + self.portion]

    @property
    def measured(self) -> int:
        """Insights of all its turns."""
        return ROUNDS // self.every * self.portion

    @property
    def rate(self) -> float:
        """Insights per second."""
        return self.measured / sum(self.turns_s)

    @property
    def figure(self) -> Figure:
        """CPU for each insight."""
        spent_us = self.spent_s / self.measured * 1e6
        return Figure(what=self.name, value=spent_us, unit="µs CPU per insight", remark=f"{self.rate:,.0f} insights/s")


def _entries() -> dict[str, Entry]:
    table = [
        Entry(BARE_PASS, "bp.", contenders.FAUST_PASS, MANY_SCOPES, WARM_UP, 2_000),
        Entry(BARE_TABLE, "bt.", contenders.FAUST_TABLE, MANY_SCOPES, WARM_UP, 2_000),
        Entry(QUIX, "bq.", contenders.QUIXSTREAMS, MANY_SCOPES, WARM_UP, 6_000),
        Entry(SHELL, "bs.", contenders.SHELL_ALONE, MANY_SCOPES, WARM_UP, 6_000),
        Entry(WHOLE, "bw.", contenders.WORKER, MANY_SCOPES, WARM_UP, 6_000, every=4),
        Entry(MANY, "bm.", contenders.WORKER, MANY_SCOPES, AN_HOUR * MANY_SCOPES, 6_000),
        Entry(SETTLED, "bo.", contenders.WORKER, SETTLED_SCOPES, AN_HOUR * SETTLED_SCOPES, 6_000),
        Entry(HOT, "bh.", contenders.WORKER, 1, WARM_UP, 6_000),
    ]
    return {
        one.name: one for one in table if one.contender is not contenders.QUIXSTREAMS or contenders.QUIX_PYTHON.exists()
    }


async def measure(bootstrap_servers: str) -> list[Figure]:
    """Figures of all contenders that are installed."""
    entries = _entries()
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(_warmed_up(bootstrap_servers, one)) for one in entries.values()]
        for number in range(ROUNDS):
            for one in running:
                if number % one.entry.every == 0:
                    await one.take_turn()
    for one in entries.values():
        print(f"{one.name}: {one.figure.value:.0f} µs, {one.rate:,.0f} insights/s", file=sys.stderr, flush=True)
    return _compared(entries)


def _compared(entries: dict[str, Entry]) -> list[Figure]:
    yardstick = entries[BARE_TABLE].figure.value
    figures = [entries[BARE_PASS].figure, entries[BARE_TABLE].figure]
    if QUIX in entries:
        figures.append(_beside(entries[QUIX].figure, yardstick))
    figures.append(against(entries[SHELL].figure, yardstick, 0.25))
    figures += [against(entries[name].figure, yardstick, 0.5) for name in (WHOLE, MANY, SETTLED)]
    hot, many, settled = entries[HOT], entries[MANY], entries[SETTLED]
    return [
        *figures,
        _beside(hot.figure, yardstick),
        Figure(
            what=f"{HOT}: time",
            value=1e6 / hot.rate,
            unit="µs for each insight",
            goal=f"{1e6 / many.rate:.0f}, of {many.scopes} routes",
            at_most=1e6 / many.rate,
            remark=f"{_rates(hot, many)} × the rate of {many.scopes} routes, "
            f"{_rates(hot, settled)} × that of {settled.scopes}",
        ),
    ]


def _rates(one: Entry, other: Entry) -> str:
    """How many times as fast, with the 95 % interval over the rounds, whose turns follow each other closely."""
    logs = [log(theirs / own) for own, theirs in zip(one.turns_s, other.turns_s, strict=True)]
    error = stdev(logs) / sqrt(len(logs)) * float(student.ppf(0.975, len(logs) - 1))
    low, high = exp(fmean(logs) - error), exp(fmean(logs) + error)
    return f"{one.rate / other.rate:.2f} ({low:.2f} to {high:.2f})"


def _beside(figure: Figure, yardstick: float) -> Figure:
    remark = f"{figure.value / yardstick:.2f} ×; {figure.remark}"
    return Figure(what=figure.what, value=figure.value, unit=figure.unit, remark=remark)


class _Running:
    """A program that was started, and is stopped but for its turns."""

    def __init__(
        self, bootstrap_servers: str, entry: Entry, program: subprocess.Popen[bytes], consumer: AIOKafkaConsumer
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self.entry = entry
        self._program = program
        self._consumer = consumer
        self._portions = entry.portions()
        self._given = 0

    async def warm_up(self) -> None:
        """Let it drain the first portion, and stop it."""
        await self._fill()
        await self._passed_on()
        self._program.send_signal(signal.SIGSTOP)

    async def take_turn(self) -> None:
        """Let it drain one portion, and add up what that took."""
        await self._fill()
        begun, cpu = time.monotonic(), cpu_s(self._program.pid)
        self._program.send_signal(signal.SIGCONT)
        ended, spent = await self._passed_on()
        self._program.send_signal(signal.SIGSTOP)
        self.entry.turns_s.append(ended - begun)
        self.entry.spent_s += spent - cpu

    async def _fill(self) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap_servers, linger_ms=10, max_batch_size=128 * 1024)
        await producer.start()
        for key, value in (portion := next(self._portions)):
            await producer.send(f"{self.entry.prefix}insights", value, key=key)
        await producer.stop()
        self._given += len(portion)

    async def _passed_on(self) -> tuple[float, float]:
        """Wait until all of it is passed on, what scopes tell each other included; when that was, and its CPU then."""
        parts = [TopicPartition(f"{self.entry.prefix}journal", number) for number in range(PARTITIONS)]
        seen, at, spent = -1, 0.0, 0.0
        while True:
            assert self._program.poll() is None, f"{self.entry.name} ended with {self._program.returncode}"
            found = sum((await self._consumer.end_offsets(parts)).values())
            now = time.monotonic()
            if found != seen:
                seen, at, spent = found, now, cpu_s(self._program.pid)
            elif seen >= self._given and now - at > QUIET_S:
                return at, spent
            await asyncio.sleep(POLL_S)


@asynccontextmanager
async def _warmed_up(bootstrap_servers: str, entry: Entry):
    await entry.contender.enter(bootstrap_servers, entry.prefix)
    program = entry.contender.start(bootstrap_servers, entry.prefix)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    running = _Running(bootstrap_servers, entry, program, consumer)
    try:
        await running.warm_up()
        yield running
    finally:
        await consumer.stop()
        program.send_signal(signal.SIGCONT)
        program.send_signal(signal.SIGTERM)
        await asyncio.to_thread(program.wait)
