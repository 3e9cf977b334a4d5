"""A small HTTP listener for probes and metrics; it answers from before recovery until the process ends.

`/livez` says that the event loop runs; `/readyz` that the worker owns recovered partitions; `/metrics` is for
Prometheus.
"""

import json
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from ..stream.worker import Health

JSON = "application/json"
METRICS = "text/plain; version=0.0.4; charset=utf-8"


class HealthServer:
    """Listens on `host` and `port` (0: a free one); `port` is the real one after `start`."""

    def __init__(self, host: str, port: int, health: Callable[[], Health], metrics: Callable[[], bytes] | None) -> None:
        self._host = host
        self.port = port
        self._health = health
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Begin to listen; raises OSError when the port is taken."""
        app = web.Application(client_max_size=1024)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        if self._metrics is not None:
            app.router.add_get("/metrics", self._show_metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        return _answer(200, {"status": "alive"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        health = self._health()
        status = "ready" if health.ready else "recovering" if health.recovering else "starting"
        if health.flooded:
            status = "paused: a flood of bad messages"
        return _answer(200 if health.ready else 503, {"status": status, **asdict(health)})

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        assert self._metrics is not None
        return web.Response(body=self._metrics(), headers={"Content-Type": METRICS})


def _answer(status: int, content: dict[str, object]) -> web.Response:
    return web.Response(status=status, text=json.dumps(content), content_type=JSON)
