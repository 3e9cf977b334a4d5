"""One key, one order: across processes and applications that share a read model, of either kind."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient

from decision_stream.edge.api.app import PREFIX, create_app
from decision_stream.edge.api_settings import ApiSettings
from decision_stream.edge.read_model import ReadModel, RedisReadModel, SqliteReadModel
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.callers import TOKENS, auth
from tests.edge.engine import Engine

CHAT = "acme/support/chat"
CAREFUL = Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE))
CLAIMER = Path(__file__).with_name("claimer.py")


@pytest.fixture(params=["sqlite", "redis"])
def where(request, tmp_path) -> str:
    """A path or an address."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else str(tmp_path / "model")


def opened(where: str, name: str) -> ReadModel:
    return RedisReadModel(where, name) if "://" in where else SqliteReadModel(Path(where))


def test_of_processes_that_claim_the_same_keys_at_once_all_are_told_the_same(where):
    name = uuid4().hex
    said = ["one", "two", "three"]
    processes = [
        subprocess.Popen(
            [sys.executable, str(CLAIMER), where, name, content],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for content in said
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert answers[0] == answers[1] == answers[2] and set(answers[0]) <= set(said)


@pytest.fixture
def two(where):
    """Two applications with a connection each to one model, as two processes have, and the waiting decision."""
    name = uuid4().hex
    models = [opened(where, name), opened(where, name)]
    engine = Engine(CAREFUL, models[0])
    identifier = engine.switch(CHAT)
    settings = ApiSettings(tokens=TOKENS)
    apps = [
        TestClient(create_app(model, settings, lambda: engine, lambda: True), base_url="http://127.0.0.1")
        for model in models
    ]
    yield engine, identifier, apps
    for model in models:
        model.close()


def ask(api: TestClient, identifier: str, key: str, body: dict, verb: str = "approve", name: str = "otto"):
    headers = {**auth(name), "Idempotency-Key": key}
    return api.put(f"{PREFIX}/decisions/{identifier}/{verb}", json=body, headers=headers)


def test_the_same_key_at_another_process_is_the_same_order(two):
    engine, identifier, (one, other) = two
    seen = {"expected_state": "awaiting_approval"}
    first, again = ask(one, identifier, "k", seen), ask(other, identifier, "k", seen)
    # The second is not refused for a state that the first itself has changed.
    assert first.status_code == again.status_code == 202 and first.json() == again.json()
    assert len(engine.model.decision(identifier)["orders"]) == 1


def test_a_key_that_was_used_for_something_else_is_told_and_changes_nothing(two):
    engine, identifier, (one, other) = two
    assert ask(one, identifier, "k", {"reason": "a"}).status_code == 202
    before = len(engine.messages)
    for refused in (
        ask(other, identifier, "k", {"reason": "b"}),
        ask(other, identifier, "k", {"reason": "a"}, "reject"),
        ask(other, "0" * 36, "k", {"reason": "a"}),
    ):
        assert refused.status_code in (404, 422)
    assert len(engine.messages) == before


def test_callers_have_keys_of_their_own(two):
    _, identifier, (one, other) = two
    first, second = ask(one, identifier, "k", {}), ask(other, identifier, "k", {}, name="ada")
    assert first.json()["command_id"] != second.json()["command_id"]


def test_a_key_is_forgotten_after_a_day(where):
    model = opened(where, uuid4().hex)
    if isinstance(model, SqliteReadModel):
        assert model.claim("k", "first", 0.0) == model.claim("k", "second", 86_399.0) == "first"
        assert model.claim("k", "third", 86_401.0) == "third"
    else:
        # Redis keeps time itself.
        assert model.claim("k", "first", 0.0) == model.claim("k", "second", 86_401.0) == "first"
        (key,) = model._redis.keys(f"{model._base}key:k")
        assert 86_000 < model._redis.ttl(key) <= 86_400
    model.close()
