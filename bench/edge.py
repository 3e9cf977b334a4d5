"""The edge under load: Redis broken while the engine decides, and the API with many idle connections.

`python -m bench.edge [redis cohosted api]` starts an embedded Kafka, a worker, an API and a Redis of its own.
"""

import asyncio
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection, socket
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaConsumer, TopicPartition

from decision_stream.broker.embedded import EmbeddedKafka, free_port
from decision_stream.edge.read_model import RedisReadModel, Unavailable
from tests.edge.redis_server import RedisServer

from .contenders import PARTITIONS, environment
from .scene import Scene, entered, measured

RATE = 500.0
PERIOD_S = 10.0
FED_S = 110.0
"""For how long insights are at hand; longer than the measurements take."""
IDLE = 1_000
ASKED = 2_000
BEHIND_S = 1.0
"""A model that follows the journal is always a little behind it; this much counts as caught up."""
Row = tuple[str, str, str, str]
"""What, value, goal, remark."""


def _api(scene: Scene, port: int, **more: str) -> subprocess.Popen[bytes]:
    told = _settings(scene, port, **more)
    command = [sys.executable, "-m", "decision_stream", "api", "-b", scene.kafka.bootstrap_servers]
    api = subprocess.Popen(command, env=told, stderr=subprocess.DEVNULL)
    scene.workers.append(api)
    return api


def _settings(scene: Scene, port: int, **more: str) -> dict[str, str]:
    return {**environment(scene.prefix), "DS_API__PORT": str(port), **more}


async def _settled(scene: Scene, port: int) -> None:
    """Until the API is ready and the worker has no backlog of its start."""
    while True:
        try:
            status, body = await asyncio.to_thread(_ask, port, "/health")
            if status == 200 and json.loads(body)["status"] == "ready":
                break
        except OSError:
            pass
        await asyncio.sleep(0.1)
    await asyncio.sleep(5.0)
    await scene.until_judged()


def _ask(port: int, path: str, wire: http.client.HTTPConnection | None = None) -> tuple[int, bytes]:
    own = wire or http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        own.request("GET", path)
        answer = own.getresponse()
        return answer.status, answer.read()
    finally:
        if wire is None:
            own.close()


@dataclass(frozen=True, slots=True)
class _Period:
    """Verdicts a second, and how long they took: median and 99th percentile, in ms.

    More than come in a second are given while a backlog is worked off.
    """

    rate: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.rate:.0f}/s, median {self.p50_ms:.0f} ms, p99 {self.p99_ms:.0f} ms"


async def _period(scene: Scene) -> _Period:
    scene.latencies.clear()
    judged, at = scene.judged, time.monotonic()
    await asyncio.sleep(PERIOD_S)
    rate = (scene.judged - judged) / (time.monotonic() - at)
    took = sorted(scene.latencies)
    return _Period(rate, statistics.median(took) * 1e3, _p99(took) * 1e3)


async def _caught_up(scene: Scene, model: RedisReadModel) -> float:
    """Seconds until the model has all that the journal holds now, and is no more than `BEHIND_S` behind it."""
    parts = [TopicPartition(f"{scene.prefix}journal", number) for number in range(PARTITIONS)]
    begun = time.monotonic()
    consumer = AIOKafkaConsumer(bootstrap_servers=scene.kafka.bootstrap_servers)
    await consumer.start()
    try:
        seen = deque([(begun, await consumer.end_offsets(parts))])
        while True:
            # The newest that is old enough to be asked for; the first one always is.
            while len(seen) > 1 and seen[1][0] <= time.monotonic() - BEHIND_S:
                seen.popleft()
            try:
                stands = await asyncio.to_thread(model.positions)
                if all(stands.get(("journal", part.partition), 0) >= end for part, end in seen[0][1].items()):
                    return time.monotonic() - begun
            except Unavailable:
                pass
            await asyncio.sleep(0.05)
            at = time.monotonic()
            seen.append((at, await consumer.end_offsets(parts)))
    finally:
        await consumer.stop()


async def _redis(kafka: EmbeddedKafka) -> list[Row]:
    with TemporaryDirectory() as directory:
        return await _broken(kafka, Path(directory), is_cohosted=False)


async def _cohosted(kafka: EmbeddedKafka) -> list[Row]:
    with TemporaryDirectory() as directory:
        return await _broken(kafka, Path(directory), is_cohosted=True)


