"""Proposals and decisions: what to change, on what evidence, at what risk (seed §3.3)."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .configuration import Configuration, ConfigurationChanges, Facet, ParameterChange
from .insight import Metric
from .scalars import Count, EventTime, Identifier, Name, Ratio, ScopeName, Share, Text, Unit
from .trace import Traceparent


class RiskLevel(StrEnum):
    """Low and medium go, high waits for a human, critical is refused (seed §3.3, §7.4)."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for low to 3 for critical, for comparisons."""
        return list(RiskLevel).index(self)


class ModelSwitch(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="model_switch"):
    """Serve the route with another model."""

    from_model: Name
    to_model: Name
    reason: Text


class ParameterAdjustment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="parameter_adjustment"):
    """Set tuned parameters to new values."""

    parameters: tuple[ParameterChange, ...]
    reason: Text


class PromptVariant(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="prompt_variant"):
    """Give a prompt variant a share of the traffic; a share of one promotes it."""

    variant: Name
    share: Unit
    reason: Text = ""


class StartExperiment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="start_experiment"):
    """Begin an experiment over variants with the given shares, the first being the control.

    `challengers` holds for each of the other variants what it changes in the configuration. `alpha` is the error
    budget of the whole experiment and `planned_pairs` the scored requests per arm it is planned for. `allocation` is
    `fixed`, or names the rule by which later orders change the shares; the challengers together never get more than
    `most`. `yields` marks an exploration: it ends when another change is to be made. `context` holds the features that
    the first shares were drawn for.
    """

    experiment_id: Identifier
    variants: Annotated[tuple[Name, ...], Meta(min_length=2)]
    shares: tuple[Unit, ...]
    reason: Text = ""
    challengers: dict[Name, ConfigurationChanges] = {}
    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    planned_pairs: Annotated[float, Meta(gt=0.0)] = 1_000.0
    allocation: Name = "fixed"
    most: Unit = 0.0
    yields: bool = False
    context: dict[Name, float] = {}

    @property
    def exposure(self) -> float:
        """The largest share of the traffic that the challengers together may get."""
        return max(1.0 - self.shares[0], self.most)


class ConcludeExperiment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="conclude_experiment"):
    """End an experiment; no winner means that the control stays."""

    experiment_id: Identifier
    winner: Name | None = None
    reason: Text = ""


class Rollback(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="rollback"):
    """Return to a configuration known to be good, undoing `reverts` where one decision is to blame."""

    target_configuration_id: Identifier
    reverts: Identifier | None = None
    reason: Text


class CircuitBreak(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="circuit_break"):
    """Take traffic off the failing configuration for a while, all of it by default; optimisation of the scope pauses.

    What is taken off goes to `refuge`, or to the route's own fallback where none is named.
    """

    duration_ms: Annotated[int, Meta(gt=0)]
    reason: Text
    share: Share = 1.0
    refuge: Configuration | None = None


DecisionType = (
    ModelSwitch | ParameterAdjustment | PromptVariant | StartExperiment | ConcludeExperiment | Rollback | CircuitBreak
)

DECISION_KINDS: dict[type, str] = {
    ModelSwitch: "model_switch",
    ParameterAdjustment: "parameter_adjustment",
    PromptVariant: "prompt_variant",
    StartExperiment: "start_experiment",
    ConcludeExperiment: "conclude_experiment",
    Rollback: "rollback",
    CircuitBreak: "circuit_break",
}

SAFETY_KINDS = frozenset({"rollback", "circuit_break"})
"""Kinds that pre-empt others and pass the cooldown, the improvement rule and an open breaker (spec, 31 and 149)."""


