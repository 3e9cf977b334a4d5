"""A TCP proxy on loopback that delays, silences or cuts what passes through it."""

import asyncio
import contextlib

CHUNK = 64 * 1024


class Proxy:
    """Forwards connections to a port. Its faults are attributes that may change at any moment.

    `delay_s` is added to every chunk in both directions; while `is_silent` nothing is passed on and nothing is closed,
    as when a cable is pulled; `cut` closes all connections, and while `is_closed` new ones are closed at once.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        self.is_silent = False
        self.is_closed = False
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen on this port of loopback, or on a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> int:
        """Close all connections at once; returns how many."""
        count = len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        return count

    def heal(self) -> None:
        """No faults any more."""
        self.delay_s, self.is_silent, self.is_closed = 0.0, False, False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_closed:
            writer.transport.abort()
            return
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, onward}
        self._writers |= pair
        for source, sink in ((reader, onward), (there, writer)):
            task = asyncio.create_task(self._forward(source, sink, pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pair: set[asyncio.StreamWriter]
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                while self.is_silent:
                    await asyncio.sleep(0.05)
                sink.write(chunk)
                await sink.drain()
        for writer in pair:
            self._writers.discard(writer)
            writer.transport.abort()
