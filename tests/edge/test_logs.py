"""Logs: JSON with decision ids for machines, one line each for people."""

import io
import json
import logging

import pytest

from decision_stream.edge.logs import DecisionLog, configure
from tests.engine.route import Route
from tests.factories import estimate, insight


@pytest.fixture(autouse=True)
def root_logger():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def switched() -> Route:
    route = Route()
    for minute in range(5):
        route.tell(insight(minute, candidates=(estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)))
    return route


def test_every_transition_is_a_json_line_with_the_decision_id():
    stream = io.StringIO()
    configure("info", "json", stream)
    route = switched()
    for effects in route.effects:
        DecisionLog().applied(insight(0), effects, 0.0, 0.0)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    decision = route.directives[0].decision.id
    assert [line["state"] for line in lines if line.get("decision_id") == decision][-1] == "monitoring"
    assert all(line["level"] and line["message"] and line["timestamp"] for line in lines)
    (last,) = [line for line in lines if line.get("state") == "monitoring"]
    assert (last["strategy"], last["decision_type"], last["trace_id"]) == ("pareto", "model_switch", "")
    assert 0.9 < last["confidence"] <= 1.0


def test_the_chatter_of_services_is_left_out_but_not_their_warnings():
    stream = io.StringIO()
    configure("info", "json", stream)
    logging.getLogger("decision_stream.stream.app").info("[^EngineApp]: Starting...")
    logging.getLogger("decision_stream.stream.app").warning("[^EngineApp]: crashed")
    assert "Starting" not in stream.getvalue() and "crashed" in stream.getvalue()


def test_a_coordinator_that_is_not_there_yet_is_no_error():
    stream = io.StringIO()
    configure("info", "json", stream)
    coordinator = logging.getLogger("aiokafka.consumer.group_coordinator")
    for fault in ("[Error 15] GroupCoordinatorNotAvailableError", "[Error 30] GroupAuthorizationFailedError"):
        coordinator.error("Group Coordinator Request failed: %s", fault)
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["WARNING", "ERROR"]


def test_a_forged_line_stays_one_line():
    stream = io.StringIO()
    configure("info", "text", stream)
    logging.getLogger("x").info("alert", extra={"why": "harmless\nERROR all is lost\x1b[31m"})
    assert len(stream.getvalue().splitlines()) == 1 and "\x1b" not in stream.getvalue()
