"""What the engine remembers of one scope, in two parts: hot, changed by every event, and cold, changed by decisions.

The split keeps the changelog small: a quiet insight writes the hot part only. `HotState` is encoded without field
names, so its fields keep their order and new ones go to the end.
"""

from enum import StrEnum

from msgspec import Struct

from ..stats.blocks import Blocks
from ..stats.calibration import Calibration
from ..stats.empirical_bernstein import DifferenceEvidence
from ..stats.false_discovery import Ledger
from ..stats.moments import Moments
from .command import Autonomy
from .configuration import Configuration, ConfigurationChanges, Facet
from .decision import Decision
from .knowledge import Aggregate, Knowledge, Told
from .lifecycle import DecisionState
from .metrics import ArmSample, ModelEstimate


class Watch(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """A hard limit: for how many windows in a row it has been broken, and whether it is firing."""

    windows: int = 0
    firing: bool = False


class Alarm(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """A sequential alarm.

    Its frozen baseline over windows, the running statistics, and for how many windows it fires. `loads` is what is
    usual at each load where the metric depends on it (packed by `stats.like_load`). After a change whose ramp told how
    quality moves, the baseline is that of before, moved, until as many windows were seen anew: these are `fresh`.
    """

    baseline: Moments = Moments()
    statistics: tuple[float, ...] = ()
    firing_windows: int = 0
    loads: bytes = b""
    fresh: Moments | None = None


class Live(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """Recent measurements of the configuration in use, with exponential forgetting; sums over requests.

    `weight` is the effective number of windows behind the means.
    """

    weight: float = 0.0
    requests: float = 0.0
    quality: float = 0.0
    quality_stddev: float = 0.0
    quality_samples: float = 0.0
    cost_usd: float = 0.0
    cost_stddev_usd: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    error_rate: float = 0.0


class Purse(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """The scope's budget as last told, and the measured rate of spending; `is_over` when too much will be spent."""

    limit_usd: float
    spent_usd: float
    told_at_ms: int
    resets_at_ms: int
    per_request_limit_usd: float | None = None
    usd_per_ms: float = 0.0
    is_over: bool = False


class Company(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """The models not in use, as the analyzer tells of them, beside the quality of the one in use.

    `average` is their mean quality in the newest report, of `others` models and `size` answers in all. It moves by
    `drift` from report to report, as the hours of the day go; `square` is the mean square of what its movements differ
    from that, over `reports` in which nothing happened. Since the alarm of quality began to rise it moved by `moved`
    beyond its drift in `since` reports, while the one in use lost `lost` points over `windows`, both as sums.
    `is_other_work` tells whether requests cost otherwise than usual meanwhile. `excused` points of quality were lost by
    all alike and are not held against the one in use; `excused_at_ms` is when that was found, and `ratio` the log
    likelihood ratio behind it.
    """

    others: int = 0
    average: float = 0.0
    size: float = 0.0
    reports: int = 0
    drift: float = 0.0
    square: float = 0.0
    moved: float = 0.0
    since: int = 0
    windows: int = 0
    lost: float = 0.0
    excused: float = 0.0
    excused_at_ms: int = 0
    ratio: float = 0.0
    is_other_work: bool = False


class HotState(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """The part every event may change. `at_ms` is engine time: the latest event time seen."""

    at_ms: int = 0
    insight_at_ms: int = 0
    windows: int = 0
    live: Live = Live()
    watches: dict[str, Watch] = {}
    alarms: dict[str, Alarm] = {}
    episodes: dict[str, int] = {}
    drift: bytes = b""
    drift_pending: tuple[float, ...] = ()
    drifted_at_ms: int = 0
    # Requests of all windows so far.
    served: float = 0.0
    # Features of the newest window, little-endian float32 in the order of `strategies.context`; empty without a bandit.
    context: bytes = b""
    purse: Purse | None = None
    # None while the analyzer tells of no other model.
    company: Company | None = None


class Saving(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """What an adopted change saves: US dollars per request with their standard error, as measured in its ramp.

    `from_requests` and `to_requests` are what the scope had served when it was adopted and undone; None while in use.
    """

    decision_id: str
    per_request_usd: float
    error_usd: float
    from_requests: float
    to_requests: float | None = None


class ConfigurationVersion(Struct, frozen=True, gc=False, kw_only=True):
    """A configuration that was in full use, since when, by which decision, and whether it held its guards.

    `quality` is the logarithm of its quality over that of the scope's first configuration, as the ramps between them
    measured it.
    """

    configuration: Configuration
    since_ms: int
    decision_id: str | None = None
    healthy: bool = False
    quality: float = 0.0


class Ramp(Struct, frozen=True, gc=False, kw_only=True):
    """Progress of a change towards full traffic.

    `treatment` and `control` are the sums of both arms over the whole ramp, `step_treatment` and `step_control` those
    since the weight was last changed, and `blocks` what the guards keep of the steps before, by metric.
    """

    step: int = 0
    weight: float = 0.0
    started_at_ms: int = 0
    step_at_ms: int = 0
    acknowledged: bool = False
    treatment: ArmSample = ArmSample()
    control: ArmSample = ArmSample()
    step_requests: int = 0
    step_treatment: ArmSample = ArmSample()
    step_control: ArmSample = ArmSample()
    blocks: dict[str, Blocks] = {}


class LiveDecision(Struct, frozen=True, gc=False, kw_only=True):
    """A decision that is not yet over. `deadline_ms` is when a tick must act on it; never absent."""

    decision: Decision
    state: DecisionState
    since_ms: int
    deadline_ms: int
    step: int = 0
    ramp: Ramp | None = None
    reverted_by: str | None = None
    approved_by: str | None = None
    # What it may cost beyond the present spending until the budget starts anew.
    reserved_usd: float = 0.0


class PendingProposal(Struct, frozen=True, gc=False, kw_only=True):
    """A proposal on its way to validation: its facets are taken until it arrives or times out."""

    id: str
    kind: str
    facets: tuple[Facet, ...]
    deadline_ms: int


class ClosedDecision(Struct, frozen=True, gc=False, kw_only=True):
    """What is kept of a decision that is over."""

    id: str
    kind: str
    strategy: str
    state: DecisionState
    decided_at_ms: int
    closed_at_ms: int
    from_configuration_id: str
    to_configuration_id: str
    gain: float | None = None


class Period(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """A time of constant shares: the order's step, when it was ordered, the shares and the context they were drawn for.

    Shares are in the order of the experiment's, which makes them the propensities of its arms; `context` is
    little-endian float64, empty where no bandit drew them. `units` are the requests reported so far.
    """

    step: int
    at_ms: int
    shares: tuple[float, ...]
    context: bytes = b""
    units: tuple[float, ...] = ()


class Experiment(Struct, frozen=True, gc=False, kw_only=True):
    """A running experiment: what was planned, and the sums of each arm since it began.

    `shares` are by arm, the control under the name "control". `mismatch` is the largest evidence so far (natural
    logarithm) that units do not arrive in these shares. `number` counts the scope's experiments from 1.

    Where shares follow outcomes, `periods` are the newest times of constant shares, so that a late report is credited
    to its own; `mismatch_before` is the evidence of the periods that were dropped, `blocks` what the guards keep
    (packed by `engine.allocation`) and `evidence` what is known of each challenger's gain, by challenger.

    `candidate` is the challenger that won and is now tested once more, from sums that began with the order of `step`;
    empty in the first test. `test` is the number of that test in the scope's purse of false discoveries, 0 without one.
    """

    id: str
    decision_id: str
    strategy: str
    number: int
    shares: dict[str, float]
    challengers: dict[str, ConfigurationChanges]
    alpha: float
    planned_pairs: float
    started_at_ms: int
    samples: dict[str, ArmSample] = {}
    mismatch: float = 0.0
    allocation: str = "fixed"
    most: float = 0.0
    yields: bool = False
    periods: tuple[Period, ...] = ()
    mismatch_before: float = 0.0
    blocks: dict[str, bytes] = {}
    evidence: dict[str, DifferenceEvidence] = {}
    candidate: str = ""
    test: int = 0
    step: int = 0


class BanditArm(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """What is known of one arm.

    The packed sums of the linear model (see `stats.bandits.linear.Arm`), or `successes` and `failures` where rewards
    have no context. `suspicions` are the statistics of the bets against it, by which a change is noticed (see
    `stats.bandits.reset`).
    """

    information: bytes = b""
    response: bytes = b""
    weight: float = 0.0
    touched: int = 0
    successes: float = 0.0
    failures: float = 0.0
    # A number here is one of two CUSUMs that were kept before: nothing is suspected.
    suspicions: tuple[float, ...] | float = ()


class Bandit(Struct, frozen=True, gc=False, kw_only=True):
    """What was learnt of the configurations that this scope may be served with, by configuration id.

    `shape` names algorithm and features: under another the arms start anew. `evidence` is the gain of an arm over the
    configuration `reference`, which is void when another comes into use. `price` is that of money (see
    `stats.bandits.pacing`), `spent_usd` what exploring cost on `spent_day`, days since 1970, beyond the configuration
    in use.
    """

    shape: str = ""
    clock: int = 0
    residual: float = 0.0
    residual_weight: float = 0.0
    arms: dict[str, BanditArm] = {}
    reference: str = ""
    evidence: dict[str, DifferenceEvidence] = {}
    price: float = 0.0
    spent_usd: float = 0.0
    spent_day: int = 0
    explored_at_ms: int = 0
    # Explorations in a row that proved nothing: the rest doubles with each.
    fruitless: int = 0


class Trial(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """A tried setting of tuned parameters: its relative gain in the objective, the gain's standard error, and when."""

    parameters: dict[str, float]
    gain: float
    error: float
    at_ms: int


class Tombstone(Struct, frozen=True, gc=False, kw_only=True):
    """A change that failed: not proposed again until `until_ms`; `failures` lengthens the next one."""

    until_ms: int
    failures: int = 1


class BreakerState(StrEnum):
    """Closed lets optimisation pass, open does not, half open admits one probe (seed §7.3)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker(Struct, frozen=True, gc=False, kw_only=True):
    """The pause of optimisation on a scope; `opens` lengthens the next one."""

    state: BreakerState = BreakerState.CLOSED
    until_ms: int = 0
    opens: int = 0
    probe_id: str | None = None


class Recovery(Struct, frozen=True, gc=False, kw_only=True):
    """Metrics that a rollback must bring back within their limits by the deadline; `well` windows in a row were."""

    decision_id: str
    metrics: tuple[str, ...]
    deadline_ms: int
    well: int = 0


class Measured(Struct, frozen=True, gc=False, kw_only=True):
    """What an arm of a ramp showed of a model, and when."""

    estimate: ModelEstimate
    at_ms: int


class StrategyHealth(Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """Faults of one strategy on a scope: all of them, those within the window, and its pause; `opens` lengthens it."""

    faults: int = 0
    recent_ms: tuple[int, ...] = ()
    opens: int = 0
    paused_until_ms: int = 0


class Totals(Struct, frozen=True, gc=False, kw_only=True):
    """What became of one strategy's ideas on a scope (seed §9, whose terms were undefined).

    `proposed` ideas left evaluation, `accepted` ones were ordered at least once, `ended` decisions are over. A *change*
    is an accepted decision that alters the configuration and is over. A change is a *win* when it held its guards to
    the end, was not taken back since, and its measured `gain` is above zero: the weighted logarithms of the ratios of
    quality, cost and latency against the concurrent control. `measured` counts the changes with enough data, so that
    gain / measured is the mean improvement. The win rate is wins / changes, the rollback rate rolled_back / changes,
    where rolled back includes failed rollbacks. `failures` counts all harmful ends. `waited_ms` runs from the verdict
    to the first order (approval), `ran_ms` from the verdict to the end, both in the events' time.
    """

    proposed: int = 0
    accepted: int = 0
    ended: int = 0
    changes: int = 0
    wins: int = 0
    failures: int = 0
    rolled_back: int = 0
    measured: int = 0
    gain: float = 0.0
    waited_ms: int = 0
    ran_ms: int = 0


class Counters(Struct, frozen=True, gc=False, kw_only=True):
    """Totals of the scope since it was first seen, by terminal state and strategy (seed §9, DecisionStatistics)."""

    by_state: dict[str, int] = {}
    by_strategy: dict[str, int] = {}
    totals: dict[str, Totals] = {}


class ColdState(Struct, frozen=True, gc=False, kw_only=True):
    """The part that changes with decisions, outcomes and commands."""

    configuration: Configuration | None = None
    history: tuple[ConfigurationVersion, ...] = ()
    changed_at_ms: int | None = None
    estimates: dict[str, ModelEstimate] = {}
    pending: tuple[PendingProposal, ...] = ()
    live: tuple[LiveDecision, ...] = ()
    closed: tuple[ClosedDecision, ...] = ()
    tombstones: dict[str, Tombstone] = {}
    breaker: Breaker = Breaker()
    route_broken_until_ms: int = 0
    autonomy: Autonomy | None = None
    pinned_by: str | None = None
    decision_sequence: int = 0
    counters: Counters = Counters()
    # Ids of the newest outcomes and commands, so that a repeated one is recognised.
    seen: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    experiment: Experiment | None = None
    experiments_begun: int = 0
    # Tests that could name a winner, and those that did: what the next one may spend follows from it.
    ledger: Ledger = Ledger()
    # What was tried to its end, as `model:variant`: another model is another world.
    tried: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    tuned_at_ms: int = 0
    # Of the strategies that ever failed on this scope.
    strategies: dict[str, StrategyHealth] = {}
    # How predictions came true, by `strategy:part`.
    calibrations: dict[str, Calibration] = {}
    recovery: Recovery | None = None
    savings: tuple[Saving, ...] = ()
    bandit: Bandit = Bandit()
    # Who offered the variants.
    offered_by: dict[str, str] = {}
    # What ramps showed of models, newest 20.
    measured: dict[str, Measured] = {}
    # What the scope has told aggregates, and what it has heard from them.
    told: Told = Told()
    knowledge: Knowledge = Knowledge()
    # What an aggregate has gathered; None for a scope.
    aggregate: Aggregate | None = None


class ScopeState(Struct, frozen=True, gc=False, kw_only=True):
    """All that is known of one scope. A part that did not change is the same object, so that it is not written."""

    scope: str
    hot: HotState = HotState()
    cold: ColdState = ColdState()

    def next_deadline_ms(self) -> int | None:
        """The earliest moment at which a tick would change something; None when nothing waits."""
        deadlines = [live.deadline_ms for live in self.cold.live]
        deadlines += [pending.deadline_ms for pending in self.cold.pending]
        if self.cold.breaker.state is BreakerState.OPEN:
            deadlines.append(self.cold.breaker.until_ms)
        if self.cold.recovery is not None:
            deadlines.append(self.cold.recovery.deadline_ms)
        if self.cold.route_broken_until_ms:
            deadlines.append(self.cold.route_broken_until_ms)
        return min(deadlines, default=None)
