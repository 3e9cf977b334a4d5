"""The table of all metrics: name, kind, labels with their values, unit and meaning.

The first five names are the seed's (§12). All label values are known beforehand and start at zero, so that a rate
does not miss the first event; a value that is not known counts as `other`.
"""

from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

from .. import ENGINE_VERSION
from ..engine.lifecycle import OVER
from ..model.dead_letter import ReasonCode
from ..model.journal import Stage, Verdict
from ..model.lifecycle import DecisionState
from ..strategies.registry import STRATEGIES
from .census import CIRCUITS

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
    "budget",
    "per_request_limit",
    "tenant_quota",
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
    "experiment_running",
    "no_other_experiment",
    "breaker",
    "risk",
)
DECIDERS = (*(strategy.name for strategy in STRATEGIES), "ramp_guard", "operator", "engine")
TOPICS = ("insights", "proposals", "outcomes", "commands", "signals")
OTHER = "other"
ROLLBACK_REASONS = ("guard", "alarm", "operator", "engine")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its kind, labels and their values, and what it means.

    `at_scrape` marks one whose labels follow what the process owns, such as partitions; it is read when asked for.
    """

    name: str
    kind: type[Counter] | type[Gauge] | type[Histogram]
    meaning: str
    labels: dict[str, tuple[str, ...]]
    buckets: tuple[float, ...] = ()
    at_scrape: bool = False


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
        "decisions in a state that is not over, on the scopes of this worker",
        {"state": tuple(state.value for state in DecisionState if state not in OVER)},
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
        "decision_engine_proposals_total",
        Counter,
        "proposals of a strategy that were sent to validation",
        {"strategy": (*DECIDERS, OTHER)},
    ),
    Metric(
        "decision_engine_strategy_faults_total",
        Counter,
        "errors inside a strategy; the others went on",
        {"strategy": (*DECIDERS, OTHER)},
    ),
    Metric(
        "decision_engine_rollbacks_total",
        Counter,
        "rollbacks ordered: by the guard of a ramp, an alarm of a strategy, an operator, or the engine (deadlines, "
        "reports of the actuator)",
        {"reason": ROLLBACK_REASONS},
    ),
    Metric("decision_engine_pending_approvals", Gauge, "decisions that wait for a human, on this worker's scopes", {}),
    Metric(
        "decision_engine_oldest_pending_approval_seconds",
        Gauge,
        "how long the oldest of them has waited; 0 without one",
        {},
    ),
    Metric(
        "decision_engine_circuit_state",
        Gauge,
        "scopes of this worker whose optimisation is paused (open), probed (half_open), or whose route is broken",
        {"state": CIRCUITS},
    ),
    Metric(
        "decision_engine_budget_spend_ratio",
        Gauge,
        "spent share of the daily budget, of the scope of this worker that is nearest to its limit; 0 without budgets",
        {},
    ),
    Metric(
        "decision_engine_consumer_lag",
        Gauge,
        "records of an owned partition that are not committed yet",
        {"topic": TOPICS, "partition": ()},
        at_scrape=True,
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
    Metric(
        "decision_engine_ready",
        Gauge,
        "1 when this worker owns recovered partitions and none is paused, as /readyz says",
        {},
    ),
    Metric("decision_engine_recovery_seconds", Gauge, "how long the last recovery of the table took", {}),
    Metric("decision_engine_build_info", Gauge, "1, with the version as a label", {"version": (ENGINE_VERSION,)}),
)
