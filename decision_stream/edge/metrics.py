"""Prometheus metrics: one table of all of them, and the observer that counts.

The first five names are the seed's (§12). All label values are known beforehand and start at zero, so that a rate
does not miss the first event; a value that is not known counts as `other`.
"""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from .. import ENGINE_VERSION
from ..engine.lifecycle import OVER
from ..model.command import Command
from ..model.dead_letter import ReasonCode
from ..model.decision import Proposal
from ..model.effect import Effects
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import Stage, Verdict
from ..model.lifecycle import DecisionState
from ..strategies.registry import STRATEGIES

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
AGE_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
CONFIDENCE_BUCKETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0)
CHECKS = (
    "still_current",
    "not_pinned",
    "may_act",
    "facets_free",
    "capacity",
    "cooldown",
    "not_buried",
    "evidence",
    "confidence",
    "improvement",
    "impact",
    "quality_constraint",
    "cost_constraint",
    "latency_constraint",
    "rollback_target",
    "route_whole",
    "breaker",
    "risk",
)
DECIDERS = (*(strategy.name for strategy in STRATEGIES), "ramp_guard", "operator", "engine")
TOPICS = ("insights", "proposals", "outcomes", "commands")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its kind, labels and their values, and what it means."""

    name: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    meaning: str
    labels: dict[str, tuple[str, ...]]
    buckets: tuple[float, ...] = ()


STATES = tuple(state.value for state in DecisionState)
TABLE: tuple[Metric, ...] = (
    Metric(
        "decision_engine_decisions_total",
        Counter,
        "decisions that entered a state",
        {"state": STATES, "strategy": (*DECIDERS, OTHER)},
    ),
    Metric(
        "decision_engine_latency_seconds",
        Histogram,
        "time to apply an event, by the strategy whose proposal won",
        {"strategy": (*DECIDERS, OTHER, "none")},
        LATENCY_BUCKETS,
    ),
    Metric(
        "decision_engine_active_decisions",
        Gauge,
        "decisions in a state that is not over, seen by this worker",
        {"state": STATES},
    ),
    Metric(
        "decision_engine_decision_confidence",
        Histogram,
        "probability that a proposal's claim holds",
        {"strategy": (*DECIDERS, OTHER)},
        CONFIDENCE_BUCKETS,
    ),
    Metric(
        "decision_engine_strategy_win_rate",
        Gauge,
        "share of a strategy's ended decisions that completed, seen by this worker",
        {"strategy": (*DECIDERS, OTHER)},
    ),
    Metric(
        "decision_engine_insights_total",
        Counter,
        "insights evaluated, by verdict",
        {"result": (Verdict.PROPOSED.value, Verdict.NO_DECISION.value, OTHER)},
    ),
    Metric(
        "decision_engine_events_total",
        Counter,
        "events applied, by stage and verdict",
        {"stage": tuple(Stage), "verdict": (*Verdict, OTHER)},
    ),
    Metric(
        "decision_engine_insight_age_seconds",
        Histogram,
        "time from an insight's own time to its evaluation",
        {},
        AGE_BUCKETS,
    ),
    Metric(
        "decision_engine_validation_failures_total", Counter, "failed validation checks", {"check": (*CHECKS, OTHER)}
    ),
    Metric(
        "decision_engine_alerts_total",
        Counter,
        "alerts to humans",
        {"severity": ("info", "warning", "low", "medium", "high", "critical", OTHER)},
    ),
    Metric(
        "decision_engine_dead_letters_total",
        Counter,
        "messages that could not be read",
        {"topic": (*TOPICS, OTHER), "reason": (*ReasonCode, OTHER)},
    ),
    Metric(
        "decision_engine_repeated_records_total",
        Counter,
        "redelivered records that changed nothing",
        {"topic": (*TOPICS, OTHER)},
    ),
    Metric(
        "decision_engine_paused_partitions",
        Gauge,
        "partitions paused because of a flood of bad messages",
        {"topic": (*TOPICS, OTHER)},
    ),
    Metric("decision_engine_recovery_seconds", Gauge, "how long the last recovery of the table took", {}),
    Metric("decision_engine_build_info", Gauge, "1, with the version as a label", {"version": (ENGINE_VERSION,)}),
)


class Metrics:
    """All metrics of a process in a registry of their own; an observer of the worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}
        self._children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self._states: dict[str, tuple[str, str]] = {}
        self._ended: dict[str, list[int]] = {}
        for row in TABLE:
            options = {"buckets": row.buckets} if row.buckets else {}
            metric = row.kind(row.name, row.meaning, tuple(row.labels), registry=self.registry, **options)
            self._metrics[row.name] = metric
            self._bind(row)
        self._child("decision_engine_build_info", ENGINE_VERSION).set(1)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Count an applied event."""
        self._child("decision_engine_events_total", effects.stage, effects.verdict).inc()
        strategy = "none"
        if isinstance(event, Insight):
            self._child("decision_engine_insights_total", effects.verdict).inc()
            self._child("decision_engine_insight_age_seconds").observe(max(0.0, age_seconds))
        if effects.outputs or effects.transitions:
            strategy = self._decided(event, effects)
        elif isinstance(event, Command):
            strategy = "operator"
        self._child("decision_engine_latency_seconds", strategy).observe(seconds)
        for alert in effects.alerts:
            self._child("decision_engine_alerts_total", alert.severity).inc()
        if effects.verdict is Verdict.REJECTED:
            for reason in effects.reasons:
                self._child("decision_engine_validation_failures_total", reason.code).inc()

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
        """Note how long recovery took."""
        self._child("decision_engine_recovery_seconds").set(seconds)

    def _decided(self, event: Event, effects: Effects) -> str:
        strategy = "engine"
        for output in effects.outputs:
            if isinstance(output, Proposal):
                strategy = output.strategy
                if output.confidence is not None:
                    self._child("decision_engine_decision_confidence", strategy).observe(output.confidence)
            else:
                strategy = output.decision.strategy
                self._states.setdefault(output.decision.id, (strategy, ""))
        if isinstance(event, Proposal):
            strategy = event.strategy
        for transition in effects.transitions:
            owner, _ = self._states.get(transition.decision_id, (strategy, ""))
            self._moved(transition.decision_id, owner, transition.from_state, transition.to_state)
        return strategy

    def _moved(self, decision_id: str, strategy: str, before: str, after: str) -> None:
        self._child("decision_engine_decisions_total", after, strategy).inc()
        gauge = "decision_engine_active_decisions"
        if self._states.get(decision_id, ("", ""))[1] == before:
            self._child(gauge, before).dec()
        if after in OVER:
            self._states.pop(decision_id, None)
            ended = self._ended.setdefault(strategy, [0, 0])
            ended[0] += after == DecisionState.COMPLETED
            ended[1] += 1
            self._child("decision_engine_strategy_win_rate", strategy).set(ended[0] / ended[1])
        else:
            self._states[decision_id] = (strategy, after)
            self._child(gauge, after).inc()

    def _bind(self, row: Metric) -> None:
        combinations: list[tuple[str, ...]] = [()]
        for values in row.labels.values():
            combinations = [(*combination, str(value)) for combination in combinations for value in values]
        for combination in combinations:
            metric = self._metrics[row.name]
            self._children[(row.name, *combination)] = metric.labels(*combination) if combination else metric

    def _child(self, name: str, *values: str) -> Counter | Gauge | Histogram:
        child = self._children.get((name, *values))
        if child is None:
            known = {key[1:] for key in self._children if key[0] == name}
            safe = tuple(
                value if any(key[place] == value for key in known) else OTHER for place, value in enumerate(values)
            )
            child = self._children[(name, *safe)]
        return child
