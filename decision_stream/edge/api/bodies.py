"""Bodies of requests and answers. What lies inside decisions, records and views is told by the files of schemas/."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ...model.command import Autonomy
from ...model.lifecycle import DecisionState

Anything = dict[str, Any]
Variant = Annotated[str, Field(min_length=1, max_length=128)]
Reason = Annotated[str, Field(max_length=1_000, description="why; it stands in the audit trail")]


class Order(BaseModel):
    """An order about a decision: why, and the state that the caller saw."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason = ""
    expected_state: DecisionState | None = None


class PinOrder(BaseModel):
    """Fix the configuration of a scope, or free it."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["pin", "unpin"]
    reason: Reason = ""


class PromptOrder(BaseModel):
    """Put prompt variants up for experiments, or take them off the list."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["offer", "withdraw"]
    variants: Annotated[list[Variant], Field(min_length=1, max_length=20)]
    reason: Reason = ""


class AutonomyOrder(BaseModel):
    """Set how much the engine may do alone on a scope."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["autonomy"]
    level: Autonomy
    reason: Reason = ""


ScopeOrder = Annotated[PinOrder | PromptOrder | AutonomyOrder, Field(discriminator="action")]


class Submission(BaseModel):
    """Insights to decide on, as the engine's topic has them.

    `context` is what the seed's client sends beside them; it is not trusted and not used: the engine's record wins.
    """

    model_config = ConfigDict(extra="forbid")
    insights: Annotated[list[Anything], Field(min_length=1, max_length=50)]
    context: Anything | None = None


class Taken(BaseModel):
    """An order that the broker has. `verdict` and `reasons` are told when it was waited for and applied."""

    command_id: str
    verdict: str | None = None
    reasons: list[Anything] = []


class Submitted(BaseModel):
    """An insight that the broker has, under the id the engine knows it by; the rest when it was waited for."""

    insight_id: str
    scope: str
    verdict: str | None = None
    reasons: list[Anything] = []
    decision_ids: list[str] = []


class Submissions(BaseModel):
    """What became of submitted insights, in their order."""

    items: list[Submitted]


class Replayed(BaseModel):
    """A dead letter that was sent back to where it came from."""

    id: str
    topic: str


class DecisionRow(BaseModel):
    """A decision in a list."""

    id: str
    scope: str
    at_ms: int
    kind: str
    strategy: str
    state: str


class DecisionPage(BaseModel):
    """Decisions, newest first; `next` is the cursor of the following page, None on the last."""

    items: list[DecisionRow]
    next: str | None = None


class Move(BaseModel):
    """A move of a decision from state to state; `actor` of None is the engine itself."""

    at_ms: int
    from_state: str
    to_state: str
    reason: str
    actor: str | None = None


class DecisionBody(DecisionRow):
    """A decision with its proposal, its record (None for one that was refused), its moves and its orders.

    `deadline_ms` is when something happens to it by itself, `remaining_ms` how long until then; None when it is over.
    """

    proposal: Anything | None
    decision: Anything | None
    deadline_ms: int | None = None
    remaining_ms: int | None = None
    transitions: list[Move]
    orders: list[Anything]


class DecisionBodies(BaseModel):
    """Whole decisions, newest first."""

    items: list[DecisionBody]
    next: str | None = None


class Explanation(BaseModel):
    """Why: the claim, its evidence, what was considered, what each check found, what would have flipped it."""

    id: str
    state: str
    claim: Anything | None
    changes: Anything | None
    predicted_impact: Anything | None
    confidence: float | None
    risk: Anything | None
    evidence: list[Anything]
    checks: list[Anything]
    considered: list[Anything]
    would_flip: str
    history: list[Move]


class ExperimentRow(DecisionRow):
    """A decision to experiment; `running` while its arms are served, `course` what was measured, when that is known.

    `course` has the sums of each arm, the comparison of each challenger with its interval, the ratio of the samples,
    why it is not over yet (`status`), and in `points` how the intervals moved.
    """

    running: bool
    experiment_id: str | None
    course: Anything | None


class ExperimentPage(BaseModel):
    """Experiments, newest first."""

    items: list[ExperimentRow]
    next: str | None = None


class ExperimentBody(ExperimentRow):
    """An experiment with the decision that concluded it, when one did."""

    decision: Anything | None
    transitions: list[Move]
    conclusion: DecisionBody | None


class ScopeRow(BaseModel):
    """A scope in a list; what is drawn from its stored state is None until that has been read."""

    scope: str
    at_ms: int
    events: int
    model: str | None = None
    breaker: str | None = None
    autonomy: str | None = None
    pinned_by: str | None = None
    experiment_id: str | None = None
    live_decisions: int | None = None


class ScopePage(BaseModel):
    """Scopes by name; `next` is the cursor of the following page."""

    items: list[ScopeRow]
    next: str | None = None


class Saved(BaseModel):
    """Money saved by adopted changes: what each saved per request in its ramp, times what was served since."""

    estimate_usd: float
    low_usd: float
    high_usd: float
    level: float


class ScopeBody(BaseModel):
    """All of a scope: configuration and history, experiment, ramps, breaker, counters, tombstones, trials."""

    model_config = ConfigDict(extra="allow")
    scope: str
    at_ms: int
    events: int
    configuration: Anything
    breaker: Anything
    saved: Saved | None = None


class ConfigurationBody(BaseModel):
    """The configuration in use, since when, and those before it, newest first."""

    id: str | None
    configuration: Anything | None
    changed_at_ms: int | None
    history: list[Anything]


class BreakerBody(BaseModel):
    """The pause of optimisation (`closed` lets pass, `half_open` admits one probe), of all scopes, and of the route.

    `fleet_pause` is the newest pause of all scopes that the scope was told of; it is over at its `lapses_ms`.
    """

    state: str
    until_ms: int | None
    opens: int
    probe_id: str | None
    fleet_pause: Anything | None
    route_broken_until_ms: int | None


class BudgetBody(BaseModel):
    """Money of the scope for the day, as the newest insight with a budget told it; None while none did."""

    scope: str
    at_ms: int | None = None
    daily_limit_usd: float | None = None
    spent_usd: float | None = None
    resets_at_ms: int | None = None
    per_request_limit_usd: float | None = None


class FrontierBody(BaseModel):
    """What is known of each model; on the front is what no other beats in quality, cost and p95 latency together."""

    scope: str
    in_use: str | None
    models: list[Anything]


class Course(BaseModel):
    """How the weight, the guards and the gain of a ramp, or the intervals of an experiment, moved."""

    model_config = ConfigDict(extra="allow")
    id: str
    points: list[Anything]


class AuditPage(BaseModel):
    """Journal records of a scope, newest first."""

    items: list[Anything]
    next: int | None = None


class StrategyRow(BaseModel):
    """A strategy with its priority under the policy in force."""

    name: str
    priority: int
    complete: bool
    enabled: bool


class StrategyPage(BaseModel):
    """The strategies by name."""

    items: list[StrategyRow]


class Rates(BaseModel):
    """What became of ideas; a rate is None where nothing could have counted.

    A change is a decision that was ordered, alters the configuration and is over. It is a win when it held its guards
    to the end, was not taken back since and its measured gain is above zero. `improvement` is the mean measured gain,
    in weighted logarithms of the ratios of quality, cost and latency against the concurrent control.
    `latency_ms` is the mean time from verdict to first order, in the events' time: what waiting for a person costs.
    """

    decisions: int
    accepted: int
    changes: int
    wins: int
    win_rate: float | None
    improvement: float | None
    rollback_rate: float | None
    latency_ms: float | None


class StrategyBody(StrategyRow, Rates):
    """A strategy with how its ideas ended."""


class Statistics(Rates):
    """Counts of the decisions that are kept, and rates over all there ever were; `saved` is added up every 10 s."""

    saved: Saved | None = None

    by_state: dict[str, int]
    by_kind: dict[str, int]
    by_strategy: dict[str, int]
    strategies: dict[str, Rates]


class Letter(BaseModel):
    """A dead letter: where it came from, what was wrong with it, and its untouched bytes in base64."""

    id: str
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    code: str
    reason: str
    engine_version: str
    key: str | None = None
    value: str | None = None


class LetterPage(BaseModel):
    """Dead letters, newest first, without their bytes."""

    items: list[Letter]
    next: str | None = None


class Health(BaseModel):
    """`ready` once the read model has caught up."""

    status: Literal["ready", "catching up"]
    version: str


class PolicyBody(BaseModel):
    """The policy that this API assumes, with its hash; decisions carry the hash of the one they were made under."""

    hash: str
    policy: Anything
