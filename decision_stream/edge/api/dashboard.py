"""The dashboard: one page for a phone, served by the API's own process; its data come from the same routes.

No build step and nothing from elsewhere: a page, a style sheet and small modules. The content security policy lets the
page load from and talk to this listener only, so that a text from the journal can never become code.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from ..api_settings import ApiSettings, is_loopback
from ..read_model import ReadModel, Unavailable
from .access import Caller

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
LIVE_S = 1.0
"""How often the model is looked at for a listening page; only a difference is sent."""
MAX_LISTENERS = 200


def add_dashboard(
    app: FastAPI, model: ReadModel, caught_up: Callable[[], bool], prefix: str, caller: Callable[..., Caller]
) -> None:
    """Serve the pages at `/` and their live stream at `prefix`/events."""
    listeners = 0

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

    @app.get(f"{prefix}/events", include_in_schema=False)
    async def events(request: Request, asking: Annotated[Caller, Depends(caller)]) -> Response:
        """Server-sent events: the counts whenever they change, which tells the page to look again."""
        nonlocal listeners
        if listeners >= MAX_LISTENERS:
            return Response("too many pages listen", status_code=503, headers={"Retry-After": "10"})

        async def told() -> AsyncIterator[str]:
            nonlocal listeners
            listeners += 1
            last = ""
            try:
                while not await request.is_disconnected():
                    try:
                        now = _overview(await asyncio.to_thread(model.statistics, asking.tenants), caught_up())
                    except Unavailable:
                        now = last
                    # A comment keeps the connection known to be alive to both ends.
                    yield f"data: {now}\n\n" if now != last else ": alive\n\n"
                    last = now
                    await asyncio.sleep(LIVE_S)
            finally:
                listeners -= 1

        return StreamingResponse(told(), media_type="text/event-stream")


def _overview(statistics: dict[str, Any], caught_up: bool) -> str:
    return json.dumps({"status": "ready" if caught_up else "catching up", **statistics}, sort_keys=True)


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
