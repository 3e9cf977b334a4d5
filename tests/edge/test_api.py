"""The REST API over the engine in process: what it tells, what it orders, and whom it refuses."""

from base64 import b64decode
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from decision_stream.edge.api.access import Unprotected, check_bind
from decision_stream.edge.api.app import PREFIX, create_app
from decision_stream.edge.api.document import rendered
from decision_stream.edge.api_settings import ApiSettings, ApiToken
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.callers import TOKENS, with_letter
from tests.edge.engine import Engine
from tests.edge.fleet import PlayedFleet

CHAT = "acme/support/chat"
CAREFUL = Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE))


def client(engine: Engine, tokens: tuple[ApiToken, ...] = ()) -> TestClient:
    settings = ApiSettings(tokens=tokens)
    return TestClient(create_app(engine.model, settings, lambda: engine, lambda: True), base_url="http://127.0.0.1")


@pytest.fixture
def waiting() -> tuple[Engine, str]:
    engine = Engine(CAREFUL)
    return engine, engine.switch(CHAT)


def test_a_waiting_decision_is_found_explained_approved_and_ramped(waiting):
    engine, identifier = waiting
    api = client(engine)
    (inbox,) = api.get(f"{PREFIX}/approvals").json()["items"]
    assert inbox["id"] == identifier and inbox["proposal"]["evidence"]
    why = api.get(f"{PREFIX}/decisions/{identifier}/explain").json()
    assert why["claim"]["kind"] == "model_switch" and why["evidence"] and why["would_flip"]
    done = api.put(f"{PREFIX}/decisions/{identifier}/approve?wait=1", json={"reason": "looks right"})
    assert done.status_code == 200 and done.json()["verdict"] == "applied"
    told = api.get(f"{PREFIX}/decisions/{identifier}").json()
    assert told["state"] == "monitoring"
    assert "looks right" in told["transitions"][3]["reason"] or any(
        "looks right" in m["reason"] for m in told["transitions"]
    )
    assert any(move["actor"] == "user:local" for move in told["transitions"])
    rolled = api.post(f"{PREFIX}/decisions/{identifier}/rollback?wait=1", json={"reason": "changed my mind"})
    assert rolled.status_code == 200
    assert api.get(f"{PREFIX}/decisions/{identifier}").json()["state"] == "rolled_back"


def test_without_waiting_the_answer_is_202_with_the_command(waiting):
    engine, identifier = waiting
    done = client(engine).put(f"{PREFIX}/decisions/{identifier}/reject", json={})
    assert done.status_code == 202 and done.json()["command_id"]
    assert engine.model.decision(identifier)["state"] == "rejected"


