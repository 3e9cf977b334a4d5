"""Metrics: the seed's names, every label value from the start, and true counts."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from decision_stream.edge.metrics import LATENCY_BUCKETS, TABLE, Metrics
from decision_stream.model.outcome import OutcomeStatus
from tests.engine.route import Route
from tests.factories import command, estimate, insight, outcome

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
    from decision_stream.engine.step import step
    from decision_stream.model.decision import Proposal

    route.state, effects = step(route.state, event, route.policy)
    metrics.applied(event, effects, 0.001, 0.2)
    for output in effects.outputs:
        if isinstance(output, Proposal):
            counted(route, metrics, output)
        else:
            route.directives.append(output)
            counted(route, metrics, outcome(output, OutcomeStatus.APPLIED, output.at_ms + 1_000))


def test_the_seeds_names_are_there():
    assert {row.name for row in TABLE} >= SEED_NAMES


def test_latency_has_the_buckets_asked_for():
    assert {0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0} <= set(LATENCY_BUCKETS)


def test_every_label_value_starts_at_zero():
    metrics = Metrics()
    assert value(metrics, "decision_engine_decisions_total", state="rolled_back", strategy="pareto") == 0.0
    assert value(metrics, "decision_engine_dead_letters_total", topic="insights", reason="schema") == 0.0


def test_a_switch_is_counted_through_its_states():
    route, metrics = Route(), Metrics()
    for minute in range(5):
        told = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
        counted(route, metrics, insight(minute, candidates=told))
    for state in ("validating", "approved", "executing", "monitoring"):
        assert value(metrics, "decision_engine_decisions_total", state=state, strategy="pareto") == 1.0
    assert value(metrics, "decision_engine_active_decisions", state="monitoring") == 1.0
    assert value(metrics, "decision_engine_active_decisions", state="executing") == 0.0
    assert value(metrics, "decision_engine_insights_total", result="proposed") == 1.0
    from decision_stream.model.command import Tick

    counted(route, metrics, command(600, Tick()))
    assert value(metrics, "decision_engine_active_decisions", state="monitoring") == 0.0
    assert value(metrics, "decision_engine_strategy_win_rate", strategy="pareto") == 0.0


def test_an_unknown_label_value_counts_as_other():
    metrics = Metrics()
    metrics.dead_letter("insights", "brand_new_reason")
    assert value(metrics, "decision_engine_dead_letters_total", topic="insights", reason="other") == 1.0


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_metric_has_a_meaning_and_follows_the_naming_rules(row):
    from prometheus_client import Counter

    assert row.meaning and row.name.startswith("decision_engine_")
    assert (row.kind is Counter) == row.name.endswith("_total")
