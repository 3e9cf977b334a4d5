"""The API's process, or its part of a worker's: projector, webhook, producer and listener, begun and ended together."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from starlette.types import ASGIApp

from ...broker.failure import BrokerUnavailable
from ...model.policy import Policy
from ...stream.address import client_options
from ..api_settings import ApiSettings
from ..projector import Projector
from ..pulse import Pulse
from ..read_model import open_read_model
from ..webhook import Webhook
from .access import check_bind
from .app import create_app
from .commands import Commands
from .connections import bounded_http

log = logging.getLogger(__name__)

BACKLOG = 2_048
"""Connections that may wait to be taken."""
AGAIN_S = 5.0


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
    """Serve until a signal comes.

    Raises `Unprotected` for a network address without tokens, OSError for one that cannot be listened on, `Unavailable`
    for a database that is none; and whatever ends the projector or the webhook, which run as long as the listener.
    """
    check_bind(settings)
    await _serve(settings, engine, _bound(settings), None)


class Cohosted:
    """The API inside a worker's process. Its failures are logged, and it begins anew; the worker goes on."""

    def __init__(self, settings: ApiSettings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen and begin. Raises `Unprotected`, and OSError for an address that cannot be listened on."""
        check_bind(self._settings)
        self._task = asyncio.create_task(self._run(_bound(self._settings)))

    async def stop(self) -> None:
        """Answer what was asked, then end."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run(self, listens_on: socket.socket | None) -> None:
        while not self._stop.is_set():
            try:
                await _serve(self._settings, self._engine, listens_on or _bound(self._settings), self._stop)
            except Exception as fault:
                # Of whatever kind: the engine's decisions do not depend on who looks at them.
                log.error("api ended", extra={"why": type(fault).__name__, "again_in_s": AGAIN_S})
                listens_on = None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), AGAIN_S)


async def _serve(settings: ApiSettings, engine: Engine, listens_on: socket.socket, stop: asyncio.Event | None) -> None:
    """Serve until `stop` is set, or without one until a signal comes."""
    servers, prefix = engine.bootstrap_servers, engine.prefix
    with ExitStack() as held:
        held.enter_context(listens_on)
        model = held.enter_context(closing(open_read_model(settings, prefix, engine.policy)))
        producer = AIOKafkaProducer(**client_options(servers), enable_idempotence=True, acks="all")
        try:
            await producer.start()
        except KafkaError as fault:
            await producer.stop()
            raise BrokerUnavailable(f"no Kafka answers at {servers}: {type(fault).__name__}") from None
        projector = Projector(model, servers, prefix, engine.partitions, engine.changelog)
        pulse = Pulse(servers, prefix, engine.partitions, engine.app_id)
        commands = Commands(producer, prefix, model)
        app = create_app(
            model, settings, lambda: commands, lambda: projector.caught_up, engine.policy, lambda: pulse.standing
        )
        listener = Listener(listening(app, settings), app.state.context.ending, takes_signals=stop is None)
        beside: list[Coroutine[Any, Any, object]] = [projector.run(), pulse.run()]
        if settings.webhook.url:
            beside.append(Webhook(settings.webhook, servers, prefix, f"{engine.app_id}-webhook").run())
        if stop is not None:
            beside.append(stop.wait())
        tasks = [asyncio.create_task(one) for one in beside]
        for task in tasks:
            task.add_done_callback(lambda _: listener.stop())
        try:
            log.info("api listens", extra={"host": settings.host, "port": listens_on.getsockname()[1]})
            await listener.serve(sockets=[listens_on])
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await producer.stop()
        for end in ended:
            if isinstance(end, Exception):
                raise end


def listening(app: ASGIApp, settings: ApiSettings) -> uvicorn.Config:
    """How the listener serves: silent about itself, with limits on connections and on idling."""
    return uvicorn.Config(
        app, host=settings.host, port=settings.port, log_config=None, access_log=False, server_header=False,
        timeout_graceful_shutdown=5, limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_s, http=bounded_http(settings.header_timeout_s),
    )  # fmt: skip


def _bound(settings: ApiSettings) -> socket.socket:
    """The listening socket; raises OSError. The server would end the process instead."""
    family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


class Listener(uvicorn.Server):
    """Ends with status 0 when it is told to stop; the stock server raises the signal again after its clean end.

    `ending` is set when it begins to end, before it waits for what is being answered.
    """

    def __init__(self, config: uvicorn.Config, ending: asyncio.Event, *, takes_signals: bool) -> None:
        super().__init__(config)
        self._takes_signals = takes_signals
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, end what goes on by itself, and wait for the rest."""
        self._ending.set()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Answer what was asked, then end."""
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """While serving, both signals begin a graceful end; a second one hurries it. Not inside a worker."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM) if self._takes_signals else ()
        for sign in signals:
            loop.add_signal_handler(sign, self.handle_exit, sign, None)
        try:
            yield
        finally:
            for sign in signals:
                loop.remove_signal_handler(sign)
