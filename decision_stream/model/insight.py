"""What the analyzer tells the engine about one scope and one window of time (seed §8.1)."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .configuration import Configuration
from .metrics import Cost, ModelEstimate, Performance, Quality
from .scalars import EventTime, Identifier, Name, Ratio, ScopeName, Text, Unit, Usd
from .trace import Traceparent


class Metric(StrEnum):
    """The measured properties of a route that strategies and guards speak of."""

    QUALITY = "quality"
    COST = "cost"
    LATENCY = "latency"
    ERRORS = "errors"


class Severity(StrEnum):
    """How bad, in rising order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Drift(Struct, frozen=True, gc=False, kw_only=True):
    """The analyzer's own finding that a distribution moved; the engine's detectors judge for themselves."""

    metric: Metric
    score: Unit


class Anomaly(Struct, frozen=True, gc=False, kw_only=True):
    """One unusual observation; `episode` groups observations of the same incident."""

    metric: Metric
    severity: Severity
    observed: float
    expected: float
    episode: Identifier | None = None


class Recommendation(Struct, frozen=True, gc=False, kw_only=True):
    """A hint of the analyzer: a candidate for strategies, never a command (spec: traced in explanations)."""

    action: Name
    expected_impact: Ratio = 0.0
    confidence: Unit | None = None


class Hints(Struct, frozen=True, gc=False, kw_only=True):
    """What the analyzer knows and the engine cannot derive; None means not said.

    Time since the last change, running experiments and the like are engine state and are never taken from outside.
    """

    optimization_opportunity: bool | None = None
    cost_pressure: bool | None = None
    performance_degradation: bool | None = None
    performance_suboptimal: bool | None = None
    feedback_available: bool | None = None


class Budget(Struct, frozen=True, gc=False, kw_only=True):
    """Money of the scope for the current day (seed §9); a limit of zero is refused, never divided by."""

    daily_limit_usd: Annotated[float, Meta(gt=0.0, le=1e9)]
    spent_usd: Annotated[float, Meta(ge=0.0, le=1e9)]
    resets_at_ms: EventTime
    per_request_limit_usd: Usd | None = None


class Insight(Struct, frozen=True, gc=False, kw_only=True):
    """The analysis of one window of one scope; the event that decisions are made on.

    `at_ms` is the end of the window. `configuration` is what the analyzer saw in use: the engine adopts it for
    a scope it has never seen and otherwise trusts its own record.
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    window_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    performance: Performance
    cost: Cost
    quality: Quality
    stability: Unit = 1.0
    configuration: Configuration | None = None
    drift: Drift | None = None
    anomalies: Annotated[tuple[Anomaly, ...], Meta(max_length=50)] = ()
    recommendations: Annotated[tuple[Recommendation, ...], Meta(max_length=50)] = ()
    candidates: Annotated[tuple[ModelEstimate, ...], Meta(max_length=50)] = ()
    budget: Budget | None = None
    hints: Hints = Hints()
    # Share of the window's requests by kind of task, language or customer; the policy names those it makes features of.
    segments: Annotated[dict[Name, Unit], Meta(max_length=50)] = {}
    source: Text = ""
    # Filled from the header of the record; absent without a trace.
    traceparent: Traceparent | UnsetType = UNSET
