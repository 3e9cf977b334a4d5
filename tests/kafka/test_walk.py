"""A new operator's walk through the demo on a real Kafka: in the browser, by curl and by the command line.

With DS_SCREENSHOTS=directory, the pictures of the documentation are taken on the way.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.kafka.test_api import free_port

CHAT, RERANK, TRIAGE = "acme/support/chat", "acme/search/rerank", "globex/mail/triage"


@contextmanager
def demo(kafka: Any, port: int) -> Iterator[None]:
    """The demo with its dashboard, until the block ends; it must end well."""
    command = [
        sys.executable,
        "-m",
        "decision_stream",
        "demo",
        "--dashboard",
        "--headless",
        "-b",
        kafka.bootstrap_servers,
    ]
    running = subprocess.Popen([*command, "--port", str(port), "--minute", "0.7", "--seed", "7"])
    try:
        yield
        assert running.poll() is None, f"the demo ended with status {running.returncode}"
    finally:
        running.send_signal(signal.SIGTERM)
        status = running.wait(60)
    assert status == 0


def test_an_operator_approves_watches_and_rolls_back(kafka, visit):
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    with demo(kafka, port):
        until(lambda: by_curl(port, "GET", "/health"))
        until(lambda: {CHAT, RERANK, TRIAGE} <= {row["scope"] for row in waiting(port)})
        with visit(address, "phone") as (page, _):
            in_the_browser(page)
        the_same_by_curl(port)
        the_same_by_the_command_line(port)


def in_the_browser(page: Page) -> None:
    page.get_by_role("link", name="Approvals").click()
    card = page.get_by_role("article").filter(has_text=CHAT)
    expect(card).to_contain_text("high risk")
    expect(card).to_contain_text("the scope is sensitive")
    expect(card).to_contain_text("If nothing is done, it expires in 24 h")
    picture(page, "approvals")
    card.get_by_label("Reason").fill("cheaper, and as good as its interval says")
    title = card.get_by_role("heading").first.inner_text()
    link = card.get_by_role("link", name=title).get_attribute("href")
    card.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("article").filter(has_text=CHAT)).to_have_count(0, timeout=15_000)
    page.goto(page.url.split("#")[0] + str(link))
    orders = page.get_by_role("region", name="Orders to the actuator").locator("tbody tr")
    # It goes on by itself while the page is open.
    expect(orders.nth(2)).to_be_visible(timeout=30_000)
    expect(page.get_by_role("img", name="Share of the traffic")).to_be_visible()
    picture(page, "ramp")
    page.get_by_label("Reason").fill("not while the release is out")
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("h2 + p .chip")).to_have_text("rolled back", timeout=20_000)
    expect(page.get_by_role("region", name="History")).to_contain_text("not while the release is out")
    picture(page, "rolled-back")


def the_same_by_curl(port: int) -> None:
    (row,) = [row for row in waiting(port) if row["scope"] == RERANK]
    path = f"/api/v1/decisions/{row['id']}"
    done = by_curl(port, "PUT", f"{path}/approve?wait=10", {"reason": "as planned"})
    assert done["verdict"] == "applied"
    until(lambda: len(by_curl(port, "GET", path)["orders"]) >= 2)
    assert by_curl(port, "POST", f"{path}/rollback?wait=10", {"reason": "enough"})["verdict"] == "applied"
    until(lambda: by_curl(port, "GET", path)["state"] == "rolled_back")


def the_same_by_the_command_line(port: int) -> None:
    (row,) = [row for row in cli(port, "approvals") if row["scope"] == TRIAGE]
    cli(port, "approve", row["id"], "--reason", "as planned", "--wait", "10")
    until(lambda: len(by_curl(port, "GET", f"/api/v1/decisions/{row['id']}")["orders"]) >= 2)
    assert cli(port, "explain", row["id"])["risk"]["level"] == "high"
    cli(port, "rollback", row["id"], "--reason", "enough", "--wait", "10")
    until(lambda: by_curl(port, "GET", f"/api/v1/decisions/{row['id']}")["state"] == "rolled_back")


def waiting(port: int) -> list[dict[str, Any]]:
    return by_curl(port, "GET", "/api/v1/approvals")["items"]


def by_curl(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What curl prints, as JSON; OSError while nothing answers."""
    curl = shutil.which("curl")
    assert curl, "curl is not on the path; install it"
    given = ["-H", "Content-Type: application/json", "-d", json.dumps(body)] if body is not None else []
    done = subprocess.run(
        [curl, "-sS", "--max-time", "30", "-X", method, f"http://127.0.0.1:{port}{path}", *given],
        capture_output=True,
    )
    if done.returncode:
        raise OSError(done.stderr.decode())
    return json.loads(done.stdout)


def cli(port: int, *arguments: str) -> Any:
    command = [sys.executable, "-m", "decision_stream", *arguments, "--api", f"http://127.0.0.1:{port}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"it did not come about within {seconds:g} s")


def picture(page: Page, name: str) -> None:
    directory = os.environ.get("DS_SCREENSHOTS")
    if directory:
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(directory) / f"{name}.png")
