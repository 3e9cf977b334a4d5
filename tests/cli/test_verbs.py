"""The operator's verbs against a listening API: what they do, what they print, and how they end."""

import json
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from decision_stream.cli.app import app
from decision_stream.cli.verbs import evidence_lines
from decision_stream.edge.api_settings import ApiSettings, ApiToken
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.engine import Engine
from tests.edge.served import served

CHAT = "acme/support/chat"


@pytest.fixture
def engine() -> Engine:
    return Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))


def run(address: str, *words: str, token: str | None = None):
    environment = {"DECISION_STREAM_API": address, "DECISION_STREAM_TOKEN": token, "COLUMNS": "200"}
    return CliRunner().invoke(app, list(words), env=environment)


def test_a_decision_is_found_approved_and_rolled_back(engine):
    identifier = engine.switch(CHAT)
    with served(engine) as address:
        waiting = json.loads(run(address, "approvals", "--json").stdout)
        assert [row["id"] for row in waiting] == [identifier]
        assert identifier in run(address, "approvals").stdout
        done = run(address, "approve", identifier, "--reason", "looks right")
        assert (done.exit_code, done.stdout) == (0, "approve: applied\n")
        assert json.loads(run(address, "inspect", identifier, "--json").stdout)["state"] == "monitoring"
        done = run(address, "rollback", identifier, "--json")
        assert done.exit_code == 0 and json.loads(done.stdout)["verdict"] == "applied"
        assert "looks right" in run(address, "inspect", identifier).stdout
        again = run(address, "approve", identifier)
        assert again.exit_code == 1 and "refused by the engine" in again.stderr


def test_why_is_told(engine):
    identifier = engine.switch(CHAT)
    with served(engine) as address:
        told = run(address, "explain", identifier)
        assert told.exit_code == 0 and "evidence: " in told.stdout and "model_switch: " in told.stdout
        assert json.loads(run(address, "explain", identifier, "--json").stdout)["would_flip"]


def test_a_scope_is_pinned_inspected_and_freed(engine):
    engine.switch(CHAT)
    with served(engine) as address:
        assert CHAT in run(address, "inspect").stdout
        assert run(address, "pin", CHAT, "-r", "audit week").stdout == "pin: applied\n"
        assert run(address, "unpin", CHAT).exit_code == 0
        told = json.loads(run(address, "inspect", CHAT, "--json").stdout)
        assert [it["actor"] for it in told["audit"][:2]] == ["user:local", "user:local"]
        assert "user:local" in run(address, "inspect", CHAT).stdout


def test_what_is_not_known_or_not_there_ends_with_2(engine):
    with served(engine) as address:
        assert run(address, "experiments").stdout == "no experiment was begun yet\n"
        assert json.loads(run(address, "experiments", "--json").stdout) == []
        missing = run(address, "approve", "unknown")
        assert missing.exit_code == 2 and "unknown decision" in missing.stderr
    gone = run(address, "approvals")
    assert gone.exit_code == 2 and "start `decision-stream api`" in gone.stderr


def test_the_token_is_taken_from_the_environment(engine):
    identifier = engine.switch(CHAT)
    vera = ApiToken(name="vera", sha256=sha256(b"secret").hexdigest(), role="viewer")
    with served(engine, ApiSettings(tokens=(vera,))) as address:
        assert "DECISION_STREAM_TOKEN" in run(address, "approvals").stderr
        assert run(address, "approvals", token="secret").exit_code == 0
        refused = run(address, "approve", identifier, token="secret")
        assert refused.exit_code == 2 and "operator" not in refused.stdout and "not allowed" in refused.stderr


def test_the_terms_of_a_predicted_gain_are_told_largest_first():
    told = evidence_lines({"method": "linear_contributions", "contributions": {"load": -0.01, "intercept": 0.1}})
    assert told[1:] == ["  +0.1000 intercept", "  -0.0100 load"]
