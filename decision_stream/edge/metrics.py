"""Prometheus metrics of a worker: the observer that counts what `metric_table.py` lists."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .. import ENGINE_VERSION
from ..engine.lifecycle import OVER
from ..model.command import Command
from ..model.decision import Proposal
from ..model.effect import Effects, Subject
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import Transition, Verdict
from ..model.lifecycle import DecisionState
from ..model.state import ColdState
from .census import CIRCUITS, Census
from .metric_table import OTHER, TABLE, Metric
from .tally import Count, Distribution, Tally

LAG = "decision_engine_consumer_lag"
_ROLLBACK_REASONS = {"ramp_guard": "guard", "operator": "operator", "engine": "engine"}
Lag = Callable[[], dict[tuple[str, int], int]]


class Metrics:
    """All metrics of a process in a registry of their own; an observer of the worker."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._children: dict[tuple[str, ...], Count | Distribution | Gauge] = {}
        self._ended: dict[str, list[int]] = {}
        self._census = Census()
        self._budgets: dict[str, float] = {}
        for row in TABLE:
            if not row.at_scrape:
                self._bind(row)
        ProcessCollector(registry=self.registry)
        self._child("decision_engine_build_info", ENGINE_VERSION).set(1)
        self._age = self._child("decision_engine_insight_age_seconds")
        self._ask_at_scrape()

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def watch_readiness(self, is_ready: Callable[[], bool]) -> None:
        """Show this readiness, asked for at each scrape."""
        self._child("decision_engine_ready").set_function(lambda: float(is_ready()))

    def watch_lag(self, lag: Lag) -> None:
        """Show this lag, asked for at each scrape."""
        self.registry.register(_LagCollector(lag))

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Count an applied event."""
        self._child("decision_engine_events_total", effects.stage, effects.verdict).inc()
        if isinstance(event, Insight):
            self._insight(event, effects, age_seconds)
        for output in effects.outputs:
            if isinstance(output, Proposal):
                self._child("decision_engine_proposals_total", output.strategy).inc()
                if output.confidence is not None:
                    self._child("decision_engine_decision_confidence", output.strategy).observe(output.confidence)
        if effects.transitions:
            about = {subject.id: subject for subject in effects.about}
            for transition in effects.transitions:
                self._moved(about[transition.decision_id], transition)
        self._child("decision_engine_latency_seconds", _decider(event, effects)).observe(seconds)
        for alert in effects.alerts:
            self._child("decision_engine_alerts_total", alert.severity).inc()
        is_rejected = effects.verdict is Verdict.REJECTED
        for reason in effects.reasons:
            if reason.code == "strategy_fault":
                self._child("decision_engine_strategy_faults_total", reason.source).inc()
            elif is_rejected:
                self._child("decision_engine_validation_failures_total", reason.code).inc()

    def holds(self, scope: str, cold: ColdState) -> None:
        """Add up what a scope holds now."""
        self._census.note(scope, cold)

    def repeated(self, topic: str) -> None:
        """Count a redelivered record."""
        self._child("decision_engine_repeated_records_total", topic).inc()

    def dead_letter(self, topic: str, code: str) -> None:
        """Count a parked message."""
        self._child("decision_engine_dead_letters_total", topic, code).inc()

    def paused(self, topic: str, partitions: int) -> None:
        """Note how many partitions of a topic are paused."""
        self._child("decision_engine_paused_partitions", topic).set(partitions)

    def recovered(self, seconds: float) -> None:
        """Note how long recovery took; other scopes are owned from now on."""
        self._child("decision_engine_recovery_seconds").set(seconds)
        self._census.clear()
        self._budgets.clear()

    def _insight(self, insight: Insight, effects: Effects, age_seconds: float) -> None:
        self._child("decision_engine_insights_total", effects.verdict).inc()
        self._age.observe(age_seconds if age_seconds > 0.0 else 0.0)
        if insight.budget is not None:
            self._budgets[insight.scope] = insight.budget.spent_usd / insight.budget.daily_limit_usd

    def _moved(self, subject: Subject, transition: Transition) -> None:
        self._child("decision_engine_decisions_total", transition.to_state, subject.strategy).inc()
        if subject.kind == "rollback" and transition.to_state is DecisionState.EXECUTING:
            reason = _ROLLBACK_REASONS.get(subject.strategy, "alarm")
            self._child("decision_engine_rollbacks_total", reason).inc()
        if transition.to_state in OVER:
            ended = self._ended.setdefault(subject.strategy, [0, 0])
            ended[0] += transition.to_state is DecisionState.COMPLETED
            ended[1] += 1
            self._child("decision_engine_strategy_win_rate", subject.strategy).set(ended[0] / ended[1])

    def _ask_at_scrape(self) -> None:
        """Gauges that are read off the census, so that an event costs nothing for them."""

        def states(state: str) -> Callable[[], float]:
            return lambda: self._census.states[state]

        def circuits(state: str) -> Callable[[], float]:
            return lambda: self._census.circuits[state]

        waiting = DecisionState.AWAITING_APPROVAL.value
        for state in DecisionState:
            if state not in OVER:
                self._child("decision_engine_active_decisions", state.value).set_function(states(state.value))
        for circuit in CIRCUITS:
            self._child("decision_engine_circuit_state", circuit).set_function(circuits(circuit))
        self._child("decision_engine_pending_approvals").set_function(states(waiting))
        self._child("decision_engine_oldest_pending_approval_seconds").set_function(self._oldest_waiting_s)
        self._child("decision_engine_budget_spend_ratio").set_function(lambda: max(self._budgets.values(), default=0.0))

    def _oldest_waiting_s(self) -> float:
        since_ms = self._census.oldest_waiting_ms()
        return max(0.0, self._clock() - since_ms / 1_000.0) if since_ms is not None else 0.0

    def _bind(self, row: Metric) -> None:
        metric: Gauge | Tally
        if row.kind is Gauge:
            metric = Gauge(row.name, row.meaning, tuple(row.labels), registry=self.registry)
        else:
            metric = Tally(row)
            self.registry.register(metric)
        combinations: list[tuple[str, ...]] = [()]
        for values in row.labels.values():
            combinations = [(*combination, str(value)) for combination in combinations for value in values]
        for combination in combinations:
            alone = metric if isinstance(metric, Gauge) and not combination else None
            self._children[(row.name, *combination)] = alone or metric.labels(*combination)

    def _child(self, *key: str) -> Any:
        child = self._children.get(key)
        if child is None:
            name, *values = key
            known = {key[1:] for key in self._children if key[0] == name}
            safe = tuple(
                value if any(key[place] == value for key in known) else OTHER for place, value in enumerate(values)
            )
            child = self._children[(name, *safe)]
        return child


class _LagCollector(Collector):
    def __init__(self, lag: Lag) -> None:
        self._lag = lag

    def collect(self) -> Iterator[GaugeMetricFamily]:
        (row,) = [row for row in TABLE if row.name == LAG]
        family = GaugeMetricFamily(row.name, row.meaning, labels=tuple(row.labels))
        for (topic, partition), lag in sorted(self._lag().items()):
            family.add_metric((topic, str(partition)), lag)
        yield family

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing is asked for when it is registered."""
        return []


def _decider(event: Event, effects: Effects) -> str:
    """Who decided: the strategy of the last decision or proposal, an operator, or none."""
    if effects.about:
        return effects.about[-1].strategy
    if effects.outputs and isinstance(effects.outputs[-1], Proposal):
        return effects.outputs[-1].strategy
    return "operator" if isinstance(event, Command) else "none"