class Interval(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """An interval for a quantity, with the level it holds at; `low` <= `high`."""

    low: float
    high: float
    level: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.95


class ImpactEstimate(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Predicted relative change of one metric against the present: 0.1 is ten percent more, 2.0 three times.

    `interval` is None where nothing but a point is known; a strategy with no data says so rather than (0, 0).
    """

    delta: Ratio
    interval: Interval | None = None


class PredictedImpact(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Relative change expected of quality, cost and p95 latency; None where no prediction is made."""

    quality: ImpactEstimate | None = None
    cost: ImpactEstimate | None = None
    latency: ImpactEstimate | None = None


class Evidence(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Why the claim behind a decision may be believed.

    `method` names the rule (`hard_limit`, `sequential_alarm`, `posterior_utility`, ...); `error_budget` is
    the probability, or for alarms the rate per window, at which the method errs when nothing is wrong;
    `samples` counts the observations used; `statistic` and `threshold` are in the units of the method. Where the
    claimed gain is a sum (a utility, an objective, a linear model), `contributions` are its terms by name, exactly.
    """

    method: Name
    metric: Metric | None = None
    samples: Count = 0
    statistic: float | None = None
    threshold: float | None = None
    interval: Interval | None = None
    error_budget: float | None = None
    detail: Text = ""
    contributions: dict[Name, float] = {}


class Alternative(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Something considered and not chosen, with the code of the reason and its number."""

    what: Name
    code: Name
    detail: Text = ""
    value: float | None = None


class Proposal(Struct, frozen=True, gc=False, kw_only=True):
    """A strategy's idea, before validation.

    `confidence` is the probability that the claim of improvement holds, under the stated evidence; None where the
    decision type makes no such claim (safety decisions rest on `evidence`, exploration on risk).
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    strategy: Name
    priority: int
    decision: DecisionType
    changes: ConfigurationChanges = ConfigurationChanges()
    impact: PredictedImpact = PredictedImpact()
    confidence: Unit | None = None
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    insight_id: Identifier
    based_on_configuration_id: Identifier
    would_flip: Text = ""
    # Filled from the header of the record; absent without a trace.
    traceparent: Traceparent | UnsetType = UNSET

    @property
    def kind(self) -> str:
        """The decision type's name, as in `DECISION_KINDS`."""
        return DECISION_KINDS[type(self.decision)]

    @property
    def is_safety(self) -> bool:
        """True for rollbacks and circuit breaks."""
        return self.kind in SAFETY_KINDS

    @property
    def is_experiment(self) -> bool:
        """True for the start and the end of an experiment, which have evidence rules of their own."""
        return isinstance(self.decision, StartExperiment | ConcludeExperiment)


class Check(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """One validation check: what was found against what was allowed."""

    name: Name
    passed: bool
    detail: Text = ""
    found: float | None = None
    allowed: float | None = None


class Risk(Struct, frozen=True, gc=False, kw_only=True):
    """Risk score in [0, 1] and its factors, each in [0, 1] (spec, 29)."""

    level: RiskLevel
    score: Unit
    exposure: Unit
    worst_case: Unit
    reversibility: Unit
    novelty: Unit


class Decision(Struct, frozen=True, gc=False, kw_only=True):
    """A validated proposal with its identity, its checks and the policy it was judged under.

    `id` is a UUIDv5 of what caused it: the same events give the same ids. `sequence` rises by one per decision of
    the scope, so that a consumer can refuse stale ones. `expires_at_ms` is when an unexecuted decision is void. `trace`
    is the id of the trace that led here, empty without one.
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    sequence: Count
    at_ms: EventTime
    strategy: Name
    decision: DecisionType
    changes: ConfigurationChanges
    impact: PredictedImpact
    confidence: Unit | None
    risk: Risk
    evidence: tuple[Evidence, ...]
    checks: tuple[Check, ...]
    alternatives: tuple[Alternative, ...]
    insight_id: Identifier
    proposal_id: Identifier
    from_configuration_id: Identifier
    to_configuration_id: Identifier
    expires_at_ms: EventTime
    policy_hash: Name
    engine_version: Name
    would_flip: Text = ""
    trace: Text = ""
    # The strategy's own prediction, where past outcomes corrected it; `impact` is what was judged.
    said: PredictedImpact | None = None
    # Share of the traffic that a change is served at first; None for what changes no configuration in full use.
    first_weight: Unit | None = None
    # What each part of a weighted sum brings to the claimed gain; they add up to it.

    @property
    def kind(self) -> str:
        """The decision type's name, as in `DECISION_KINDS`."""
        return DECISION_KINDS[type(self.decision)]

    @property
    def is_safety(self) -> bool:
        """True for rollbacks and circuit breaks."""
        return self.kind in SAFETY_KINDS

    @property
    def held_facets(self) -> tuple[Facet, ...]:
        """Facets that nobody else may touch meanwhile.

        What it changes, and everything while an experiment runs or traffic is taken off. An exploration holds none: it
        ends when somebody else has a change to make.
        """
        if self.yields:
            return ()
        return tuple(Facet) if isinstance(self.decision, StartExperiment | CircuitBreak) else self.changes.facets

    @property
    def yields(self) -> bool:
        """Whether it gives way to every other change."""
        return isinstance(self.decision, StartExperiment) and self.decision.yields
