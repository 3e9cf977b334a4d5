"""How much a caller may ask: size, depth and duration of a body, requests per second, failed tokens per minute."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import problem

MAX_DEPTH = 32
MAX_KNOWN = 10_000
"""Callers, scopes or addresses remembered at once by a limit; the longest silent is forgotten first."""
_OPEN, _CLOSE, _QUOTE, _ESCAPE = b"{[", b"}]", ord('"'), ord("\\")


class Rate:
    """So many per second for each name, and as many at once (token bucket)."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._clock = per_s, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """0 when one more is allowed, which is then taken; otherwise how long to wait."""
        now = self._clock()
        left, at = self._left.pop(name, (self._per_s, now))
        left = min(self._per_s, left + (now - at) * self._per_s)
        allowed = left >= 1.0
        self._left[name] = (left - allowed, now)
        while len(self._left) > MAX_KNOWN:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s


class Lockout:
    """After so many failures within a window an address is refused until they are older than it."""

    def __init__(self, failures: int, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._window_s, self._clock = failures, window_s, clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """0 for an address that is not locked out; otherwise for how long it is."""
        failed = self._failed.get(address)
        if failed is None or len(failed) < self._most:
            return 0.0
        return max(0.0, failed[0] + self._window_s - self._clock())

    def failed(self, address: str) -> None:
        """Count a failure."""
        failed = self._failed.pop(address, deque(maxlen=self._most))
        failed.append(self._clock())
        self._failed[address] = failed
        while len(self._failed) > MAX_KNOWN:
            self._failed.popitem(last=False)


def depth(body: bytes) -> int:
    """How deep objects and lists are nested in a JSON text; brackets in strings do not count.

    >>> depth(b'{"a": [1, "[[["]}')
    2
    """
    deepest = now = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == _ESCAPE:
                escaped = True
            elif byte == _QUOTE:
                in_string = False
        elif byte == _QUOTE:
            in_string = True
        elif byte in _OPEN:
            now += 1
            deepest = max(deepest, now)
        elif byte in _CLOSE:
            now -= 1
    return deepest


class BoundedBodies:
    """Reads a body before the application sees the request: refuses what is too large, too deep or too slow."""

    def __init__(self, app: ASGIApp, most: Callable[[Scope], int], timeout_s: float) -> None:
        self._app, self._most, self._timeout_s = app, most, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        body = await self._checked(scope, receive)
        if isinstance(body, bytes):
            await self._app(scope, _once(body, receive), send)
        elif body is not None:
            await body(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive) -> bytes | JSONResponse | None:
        """The body, or the answer to a bad one; None when the caller went away."""
        most = self._most(scope)
        length = dict(scope["headers"]).get(b"content-length")
        if length is None:
            return problem(411, "length required", "send a Content-Length")
        if not length.isdigit() or int(length) > most:
            return problem(413, "body is too large", f"at most {most} bytes")
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await _read(receive, most)
        except TimeoutError:
            return problem(408, "body is too slow", f"it must arrive within {self._timeout_s:g} s")
        if body is not None and depth(body) > MAX_DEPTH:
            return problem(422, "body is nested too deeply", f"at most {MAX_DEPTH} levels")
        return body


async def _read(receive: Receive, most: int) -> bytes | None:
    """The body; None when the caller went away. The server holds a caller to its Content-Length."""
    body = bytearray()
    while len(body) <= most:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)


def _once(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
