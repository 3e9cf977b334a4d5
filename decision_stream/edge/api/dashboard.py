"""The dashboard: one page for a phone, served by the API's own process; its data come from the same routes.

No build step and nothing from elsewhere: a page, a style sheet and small modules. The content security policy lets the
page load from and talk to this listener only, so that a text from the journal can never become code.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from ..api_settings import ApiSettings, is_loopback
from ..read_model import Unavailable
from .access import Caller
from .context import Asking, Context, Its

PAGES = Path(__file__).with_name("pages")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = {
    "/" if path.name == "index.html" else f"/{path.name}": (path.name, KINDS[path.suffix])
    for path in sorted(PAGES.iterdir())
    if path.suffix in KINDS
}
"""Where each file of the pages is served, its name and its media type."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
AWAY = '{"status": "away"}'
"""Told while what keeps the read model does not answer: what a page shows is old then."""
LIVE_S = 1.0
"""How often the model is looked at for a listening page; only a difference is sent."""


def add_dashboard(app: FastAPI, prefix: str) -> None:
    """Serve the pages at `/` and their live stream at `prefix`/events."""
    listeners = 0
    looked: dict[frozenset[str] | None, tuple[float, str]] = {}

    def page(name: str, kind: str) -> Callable[[], Response]:
        content = (PAGES / name).read_bytes()

        def serve() -> Response:
            headers = {
                "Content-Security-Policy": CONTENT_SECURITY_POLICY,
                "Referrer-Policy": "no-referrer",
                "Cross-Origin-Opener-Policy": "same-origin",
            }
            return Response(content, media_type=kind, headers=headers)

        return serve

    for path, (name, kind) in FILES.items():
        app.add_api_route(path, page(name, kind), methods=["GET"], include_in_schema=False)

    async def overview(its: Context, asking: Caller) -> str:
        """What all pages of the same tenants are told, looked at once for them all; empty before the first look."""
        at, text = looked.get(asking.tenants, (-LIVE_S, ""))
        if time.monotonic() - at >= LIVE_S:
            # Those who ask meanwhile are told what was known before.
            looked[asking.tenants] = time.monotonic(), text
            try:
                counts = await asyncio.to_thread(its.model.statistics, asking.tenants)
                text = _overview(counts, its.standing() if its.caught_up() else "catching up")
            except Unavailable:
                text = AWAY
            looked[asking.tenants] = time.monotonic(), text
        return text

    @app.get(f"{prefix}/events", include_in_schema=False)
    async def events(request: Request, its: Its, asking: Asking) -> Response:
        """Server-sent events: the counts whenever they change, which tells the page to look again."""
        nonlocal listeners
        if listeners >= its.settings.max_listeners:
            return Response("too many pages listen", status_code=503, headers={"Retry-After": "10"})

        async def told() -> AsyncIterator[str]:
            nonlocal listeners
            listeners += 1
            last = ""
            try:
                while not its.ending.is_set() and not await request.is_disconnected():
                    now = await overview(its, asking)
                    # A comment keeps the connection known to be alive to both ends.
                    yield f"data: {now}\n\n" if now != last else ": alive\n\n"
                    last = now
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(its.ending.wait(), LIVE_S)
            finally:
                listeners -= 1

        return StreamingResponse(told(), media_type="text/event-stream")


def _overview(statistics: dict[str, Any], status: str) -> str:
    return json.dumps({"status": status, **statistics}, sort_keys=True)


def foreign_origin(request: Request, settings: ApiSettings) -> str | None:
    """Why a browser must not be served, None when it may be.

    A page of another site could otherwise order with the operator's own browser: by a plain form or fetch on a
    listener without tokens, or after making its own name resolve to this machine (DNS rebinding).
    """
    host = request.headers.get("host", "")
    if not settings.tokens and not _is_local(host):
        return f"this listener serves this machine only and was called {host[:80]}"
    if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return None
    if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return "orders are taken from this listener's own pages only"
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        return "orders are taken from this listener's own pages only"
    is_json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"
    if not settings.tokens and not is_json:
        # Forms cannot send it. Nor can they send a token, so that where tokens are asked for this tells nothing more.
        return "send Content-Type: application/json"
    return None


def _is_local(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return is_loopback(name)
