"""A headless Chromium for the dashboard's tests; what it complains about, or loads from elsewhere, fails the test."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without these, Chromium talks to its maker's servers at every start.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
"""Width and height of the views that every page is tested in."""


# Not for the whole session: while the driver runs, no other test could start an event loop in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail(f"no browser: install one of {', '.join(NAMES)}, such as Debian's package chromium")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found, args=list(QUIET), env={"HOME": home})
        yield running
        running.close()


@dataclass
class Seen:
    """What the browser complained about."""

    complaints: list[str] = field(default_factory=list)
    # Statuses that a test provokes on purpose; Chromium prints one console error for each such answer.
    expected_statuses: set[int] = field(default_factory=set)
    may_be_down: bool = False


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., object]]:
    """Opens pages: `with visit(address, size) as (page, seen)`; at the end, nothing may have been complained about."""

    @contextmanager
    def open_page(address: str, size: str = "desktop", dark: bool = False) -> Iterator[tuple[Page, Seen]]:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        page, seen = context.new_page(), Seen()
        page.on("pageerror", lambda fault: seen.complaints.append(f"uncaught: {fault}"))
        page.on("console", lambda message: _heard(seen, message.type, message.text))
        page.on("request", lambda request: _only_here(seen, address, request.url))
        page.set_default_timeout(15_000)
        page.goto(address)
        yield page, seen
        context.close()
        assert seen.complaints == []

    yield open_page


def _heard(seen: Seen, kind: str, text: str) -> None:
    if kind not in ("error", "warning"):
        return
    if any(f"status of {status} " in text for status in seen.expected_statuses):
        return
    if seen.may_be_down and "net::ERR" in text:
        return
    seen.complaints.append(f"{kind}: {text}")


def _only_here(seen: Seen, address: str, url: str) -> None:
    if urlsplit(url).netloc != urlsplit(address).netloc and not url.startswith("data:"):
        seen.complaints.append(f"loads {url}")
