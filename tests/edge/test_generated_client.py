"""Clients that others make: one generated from the OpenAPI document by a stock generator, and curl."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from msgspec import to_builtins

from decision_stream.edge.api_settings import ApiSettings
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.callers import TOKENS
from tests.edge.engine import Engine
from tests.edge.served import served
from tests.factories import insight

ROOT = Path(__file__).parents[2]
CHAT = "acme/support/chat"
NAME = "generated_engine_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Iterator[ModuleType]:
    """The client package, as `openapi-python-client` makes it of schemas/openapi.json; any warning of it fails."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yml").write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"),
            *("--path", str(ROOT / "schemas" / "openapi.json"), "--config", str(folder / "config.yml")),
            *("--output-path", str(folder / NAME)),
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    try:
        yield importlib.import_module(NAME)
    finally:
        sys.path.remove(str(folder))


@pytest.fixture
def waiting() -> Iterator[tuple[Engine, str, str]]:
    """An engine with a decision that waits, its id, and the address of its API."""
    engine = Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    identifier = engine.switch(CHAT)
    with served(engine, ApiSettings(tokens=TOKENS)) as address:
        yield engine, identifier, address


def part(name: str) -> ModuleType:
    return importlib.import_module(f"{NAME}.{name}")


def test_a_generated_client_lists_reads_orders_and_submits(generated, waiting):
    engine, identifier, address = waiting
    models = part("models")
    with generated.AuthenticatedClient(base_url=address, token="otto", raise_on_unexpected_status=True) as client:
        page = part("api.decisions.list_decisions").sync(client=client, state="awaiting_approval")
        assert [row.id for row in page.items] == [identifier] and page.items[0].scope == CHAT
        one = part("api.decisions.get_decision").sync(identifier, client=client)
        assert one.decision["decision"]["kind"] == "model_switch" and one.deadline_ms > one.at_ms
        taken = part("api.orders.approve_decision").sync(
            identifier, client=client, body=models.Order(reason="by a generated client"), wait=1.0
        )
        assert taken.verdict == "applied"
        scope = part("api.scopes.get_scope").sync(CHAT, client=client)
        assert scope.scope == CHAT and scope.events > 0
        pin = models.PinOrder(action=models.PinOrderAction.PIN)
        pinned = part("api.orders.order_scope").sync(CHAT, client=client, body=pin, wait=1.0)
        assert pinned.verdict == "applied"
        told = models.Insight.from_dict(to_builtins(insight(9)))
        submitted = part("api.orders.submit_insights").sync(
            client=client, body=models.Submission(insights=[told]), wait=1.0
        )
        assert submitted.items[0].insight_id == f"user:otto/{told.id}" and submitted.items[0].verdict == "no_decision"
        problem = part("api.decisions.get_decision").sync("unknown", client=client)
        assert isinstance(problem, models.ProblemBody) and problem.status == 404
    assert engine.model.decision(identifier)["state"] == "paused", "the pin holds what was approved"


def curl(*words: str) -> tuple[int, dict]:
    """Status and body of one call."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", "--write-out", "\n%{http_code}", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_curl_lists_reads_and_orders(waiting):
    engine, identifier, address = waiting
    token = ("--header", "Authorization: Bearer otto")
    status, page = curl(*token, f"{address}/api/v1/approvals")
    assert (status, [row["id"] for row in page["items"]]) == (200, [identifier])
    status, why = curl(*token, f"{address}/api/v1/decisions/{identifier}/explain")
    assert status == 200 and why["would_flip"]
    status, taken = curl(
        *token, "--request", "PUT", "--header", "Content-Type: application/json", "--data", '{"reason": "by curl"}',
        f"{address}/api/v1/decisions/{identifier}/reject?wait=1",
    )  # fmt: skip
    assert (status, taken["verdict"]) == (200, "applied")
    assert engine.model.decision(identifier)["state"] == "rejected"
    status, problem = curl(f"{address}/api/v1/approvals")
    assert (status, problem["title"]) == (401, "no valid token")
