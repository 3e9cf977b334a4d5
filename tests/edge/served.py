"""The API over the engine in process, listening on a free port of this machine, for tests that need a real listener."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec.structs import replace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from decision_stream.edge.api.app import create_app
from decision_stream.edge.api.server import Listener, listening
from decision_stream.edge.api_settings import ApiSettings
from decision_stream.edge.pulse import Standing
from tests.edge.engine import Engine


@contextmanager
def served(
    engine: Engine,
    settings: ApiSettings | None = None,
    port: int = 0,
    on_status: Callable[[int], None] = lambda _: None,
    caught_up: Callable[[], bool] = lambda: True,
    standing: Callable[[], Standing] = lambda: Standing.READY,
) -> Iterator[str]:
    """Serve until the block ends; yields the address. Port 0 is any free one. `on_status` is told of each answer's."""
    told = replace(settings or ApiSettings(), port=port)
    app = create_app(engine.model, told, lambda: engine, caught_up, None, standing)
    server = Listener(listening(_Watched(app, on_status), told), app.state.context.ending, takes_signals=False)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < deadline, "the listener did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class _Watched:
    """The application, and what statuses it answers with."""

    def __init__(self, app: ASGIApp, on_status: Callable[[int], None]) -> None:
        self._app, self._on_status = app, on_status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._on_status(message["status"])
            await send(message)

        await self._app(scope, receive, watched)
