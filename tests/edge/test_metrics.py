"""Metrics: the seed's names, every label value from the start, and true counts."""

import ast
from pathlib import Path

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from decision_stream.edge.metric_table import CHECKS, LATENCY_BUCKETS, TABLE
from decision_stream.edge.metrics import Metrics
from decision_stream.engine.evaluate import evaluate
from decision_stream.engine.step import step
from decision_stream.engine.turn import Turn
from decision_stream.model.command import Approve, Autonomy, Pin, Revert, Tick
from decision_stream.model.decision import Proposal
from decision_stream.model.insight import Budget
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import ParetoPolicy, Policy, SafetyPolicy
from decision_stream.model.state import ScopeState
from decision_stream.strategies.pareto import Pareto
from tests.engine.route import Route
from tests.factories import MINUTE_MS, SCOPE, START_MS, command, estimate, insight, outcome

SEED_NAMES = {
    "decision_engine_decisions_total",
    "decision_engine_latency_seconds",
    "decision_engine_active_decisions",
    "decision_engine_decision_confidence",
    "decision_engine_strategy_win_rate",
}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise KeyError((name, labels))


def counted(route: Route, metrics: Metrics, event) -> None:
    """Apply an event and count it with everything that followed, in order."""
    route.state, effects = step(route.state, event, route.policy)
    metrics.applied(event, effects, 0.001, 0.2)
    metrics.holds(route.state.scope, route.state.cold)
    for output in effects.outputs:
        if isinstance(output, Proposal):
            counted(route, metrics, output)
        else:
            route.directives.append(output)
            counted(route, metrics, outcome(output, OutcomeStatus.APPLIED, output.at_ms + 1_000))


def switched(metrics: Metrics, policy: Policy | None = None) -> Route:
    """A route on which a switch to a cheaper model is decided."""
    route = Route(policy or Policy())
    for minute in range(5):
        told = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
        counted(route, metrics, insight(minute, candidates=told))
    return route


def test_the_seeds_names_are_there():
    assert {row.name for row in TABLE} >= SEED_NAMES


def test_latency_has_the_buckets_asked_for():
    assert {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0} <= set(LATENCY_BUCKETS)


def test_every_label_value_starts_at_zero():
    metrics = Metrics()
    assert value(metrics, "decision_engine_decisions_total", state="rolled_back", strategy="pareto") == 0.0
    assert value(metrics, "decision_engine_dead_letters_total", topic="insights", reason="schema") == 0.0


def test_a_switch_is_counted_through_its_states():
    metrics = Metrics()
    route = switched(metrics)
    assert value(metrics, "decision_engine_proposals_total", strategy="pareto") == 1.0
    for state in ("validating", "approved", "executing", "monitoring"):
        assert value(metrics, "decision_engine_decisions_total", state=state, strategy="pareto") == 1.0
    assert value(metrics, "decision_engine_active_decisions", state="monitoring") == 1.0
    assert value(metrics, "decision_engine_active_decisions", state="executing") == 0.0
    assert value(metrics, "decision_engine_insights_total", result="proposed") == 1.0
    counted(route, metrics, command(600, Tick()))
    assert value(metrics, "decision_engine_active_decisions", state="monitoring") == 0.0
    assert value(metrics, "decision_engine_strategy_win_rate", strategy="pareto") == 0.0


def test_a_rollback_is_counted_by_who_wanted_it():
    metrics = Metrics()
    route = switched(metrics)
    counted(route, metrics, command(6, Revert(decision_id=route.directives[-1].decision.id)))
    assert value(metrics, "decision_engine_rollbacks_total", reason="operator") == 1.0
    assert value(metrics, "decision_engine_decisions_total", state="rolled_back", strategy="pareto") == 1.0
    failed = switched(metrics)
    late = failed.directives[-1].at_ms + 1_000
    counted(failed, metrics, outcome(failed.directives[-1], OutcomeStatus.PARTIAL_SUCCESS, late, 9))
    assert value(metrics, "decision_engine_rollbacks_total", reason="engine") == 1.0


def test_an_alarm_rolls_back_or_breaks_the_route():
    route, metrics = Route(), Metrics()
    for minute in range(40):
        counted(route, metrics, insight(minute, p95_ms=2_000.0 if minute < 10 else 9_000.0))
    assert value(metrics, "decision_engine_circuit_state", state="route_broken") == 1.0
    assert value(metrics, "decision_engine_decisions_total", state="monitoring", strategy="threshold_based") >= 1.0


