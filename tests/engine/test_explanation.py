"""What a decision tells of itself: what else was considered, the evidence, exact contributions, what would flip it."""

import pytest

from decision_stream.model.command import Offer, Revert
from decision_stream.model.outcome import CONTROL
from decision_stream.model.policy import AbTestingPolicy, Policy
from tests.engine.route import Route
from tests.engine.test_experiments import TUNING, Lab
from tests.engine.test_step import ramped_to_the_end, told_of_a_cheaper_model
from tests.factories import command, estimate, insight

BUSY = {"requests": 20_000, "quality_samples": 10_000}


def eventful() -> Route:
    """Switches up and down, an experiment, a break and a human's order."""
    route = Route()
    told_of_a_cheaper_model(route)
    ramped_to_the_end(route)
    route.tell(command(95, Revert(decision_id=route.directives[0].decision.id)))
    for minute in range(100, 110):
        route.tell(insight(minute, p95_ms=15_000.0))
    return route


def test_every_decision_names_its_evidence_and_what_would_flip_it():
    decisions = [it.decision for it in eventful().directives]
    decisions += [it.decision for it in Lab({CONTROL: 0.8, "short": 0.86}).offer("short").run(200).route.directives]
    decisions += [it.decision for it in Lab({CONTROL: 0.8, "trial": 0.86}, TUNING).run(120).route.directives]
    kinds = {decision.kind for decision in decisions}
    assert kinds == {"model_switch", "rollback", "circuit_break", "start_experiment", "conclude_experiment"}
    for decision in decisions:
        assert decision.would_flip, decision.kind
        # The order of a human needs no other evidence than himself.
        assert decision.evidence or decision.strategy == "operator"


def test_contributions_add_up_to_the_gain_that_is_claimed():
    route = Route()
    told_of_a_cheaper_model(route)
    found = route.directives[0].decision.evidence[0]
    assert set(found.contributions) == {"quality", "cost", "latency"}
    assert sum(found.contributions.values()) == pytest.approx(found.statistic)
    assert found.contributions["cost"] > 0.0 > found.contributions["quality"]


def test_contributions_of_a_winner_are_those_of_its_objective():
    lab = Lab({CONTROL: 0.8, "short": 0.86}).offer("short").run(200)
    won = next(it.decision for it in lab.route.directives if it.decision.kind == "conclude_experiment")
    found = won.evidence[0]
    assert set(found.contributions) == {"quality"} and 0.0 < found.contributions["quality"] < 0.2
    assert found.interval.low < found.contributions["quality"] < found.interval.high


def test_a_decision_tells_what_else_was_considered_at_its_insight():
    route = Route(policy=Policy(ab_testing=AbTestingPolicy(min_windows=1)))
    route.tell(insight(0, **BUSY))
    route.tell(command(0.5, Offer(variants=("short",))))
    rivals = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0), estimate("bad", quality=0.2))
    route.tell(insight(1, candidates=rivals, **BUSY))
    considered = {(it.what, it.code): it.detail for it in route.directives[0].decision.alternatives}
    assert ("adaptive_parameters", "no_parameters") in considered
    assert considered["pareto", "superseded"] == "model_switch lost to start_experiment of ab_testing"
    assert ("pareto", "quality_too_low") in considered


def test_the_candidates_are_pictured_when_something_new_is_told_of_one_and_not_otherwise():
    route = Route()
    first = route.tell(insight(0, candidates=(estimate("same"),)))
    assert [(point.model, point.standing) for point in first.frontier] == [("premium", "in_use"), ("same", "frontier")]
    assert route.tell(insight(1)).frontier == ()
    proposing = route.tell(insight(2, candidates=(estimate("cheap", cost_usd=0.002, samples=9_000),)))
    assert {point.model for point in proposing.frontier} == {"premium", "same", "cheap"}
