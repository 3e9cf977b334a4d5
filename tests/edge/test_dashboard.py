"""The dashboard: strict pages, news as they happen, and no orders from elsewhere."""

import json
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from fastapi.testclient import TestClient

from decision_stream.edge.api import dashboard
from decision_stream.edge.api.app import PREFIX, create_app
from decision_stream.edge.api.dashboard import FILES, PAGES
from decision_stream.edge.api_settings import ApiSettings
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.engine import Engine
from tests.edge.served import served

CHAT = "acme/support/chat"
CAREFUL = Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE))


def client(engine: Engine, address: str = "http://127.0.0.1:8080") -> TestClient:
    return TestClient(create_app(engine.model, ApiSettings(), lambda: engine, lambda: True), base_url=address)


@pytest.mark.parametrize("path", sorted(FILES))
def test_pages_forbid_everything_that_is_not_theirs(path):
    answer = client(Engine()).get(path)
    assert answer.status_code == 200 and answer.headers["content-type"] == FILES[path][1]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_no_text_is_ever_set_as_markup_and_nothing_is_loaded_from_elsewhere():
    scripts = sorted(PAGES.glob("*.js"))
    assert len(scripts) >= 8
    for script in scripts:
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in script.read_text(), f"{script.name} has {forbidden}"
    page = (PAGES / "index.html").read_text()
    assert "://" not in page and "style=" not in page and "onclick" not in page


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}, 202),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Content-Type": "text/plain"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost:8080"}, 202),
    ],
)
def test_orders_are_taken_from_own_pages_and_from_programs_only(headers, status):
    engine = Engine(CAREFUL)
    identifier = engine.switch(CHAT)
    body = {"Content-Type": "application/json", **headers}
    answer = client(engine).put(f"{PREFIX}/decisions/{identifier}/approve", content=b"{}", headers=body)
    assert answer.status_code == status
    assert (engine.model.decision(identifier)["state"] == "awaiting_approval") == (status == 403)


def test_a_name_made_to_resolve_to_this_machine_reads_nothing():
    assert client(Engine()).get(f"{PREFIX}/decisions", headers={"Host": "evil.example:8080"}).status_code == 403


def test_a_page_is_told_at_once_and_again_when_something_changes():
    engine = Engine(CAREFUL)
    with served(engine) as address, urllib.request.urlopen(f"{address}{PREFIX}/events", timeout=10) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        first = json.loads(stream.readline().removeprefix(b"data: "))
        assert first["status"] == "ready" and first["decisions"] == 0
        engine.switch(CHAT)
        lines = (line for line in stream if line.startswith(b"data: "))
        assert json.loads(next(lines).removeprefix(b"data: "))["by_state"] == {"awaiting_approval": 1}


def test_pages_beyond_the_limit_are_told_to_come_again_and_the_others_share_a_look(monkeypatch):
    monkeypatch.setattr(dashboard, "LIVE_S", 60.0)
    engine, looks = Engine(), []
    counted = engine.model.statistics
    engine.model.statistics = lambda tenants: looks.append(1) or counted(tenants)
    with served(engine, ApiSettings(max_listeners=3)) as address, ExitStack() as held:
        for _ in range(3):
            stream = held.enter_context(urllib.request.urlopen(f"{address}{PREFIX}/events", timeout=10))
            assert json.loads(stream.readline().removeprefix(b"data: "))["status"] == "ready"
        assert looks == [1]
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}{PREFIX}/events", timeout=10)
        assert refused.value.code == 503 and refused.value.headers["Retry-After"] == "10"
        refused.value.close()


def test_a_listener_that_ends_ends_the_streams_of_open_pages_and_cuts_none(caplog):
    with ExitStack() as held:
        with served(Engine()) as address:
            stream = held.enter_context(urllib.request.urlopen(f"{address}{PREFIX}/events", timeout=10))
            assert stream.readline().startswith(b"data: ")
        # A stream that was cut would raise here: its last chunk would be missing.
        assert b"data" not in stream.read()
    assert [it.getMessage() for it in caplog.records if it.levelname == "ERROR"] == []
