"""The API over the engine in process, listening on a free port of this machine, for tests that need a real listener."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from msgspec.structs import replace

from decision_stream.edge.api.app import create_app
from decision_stream.edge.api.server import listening
from decision_stream.edge.api_settings import ApiSettings
from tests.edge.engine import Engine


@contextmanager
def served(engine: Engine, settings: ApiSettings | None = None, port: int = 0) -> Iterator[str]:
    """Serve until the block ends; yields the address. Port 0 is any free one."""
    told = replace(settings or ApiSettings(), port=port)
    app = create_app(engine.model, told, lambda: engine, lambda: True)
    server = uvicorn.Server(listening(app, told))
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