def test_two_clicks_with_one_key_are_one_order(waiting):
    engine, identifier = waiting
    api = client(engine)
    answers = [
        api.put(f"{PREFIX}/decisions/{identifier}/approve", json={}, headers={"Idempotency-Key": "k1"}).json()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert len(engine.model.decision(identifier)["orders"]) == 1


def test_a_race_is_told_and_changes_nothing(waiting):
    engine, identifier = waiting
    done = client(engine).put(f"{PREFIX}/decisions/{identifier}/approve", json={"expected_state": "monitoring"})
    assert done.status_code == 409 and done.headers["content-type"] == "application/problem+json"
    assert engine.model.decision(identifier)["state"] == "awaiting_approval"


def test_what_the_engine_refuses_is_a_conflict_with_its_reason(waiting):
    engine, identifier = waiting
    done = client(engine).put(f"{PREFIX}/decisions/{identifier}/pause?wait=1", json={})
    assert done.status_code == 409 and "wrong_state" in done.json()["detail"]


def test_health_needs_no_token(waiting):
    assert client(waiting[0], TOKENS).get("/health").json()["status"] == "ready"


def test_the_network_is_not_listened_to_without_tokens():
    with pytest.raises(Unprotected, match=r"api\.tokens is empty"):
        check_bind(ApiSettings(host="0.0.0.0"))
    check_bind(ApiSettings(host="0.0.0.0", tokens=TOKENS))
    check_bind(ApiSettings(host="::1"))
    check_bind(ApiSettings(host="localhost"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/decisions?limit=0", 422),
        ("/decisions?limit=100000", 422),
        ("/decisions?cursor=nonsense", 422),
        ("/decisions/unknown", 404),
        ("/strategies/unknown", 404),
        ("/scopes/no/such/scope/audit", 404),
        ("/nothing", 404),
    ],
)
def test_bad_requests_get_a_clear_answer(waiting, path, status):
    assert client(waiting[0]).get(PREFIX + path).status_code == status


def test_bodies_are_bounded_and_checked(waiting):
    engine, identifier = waiting
    api = client(engine)
    path = f"{PREFIX}/decisions/{identifier}/approve"
    assert api.put(path, json={"reason": "x" * 20_000}).status_code == 413
    assert api.put(path, json={"raeson": "typo"}).status_code == 422
    assert api.put(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
    assert engine.model.decision(identifier)["state"] == "awaiting_approval"


def test_pages_are_cut_and_go_on(waiting):
    engine, _ = waiting
    for number in range(3):
        engine.switch(f"acme/more/{number}")
    api = client(engine)
    first = api.get(f"{PREFIX}/decisions?limit=3").json()
    rest = api.get(f"{PREFIX}/decisions", params={"limit": 3, "cursor": first["next"]}).json()
    assert len(first["items"]) == 3 and len(rest["items"]) == 1 and rest["next"] is None


def test_prompts_are_offered_and_a_scope_is_pinned(waiting):
    engine, _ = waiting
    api = client(engine)
    path = f"{PREFIX}/scopes/{CHAT}/orders?wait=1"
    assert api.post(path, json={"action": "offer", "variants": ["stepwise"]}).json()["verdict"] == "applied"
    assert api.post(path, json={"action": "offer"}).status_code == 422
    assert api.post(path, json={"action": "pin"}).json()["verdict"] == "applied"
    audit = api.get(f"{PREFIX}/scopes/{CHAT}/audit?limit=2").json()["items"]
    assert [record["actor"] for record in audit] == ["user:local", "user:local"]


def test_the_openapi_document_is_current():
    told = "write it again: python -m decision_stream.edge.api.document schemas/openapi.json"
    assert (Path(__file__).parents[2] / "schemas" / "openapi.json").read_text() == rendered(), told


def test_a_waiting_decision_is_told_with_its_risk_its_checks_and_its_deadline(waiting):
    engine, identifier = waiting
    (inbox,) = client(engine).get(f"{PREFIX}/approvals").json()["items"]
    assert inbox["id"] == identifier
    record = inbox["decision"]
    assert record["risk"]["level"] == "low" and record["checks"] and record["id"] == identifier
    assert inbox["deadline_ms"] == record["expires_at_ms"]


def test_the_statistics_of_decisions_are_rates_of_what_was_counted():
    engine = PlayedFleet(150)
    api = client(engine)
    told = api.get(f"{PREFIX}/statistics").json()
    counted = [
        totals
        for row in api.get(f"{PREFIX}/scopes").json()["items"]
        for totals in api.get(f"{PREFIX}/scopes/{row['scope']}").json()["counters"]["totals"].values()
    ]
    changes, wins, back = (sum(it[name] for it in counted) for name in ("changes", "wins", "rolled_back"))
    assert 0 < wins < changes
    assert told["win_rate"] == wins / changes and told["rollback_rate"] == back / changes
    assert told["improvement"] > 0.0 and told["latency_ms"] >= 0.0
    assert told["strategies"]["pareto"]["win_rate"] > 0.0
    assert sum(told["by_state"].values()) == told["decisions"] > 0


def test_what_is_measured_of_a_scope_is_told_by_name():
    engine = Engine()
    engine.switch(CHAT)
    live = client(engine).get(f"{PREFIX}/scopes/{CHAT}").json()["live"]
    assert abs(live["quality"] - 0.9) < 0.01 and abs(live["cost_usd"] - 0.02) < 0.001
    assert abs(live["latency_p95_ms"] - 2_000.0) < 10.0 and abs(live["error_rate"] - 0.01) < 0.001


def test_money_saved_is_told_of_a_scope_and_of_all_together():
    engine = PlayedFleet(60)
    api = client(engine)
    scopes = [row["scope"] for row in api.get(f"{PREFIX}/scopes").json()["items"]]
    each = [saved for scope in scopes if (saved := api.get(f"{PREFIX}/scopes/{scope}").json()["saved"]) is not None]
    total = api.get(f"{PREFIX}/statistics").json()["saved"]
    assert len(each) >= 2 and total["low_usd"] < total["estimate_usd"] < total["high_usd"]
    assert abs(total["estimate_usd"] - sum(saved["estimate_usd"] for saved in each)) < 1e-6
    assert client(Engine()).get(f"{PREFIX}/statistics").json()["saved"] is None


def test_a_dead_letter_is_listed_without_and_told_with_its_bytes_and_sent_back_as_it_was():
    engine = Engine()
    identifier, api = with_letter(engine.model), client(engine)
    (row,) = api.get(f"{PREFIX}/dead-letters").json()["items"]
    assert (row["id"], row["code"], row["value"]) == (identifier, "not_json", None)
    told = api.get(f"{PREFIX}/dead-letters/{identifier}").json()
    assert b64decode(told["value"]) == b"{" and b64decode(told["key"]) == b"k"
    assert api.post(f"{PREFIX}/dead-letters/{identifier}/replay", json={}).status_code == 202
    headers = [("traceparent", b"00-1"), ("dlq.replayed_by", b"user:local")]
    assert engine.sent_back == [("ds.insights", 3, b"k", b"{", headers)]


@pytest.mark.parametrize("topic", ["ds.decisions", "ds.journal", "others.insights", "insights", "x.ds.insights"])
def test_a_letter_cannot_name_a_topic_that_takes_none_back(topic):
    engine = Engine()
    answer = client(engine).post(f"{PREFIX}/dead-letters/{with_letter(engine.model, topic)}/replay", json={})
    assert answer.status_code == 409 and engine.sent_back == []
