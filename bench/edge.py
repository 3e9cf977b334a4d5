"""The edge under load: Redis broken while the engine decides, and the API with many idle connections.

`python -m bench.edge [redis cohosted api]` starts an embedded Kafka, a worker, an API and a Redis of its own.
"""

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from pathlib import Path
from socket import create_connection, socket
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaConsumer, TopicPartition

from decision_stream.broker.embedded import EmbeddedKafka, free_port
from decision_stream.edge.read_model import RedisReadModel, Unavailable
from tests.edge.redis_server import RedisServer

from .shell import PARTITIONS, Scene, _scene, measured

RATE = 500.0
PERIOD_S = 10.0
FED_S = 110.0
"""For how long insights are at hand; longer than the measurements take."""
IDLE = 1_000
ASKED = 2_000
Row = tuple[str, str, str, str]
"""What, value, goal, remark."""


def _api(scene: Scene, port: int, **more: str) -> subprocess.Popen[bytes]:
    told = _settings(scene, port, **more)
    command = [sys.executable, "-m", "decision_stream", "api", "-b", scene.kafka.bootstrap_servers]
    api = subprocess.Popen(command, env=told, stderr=subprocess.DEVNULL)
    scene.workers.append(api)
    return api


def _settings(scene: Scene, port: int, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DS_KAFKA__APP_ID": f"{scene.prefix}app",
        "DS_KAFKA__TOPIC_PREFIX": scene.prefix,
        "DS_KAFKA__PARTITIONS": str(PARTITIONS),
        "DS_MONITORING__METRICS_PORT": "0",
        "DS_MONITORING__LOG_LEVEL": "error",
        "DS_API__PORT": str(port),
        **more,
    }


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


async def _period(scene: Scene) -> tuple[float, float]:
    """Verdicts a second within a period, and the 99th percentile of their delays in ms.

    More than come in a second are given while a backlog is worked off.
    """
    scene.latencies.clear()
    judged, at = scene.judged, time.monotonic()
    await asyncio.sleep(PERIOD_S)
    rate = (scene.judged - judged) / (time.monotonic() - at)
    return rate, sorted(scene.latencies)[int(len(scene.latencies) * 0.99)] * 1e3


async def _caught_up(scene: Scene, model: RedisReadModel) -> None:
    """Until the model has all that the journal holds now."""
    parts = [TopicPartition(f"{scene.prefix}journal", number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=scene.kafka.bootstrap_servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(parts)
    finally:
        await consumer.stop()
    while True:
        try:
            stands = await asyncio.to_thread(model.positions)
            if all(stands.get(("journal", part.partition), 0) >= ends[part] for part in parts):
                return
        except Unavailable:
            pass
        await asyncio.sleep(0.05)


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
    async with _scene(kafka, "inside" if is_cohosted else "beside") as scene:
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
                    before, p99_before = await _period(scene)
                    begin()
                    back_at = time.monotonic()
                    during, p99 = await _period(scene)
                    if end is not None:
                        await asyncio.to_thread(end)
                        back_at = time.monotonic()
                    await _caught_up(scene, model)
                    took = time.monotonic() - back_at
                    remark = f"{before:.0f}/s before, {during:.0f}/s while; p99 {p99_before:.0f} and {p99:.0f} ms"
                    share = f"{during / RATE:.0%}"
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
    async with _scene(kafka, "idle") as scene:
        scene.start_worker()
        _api(scene, port, DS_API__REDIS_URL=redis.url, DS_API__KEEP_ALIVE_S="600")
        feeding = asyncio.create_task(scene.feed(RATE, FED_S))
        try:
            await _settled(scene, port)
            before, p99_before = await _period(scene)
            alone = await asyncio.to_thread(_answers, port)
            with ExitStack() as held:
                for _ in range(IDLE):
                    held.enter_context(closing(_idle(port)))
                asking = asyncio.create_task(asyncio.to_thread(_answers, port))
                while_idle, p99 = await _period(scene)
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
            f"{while_idle / RATE:.0%}",
            "95 %",
            f"{before:.0f}/s before, {while_idle:.0f}/s while; p99 {p99_before:.0f} and {p99:.0f} ms",
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
