"""The operator's verbs against a listening API: what they do, what they print, and how they end."""

import json
from hashlib import sha256

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from decision_stream.cli.app import app
from decision_stream.cli.verbs import evidence_lines, experiment_cells
from decision_stream.edge.api_settings import ApiSettings, ApiToken
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.engine import Engine
from tests.edge.fleet import PlayedFleet
from tests.edge.served import served

CHAT = "acme/support/chat"


@pytest.fixture
def engine() -> Engine:
    return Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))


def run(address: str, *words: str, token: str | None = None, columns: str | None = "200"):
    environment = {"DECISION_STREAM_API": address, "DECISION_STREAM_TOKEN": token, "COLUMNS": columns}
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


def test_nothing_of_a_list_is_cut_off_however_narrow_the_terminal(engine):
    identifier = engine.switch(CHAT)
    with served(engine) as address:
        for command in ("approvals", "inspect"):
            narrow = run(address, command, columns="40").stdout
            assert max(len(line) for line in narrow.splitlines()) <= 40
            assert "…" not in narrow
        piped = run(address, "approvals", columns=None).stdout
        (row,) = [line for line in piped.splitlines() if identifier in line]
        assert row.split() == [identifier, "model_switch", CHAT, "pareto", "awaiting_approval"]


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
        refused = run(address, "explain", "unknown", "--json")
        assert refused.exit_code == 2 and json.loads(refused.stdout)["status"] == 404
    for words in (["approvals"], ["experiments"], ["inspect"], ["inspect", CHAT], ["explain", "it"], ["pin", CHAT]):
        gone = run(address, *words)
        assert gone.exit_code == 2 and "start `decision-stream api`" in gone.stderr
        assert json.loads(run(address, *words, "--json").stdout)["status"] == 0


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


def test_experiments_are_told_with_their_intervals_and_why_they_are_not_over():
    fleet = PlayedFleet(90)
    with served(fleet) as address:
        rows = json.loads(run(address, "experiments", "--running", "--json").stdout)
        assert rows and all(row["running"] and row["course"]["comparisons"] for row in rows)
        told = run(address, "experiments", "--running").stdout
        assert rows[0]["id"] in told and "of the planned evidence" in told
        every = json.loads(run(address, "experiments", "--json").stdout)
        ended = json.loads(run(address, "experiments", "--ended", "--json").stdout)
        assert {row["id"] for row in rows} | {row["id"] for row in ended} == {row["id"] for row in every}
        scope = rows[0]["scope"]
        of_scope = json.loads(run(address, "experiments", "--scope", scope, "--json").stdout)
        assert {row["scope"] for row in of_scope} == {scope}


def test_units_that_go_astray_stand_before_everything_else():
    course = {"status": {"detail": "no winner yet"}, "sample_ratio": {"mismatch": True, "p_value": 0.0002}}
    assert experiment_cells({"running": True, "course": course}) == (
        "",
        "units do not arrive in the ordered shares (p 0.0002); no winner yet",
    )


def leaves(command, *path: str):
    """Every command that does something, with the words that call it."""
    if not hasattr(command, "commands"):
        yield " ".join(path), command
        return
    for name, inner in command.commands.items():
        yield from leaves(inner, *path, name)


def test_every_command_that_answers_does_so_in_json_too():
    # These run until they are told to stop; settings are shown as JSON in any case.
    without = {"run", "api", "demo", "broker start", "config show"}
    for name, command in leaves(get_command(app)):
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) == (name not in without), name


def test_the_verbs_of_an_operator_are_all_there():
    names = {name for name, _ in leaves(get_command(app))}
    wanted = "approve reject cancel rollback pause resume pin unpin explain experiments inspect approvals doctor"
    assert set(wanted.split()) <= names


def test_lists_are_read_page_after_page_and_what_is_left_out_is_told(engine):
    for number in range(7):
        engine.switch(f"acme/support/route-{number}")
    with served(engine, ApiSettings(max_page=3)) as address:
        assert len(json.loads(run(address, "approvals", "--json").stdout)) == 7
        assert len(json.loads(run(address, "inspect", "--json").stdout)) == 7
        cut = run(address, "inspect", "--json", "--limit", "4")
        assert len(json.loads(cut.stdout)) == 4 and "only the first 4" in cut.stderr
        assert "only" not in run(address, "inspect", "--limit", "7").stderr
        audit = json.loads(run(address, "inspect", "acme/support/route-1", "--json").stdout)["audit"]
        assert [it["sequence"] for it in audit] == list(range(len(audit), 0, -1)) and len(audit) > 3