def test_what_waits_for_a_human_is_counted_and_ages_until_it_is_approved():
    metrics = Metrics(clock=lambda: START_MS / 1_000.0 + 600.0)
    route = switched(metrics, Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    (waiting,) = route.state.cold.live
    assert value(metrics, "decision_engine_pending_approvals") == 1.0
    waited_s = (START_MS + 10 * MINUTE_MS - waiting.since_ms) / 1_000.0
    assert value(metrics, "decision_engine_oldest_pending_approval_seconds") == waited_s > 0.0
    counted(route, metrics, command(5, Approve(decision_id=waiting.decision.id)))
    assert value(metrics, "decision_engine_pending_approvals") == 0.0
    assert value(metrics, "decision_engine_oldest_pending_approval_seconds") == 0.0


def test_a_restarted_worker_knows_again_what_waits():
    metrics, after = Metrics(), Metrics()
    route = switched(metrics, Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    after.recovered(1.5)
    after.holds(SCOPE, route.state.cold)
    assert value(after, "decision_engine_pending_approvals") == 1.0
    assert value(after, "decision_engine_recovery_seconds") == 1.5
    after.recovered(0.5)
    assert value(after, "decision_engine_pending_approvals") == 0.0


def test_an_open_breaker_is_shown():
    route, metrics = Route(Policy(pareto=ParetoPolicy(tombstone_ms=60_000))), Metrics()
    for number, minute in enumerate(range(0, 2_000, 100)):
        for offset in range(5):
            counted(route, metrics, insight(minute + offset, candidates=(estimate(f"m{number}", cost_usd=0.002),)))
        if value(metrics, "decision_engine_circuit_state", state="open"):
            break
        at_ms = START_MS + (minute + 8) * MINUTE_MS
        counted(route, metrics, outcome(route.directives[-1], OutcomeStatus.ROLLED_BACK, at_ms, number))
    assert value(metrics, "decision_engine_circuit_state", state="open") == 1.0
    counted(route, metrics, command(2_100, Tick()))
    assert value(metrics, "decision_engine_circuit_state", state="open") == 0.0
    assert value(metrics, "decision_engine_circuit_state", state="half_open") == 1.0


def test_a_refused_proposal_is_counted_by_the_check_it_failed():
    route, metrics = Route(), Metrics()
    counted(route, metrics, insight(0))
    counted(route, metrics, command(0.5, Pin()))
    for minute in range(1, 6):
        told = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
        counted(route, metrics, insight(minute, candidates=told))
    assert value(metrics, "decision_engine_validation_failures_total", check="not_pinned") >= 1.0


def test_a_fault_inside_a_strategy_is_counted():
    class Broken(Pareto):
        def propose(self, view):
            raise ZeroDivisionError

    metrics = Metrics()
    route = switched(Metrics())
    event = insight(10)
    turn = Turn(route.state, event.id, event.at_ms, route.policy)
    metrics.applied(event, evaluate(turn, event, (Broken(),)), 0.001, 0.0)
    assert value(metrics, "decision_engine_strategy_faults_total", strategy="pareto") == 1.0


def test_the_scope_nearest_to_its_budget_is_shown():
    metrics = Metrics()
    for number, spent_usd in enumerate((95.0, 20.0)):
        budget = Budget(daily_limit_usd=100.0, spent_usd=spent_usd, resets_at_ms=START_MS + 86_400_000)
        scope = f"acme/support/route-{number}"
        event = insight(0, scope=scope, budget=budget)
        metrics.applied(event, step(ScopeState(scope=scope), event, Policy())[1], 0.001, 0.0)
    assert value(metrics, "decision_engine_budget_spend_ratio") == 0.95


def test_lag_is_asked_for_at_each_scrape():
    metrics, behind = Metrics(), {("insights", 0): 7, ("insights", 1): 0}
    metrics.watch_lag(lambda: behind)
    assert value(metrics, "decision_engine_consumer_lag", topic="insights", partition="0") == 7.0
    behind[("insights", 0)] = 2
    assert value(metrics, "decision_engine_consumer_lag", topic="insights", partition="0") == 2.0


def test_every_check_of_the_engine_has_its_label():
    engine = Path(__file__).parents[2] / "decision_stream" / "engine"
    named = {
        word.value.value
        for path in engine.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Check"
        for word in node.keywords
        if word.arg == "name" and isinstance(word.value, ast.Constant)
    }
    assert named and named <= set(CHECKS)


def test_an_unknown_label_value_counts_as_other():
    metrics = Metrics()
    metrics.dead_letter("insights", "brand_new_reason")
    assert value(metrics, "decision_engine_dead_letters_total", topic="insights", reason="other") == 1.0


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_metric_has_a_meaning_and_follows_the_naming_rules(row):
    assert row.meaning and row.name.startswith("decision_engine_")
    assert (row.kind is Counter) == row.name.endswith("_total")
