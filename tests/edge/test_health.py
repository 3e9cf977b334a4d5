"""Probes answer before the worker is ready, and say what it is doing."""

import json

import aiohttp

from decision_stream.edge.health import HealthServer
from decision_stream.edge.metrics import Metrics
from decision_stream.stream.worker import Health


async def asked(server: HealthServer, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}{path}") as response:
        return response.status, await response.text()


async def test_a_worker_is_alive_before_it_is_ready():
    health = Health(started=True, recovering=True, ready=False, partitions=0, seconds_since_progress=None)
    server = HealthServer("127.0.0.1", 0, lambda: health, Metrics().render)
    await server.start()
    try:
        assert (await asked(server, "/livez"))[0] == 200
        status, text = await asked(server, "/readyz")
        assert status == 503 and json.loads(text)["status"] == "recovering"
        health = Health(started=True, recovering=False, ready=True, partitions=4, seconds_since_progress=0.1)
        status, text = await asked(server, "/readyz")
        assert status == 200 and json.loads(text)["partitions"] == 4
        assert "decision_engine_build_info" in (await asked(server, "/metrics"))[1]
        assert (await asked(server, "/nothing"))[0] == 404
    finally:
        await server.stop()


async def test_without_prometheus_there_are_no_metrics():
    health = Health(started=False, recovering=False, ready=False, partitions=0, seconds_since_progress=None)
    server = HealthServer("127.0.0.1", 0, lambda: health, None)
    await server.start()
    try:
        assert (await asked(server, "/metrics"))[0] == 404
    finally:
        await server.stop()
