"""The API's process: the projector, the producer of commands, and the listener, started and stopped together."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import uvicorn
from aiokafka import AIOKafkaProducer
from starlette.types import ASGIApp

from ...model.policy import Policy
from ...stream.address import client_options
from ..api_settings import ApiSettings
from ..projector import Projector
from ..read_model import open_read_model
from .access import check_bind
from .app import create_app
from .commands import Commands
from .connections import bounded_http

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The engine that is served: where its topics are, and its rules."""

    bootstrap_servers: str
    prefix: str
    partitions: int
    app_id: str
    policy: Policy

    @property
    def changelog(self) -> str:
        """Topic of the stored scopes."""
        return f"{self.app_id}-scope-state-changelog"


async def serve_api(settings: ApiSettings, engine: Engine) -> None:
    """Serve until stopped. Raises `Unprotected` for a network address without tokens, OSError for a taken port."""
    check_bind(settings)
    model = open_read_model(settings, engine.prefix, engine.policy)
    bootstrap_servers, prefix = engine.bootstrap_servers, engine.prefix
    producer = AIOKafkaProducer(**client_options(bootstrap_servers), enable_idempotence=True, acks="all")
    await producer.start()
    projector = Projector(model, bootstrap_servers, prefix, engine.partitions, engine.changelog)
    commands = Commands(producer, prefix, model)
    app = create_app(model, settings, lambda: commands, lambda: projector.caught_up, engine.policy)
    tail = asyncio.create_task(projector.run())
    try:
        log.info("api listens", extra={"host": settings.host, "port": settings.port})
        await _Listener(listening(app, settings)).serve()
    finally:
        tail.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await tail
        await producer.stop()
        model.close()


def listening(app: ASGIApp, settings: ApiSettings) -> uvicorn.Config:
    """How the listener serves: silent about itself, with limits on connections and on idling."""
    return uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=5, limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_s, http=bounded_http(settings.header_timeout_s),
    )  # fmt: skip


class _Listener(uvicorn.Server):
    """Ends with status 0 when it is told to stop; the stock server raises the signal again after its clean end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While serving, both signals begin a graceful end; a second one hurries it."""
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sign, self.handle_exit, sign, None)
        try:
            yield
        finally:
            for sign in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(sign)