async def _broken(kafka: EmbeddedKafka, directory: Path, *, is_cohosted: bool) -> list[Row]:
    """A steady stream; a Redis that keeps a log, as in deploy/, is stopped, killed and emptied, and comes back."""
    redis, port = RedisServer(directory=directory), free_port()
    redis.start()
    where = "API inside the worker" if is_cohosted else "API beside the worker"
    rows: list[Row] = []
    async with entered(kafka, "inside" if is_cohosted else "beside") as scene:
        url = {"DS_API__REDIS_URL": redis.url}
        if is_cohosted:
            command = [sys.executable, "-m", "decision_stream", "run", "-b", kafka.bootstrap_servers]
            told = _settings(scene, port, DS_API__COHOST="true", **url)
            scene.workers.append(subprocess.Popen(command, env=told, stderr=subprocess.DEVNULL))
        else:
            scene.start_worker()
            _api(scene, port, **url)
        feeding = asyncio.create_task(scene.feed(RATE, FED_S))
        try:
            await _settled(scene, port)
            with closing(RedisReadModel(redis.url, scene.prefix)) as model:
                await _caught_up(scene, model)
                for name, begin, end in (
                    ("hangs (SIGSTOP)", redis.hang, redis.go_on),
                    ("is killed", redis.kill, redis.start),
                    ("is emptied (FLUSHALL)", redis.empty, None),
                ):
                    before = await _period(scene)
                    begin()
                    if end is None:
                        during, took = await asyncio.gather(_period(scene), _caught_up(scene, model))
                    else:
                        during = await _period(scene)
                        await asyncio.to_thread(end)
                        took = await _caught_up(scene, model)
                    share, remark = f"{during.rate / RATE:.0%}", f"before: {before}; while: {during}"
                    rows.append((f"Redis {name}, {where}: verdicts, of {RATE:g}/s that come in", share, "95 %", remark))
                    held = f"{scene.judged:,} insights until then"
                    rows.append((f"Redis {name}, {where}: s until caught up", f"{took:.1f}", "10", held))
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            redis.kill()
    return rows


async def _many_idle(kafka: EmbeddedKafka) -> list[Row]:
    """Latency of the API's answers, alone and with idle connections, on a stream that goes on."""
    redis, port = RedisServer(), free_port()
    redis.start()
    async with entered(kafka, "idle") as scene:
        scene.start_worker()
        _api(scene, port, DS_API__REDIS_URL=redis.url, DS_API__KEEP_ALIVE_S="600")
        feeding = asyncio.create_task(scene.feed(RATE, FED_S))
        try:
            await _settled(scene, port)
            before = await _period(scene)
            alone = await asyncio.to_thread(_answers, port)
            with ExitStack() as held:
                # In a thread: what feeds the stream must not wait for it.
                await asyncio.to_thread(lambda: [held.enter_context(closing(_idle(port))) for _ in range(IDLE)])
                await scene.until_judged()
                asking = asyncio.create_task(asyncio.to_thread(_answers, port))
                during = await _period(scene)
                busy = await asking
        finally:
            feeding.cancel()
            await asyncio.gather(feeding, return_exceptions=True)
            redis.kill()
    told = (
        f"median {statistics.median(busy) * 1e3:.0f} ms; {_p99(alone) * 1e3:.0f} ms without them; {len(busy):,} answers"
    )
    return [
        (f"API with {IDLE:,} idle connections: 99th percentile, ms", f"{_p99(busy) * 1e3:.0f}", "200", told),
        (
            f"the same: verdicts, of {RATE:g}/s that come in",
            f"{during.rate / RATE:.0%}",
            "95 %",
            f"before: {before}; while: {during}",
        ),
    ]


def _idle(port: int) -> socket:
    """A connection that has asked once and says nothing more."""
    wire = create_connection(("127.0.0.1", port), timeout=30)
    wire.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = http.client.HTTPResponse(wire)
    answer.begin()
    answer.read()
    return wire


def _answers(port: int) -> list[float]:
    """Seconds of each answer, one after the other on one connection, over what a dashboard asks."""
    scope = "tenant-0/service/route-0"
    paths = (
        "/api/v1/decisions?limit=50",
        "/api/v1/scopes?limit=50",
        f"/api/v1/scopes/{scope}",
        f"/api/v1/scopes/{scope}/audit?limit=50",
        "/api/v1/statistics",
        "/api/v1/approvals",
        "/api/v1/experiments",
    )
    took = []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as wire:
        for number in range(ASKED):
            began = time.perf_counter()
            status, _ = _ask(port, paths[number % len(paths)], wire)
            took.append(time.perf_counter() - began)
            assert status == 200, f"{paths[number % len(paths)]}: {status}"
    return took


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


PARTS: dict[str, Callable[[EmbeddedKafka], Awaitable[list[Row]]]] = {
    "redis": _redis,
    "cohosted": _cohosted,
    "api": _many_idle,
}


if __name__ == "__main__":
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "value", "goal", "remark")
    for row in asyncio.run(measured(PARTS, sys.argv[1:])):
        table.add_row(*row)
    Console(width=160).print(table)
