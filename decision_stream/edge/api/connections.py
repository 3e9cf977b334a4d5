"""Connections that bring no request: closed after a while, so that nobody holds them all by sending nothing."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


def bounded_http(timeout_s: float) -> type[H11Protocol]:
    """The server's protocol, with a limit on how long the head of a connection's first request may take."""

    class Bounded(H11Protocol):
        """Closes what has not begun a request in time; between requests the server's own limit holds."""

        _overdue: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._overdue = self.loop.call_later(timeout_s, self._close_silent)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._overdue is not None:
                self._overdue.cancel()
            super().connection_lost(exc)

        def _close_silent(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return Bounded
