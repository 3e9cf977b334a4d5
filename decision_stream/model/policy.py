"""The rules the engine decides by: every knob with its unit, default and reason.

Defaults are the seed's (appendix A) where the seed speaks and is sound; where it is not, the comment says why.
`hash` names a policy in every decision made under it.
"""

from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from math import log
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ..stats.bandits import setting
from .command import Autonomy
from .configuration import Configuration
from .decision import RiskLevel
from .knowledge import Slot
from .metrics import ModelEstimate
from .scalars import Count, Millis, Name, Share, Unit, Usd

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
DurationMs = Annotated[int, Meta(ge=0, le=366 * DAY_MS)]


class OnPin(StrEnum):
    """What a pin does to a change that is under way: hold it at its weight, or take it back."""

    HOLD = "hold"
    ROLL_BACK = "roll_back"


class Response(StrEnum):
    """What the safety strategy does about a finding (seed §4.5)."""

    ALERT = "alert"
    ROLLBACK = "rollback"
    CIRCUIT_BREAK = "circuit_break"
    SWITCH_TO_SAFE = "switch_to_safe"
    REDUCE_TRAFFIC = "reduce_traffic"


class EnginePolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Limits of the engine as a whole."""

    # Changes in execution at once on one scope; the seed's 10 is not a rate of decisions.
    max_concurrent_decisions: Annotated[int, Meta(ge=1, le=100)] = 10
    # How long an order may stay unacknowledged before it counts as failed.
    decision_timeout_ms: DurationMs = 30 * SECOND_MS
    # A proposal that was not validated by then is void. Long, because while a backlog is worked off, a scope's event
    # time runs far ahead of its proposals.
    proposal_timeout_ms: DurationMs = HOUR_MS
    enable_auto_rollback: bool = True
    # A waiting decision is void after this: the world it was judged in is gone.
    approval_timeout_ms: DurationMs = HOUR_MS
    # A held ramp may not be forgotten: it is undone after this.
    pause_timeout_ms: DurationMs = 4 * HOUR_MS
    # What a rollback was for must be well again by then, or a human is called.
    recovery_timeout_ms: DurationMs = 30 * MINUTE_MS


class Limits(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Hard limits on a route (seed §4.5). Success rate is one minus error rate and not checked twice."""

    min_success_rate: Unit = 0.95
    max_error_rate: Unit = 0.05
    max_latency_p95_ms: Millis = 5_000.0
    min_quality_score: Unit = 0.7
    max_cost_per_request_usd: Usd = 0.5
    # A limit must be broken for this many windows in a row, each with enough requests: one bad sample is no incident.
    for_windows: Annotated[int, Meta(ge=1, le=100)] = 3
    min_requests: Count = 30
    # A firing limit is cleared only when the value is back inside by this share of the limit.
    hysteresis: Unit = 0.05


class DegradationPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Sequential alarm against a frozen baseline, per metric."""

    # Promised mean number of windows between false alarms per metric: ten weeks of one-minute windows.
    average_run_length: Annotated[float, Meta(ge=10.0, le=1e12)] = 100_000.0
    # Windows that make a baseline before the alarm is armed.
    baseline_windows: Annotated[int, Meta(ge=10, le=10_000)] = 30
    # Changes smaller than these are no degradation, however certain: a share of the baseline quality, points of the
    # error rate, a share of the baseline p95 latency (which breathes with the daily load).
    min_quality_drop: Unit = 0.03
    min_error_rise: Unit = 0.02
    min_latency_rise: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.5
    # A rise of the cost per request that gives occasion to compare the models anew; it is never undone by an alarm.
    min_cost_rise: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.25
    # A loss of quality that is not grave waits this long for word of the other models, where the analyzer tells of
    # them: if they lose it too, the requests or their judge changed, and not the model in use.
    company_wait_ms: DurationMs = 2 * HOUR_MS
    # A change of ours this recent is blamed first.
    attribution_ms: DurationMs = 6 * HOUR_MS


class DriftPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Drift detection by ADWIN on window means of quality."""

    algorithm: Literal["adwin"] = "adwin"
    delta: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.002
    window_size: Annotated[int, Meta(ge=10, le=100_000)] = 1_000


class Responses(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Answer to each kind of finding; the duration is that of a circuit break (missing in the seed)."""

    on_degradation: Response = Response.ROLLBACK
    on_drift: Response = Response.ALERT
    on_anomaly: Response = Response.CIRCUIT_BREAK
    on_threshold_violation: Response = Response.ROLLBACK
    circuit_break_ms: DurationMs = 5 * MINUTE_MS
    # Each break of the same route within an hour of the last is twice as long, up to this.
    max_circuit_break_ms: DurationMs = HOUR_MS
    # Where `switch_to_safe` goes and `reduce_traffic` sends what it takes off; without one, to the last configuration
    # known to be good.
    safe_configuration: Configuration | None = None
    # Share of the traffic that `reduce_traffic` takes off the configuration in use, for as long as a circuit break.
    reduced_share: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.5


class ThresholdPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The safety strategy."""

    enabled: bool = True
    priority: int = 200
    performance: Limits = Limits()
    degradation: DegradationPolicy = DegradationPolicy()
    drift: DriftPolicy = DriftPolicy()
    responses: Responses = Responses()


class Weights(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Weights of the objectives; they sum to one."""

    quality: Unit = 0.5
    cost: Unit = 0.3
    latency: Unit = 0.2

    def __post_init__(self) -> None:
        total = self.quality + self.cost + self.latency
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"weights sum to {total!r}, expected 1")


class ReferenceRange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Best and worst value of an objective: fixed, so that a new candidate cannot reverse a ranking."""

    ideal: float
    nadir: float
    log: bool = False

    def __post_init__(self) -> None:
        if self.ideal == self.nadir or (self.log and min(self.ideal, self.nadir) <= 0.0):
            raise ValueError(f"range {self.ideal!r}..{self.nadir!r} is empty or not positive on a log scale")

    @cached_property
    def origin(self) -> float:
        """Where the nadir lies on the scale."""
        return log(self.nadir) if self.log else self.nadir

    @cached_property
    def width(self) -> float:
        """From nadir to ideal on the scale; negative where less is better."""
        return (log(self.ideal) if self.log else self.ideal) - self.origin


class ParetoPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Choice of the model by quality, cost and latency."""

    enabled: bool = True
    priority: int = 90
    weights: Weights = Weights()
    # Below this many candidates, the one in use included, there is no frontier to speak of (the seed never used its 5).
    min_candidates: Annotated[int, Meta(ge=2, le=50)] = 2
    max_cost_threshold_usd: Usd = 1.0
    min_quality_threshold: Unit = 0.7
    max_latency_threshold_ms: Millis = 30_000.0
    quality_range: ReferenceRange = ReferenceRange(ideal=1.0, nadir=0.5)
    cost_range: ReferenceRange = ReferenceRange(ideal=0.0001, nadir=1.0, log=True)
    latency_range: ReferenceRange = ReferenceRange(ideal=100.0, nadir=30_000.0, log=True)
    # Gain in utility that pays for a switch: cold caches, warm-up, attention.
    min_gain: Unit = 0.03
    # Two-sided error probability of the always-valid interval on the gain.
    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    min_samples: Count = 100
    # Without pressure, degradation or news of a candidate, models are compared anew only this long after a change.
    reconsider_ms: DurationMs = DAY_MS
    # How long what a ramp showed of a model counts beside what the analyzer tells of it.
    measured_for_ms: DurationMs = DAY_MS
    # How much quality all changes together may give up for cost and latency, as a share of the first configuration's.
    max_quality_loss: Unit = 0.02
    # A candidate that failed is not tried again for this long; the time doubles with each failure.
    tombstone_ms: DurationMs = 6 * HOUR_MS


class FixedAllocation(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="fixed"
):
    """Shares that stay as they are; the first is the control's."""

    weights: tuple[Share, ...] = (0.5, 0.5)


class ThompsonSampling(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="thompson_sampling"
):
    """Shares that follow the posterior; a winner is slow to prove when the loser is starved."""

    prior_alpha: Annotated[float, Meta(gt=0.0, le=1e6)] = 1.0
    prior_beta: Annotated[float, Meta(gt=0.0, le=1e6)] = 1.0


class UpperConfidenceBound(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="ucb"
):
    """Most of the traffic to the highest upper bound."""

    exploration_param: Annotated[float, Meta(gt=0.0, le=100.0)] = 1.0


class EpsilonGreedy(
    Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="epsilon_greedy"
):
    """Most of the traffic to the best so far, a share to all."""

    epsilon: Share = 0.1


Allocation = FixedAllocation | ThompsonSampling | UpperConfidenceBound | EpsilonGreedy


class AbTestingPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Experiments with prompts, judged by a sequential test that allows a look at every report."""

    enabled: bool = True
    priority: int = 100
    # Chance that a whole experiment, all its challengers together, names a false winner.
    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    power: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.8
    # The smallest relative change of quality worth finding; with the spread of the scores it sets the length.
    min_effect: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.02
    # Scored requests in every arm before anything is concluded.
    min_sample_size: Annotated[int, Meta(ge=10)] = 1_000
    max_duration_ms: DurationMs = 7 * DAY_MS
    # Off: conclude at the planned size only. Harm ends an experiment either way.
    early_stopping: bool = True
    # `fixed` names winners soonest. Under shares that follow the outcomes the test is one that holds under any shares,
    # and the planned size is three times that of fixed ones.
    allocation_strategy: Allocation = FixedAllocation()
    # Least share of every arm under shares that follow the outcomes, and how often they are ordered anew.
    min_share: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.1
    allocation_interval_ms: DurationMs = 5 * MINUTE_MS
    # Prompts that any scope may try, beside those offered to one scope by command.
    variants: tuple[Name, ...] = ()
    # Challengers at once; they share alpha.
    max_challengers: Annotated[int, Meta(ge=1, le=8)] = 2
    # Windows in use before an experiment may start.
    min_windows: Count = 15
    # A winner, of a trial of parameters too, must win once more on fresh data, at an alpha from a purse that keeps the
    # share of false ones among all that a scope adopts below alpha for ever (LORD++). Under shares that follow the
    # outcomes there is one test, at that alpha.
    online_fdr: bool = True
    # Chance that a scope on which nothing makes a difference ever adopts a winner, however long it tries: what that
    # purse holds before the first winner. A tenth of it makes the first second test about a quarter longer.
    idle_alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.001


class ReinforcementPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A contextual bandit over models: explores on a small share of the traffic, switches on off-policy evidence."""

    enabled: bool = True
    priority: int = 80
    # `thompson_sampling` knows no context (Beta posteriors); the default is the one judged in docs/quality.md.
    algorithm: Literal["thompson_sampling", "lin_ucb", "contextual_thompson", "epsilon_greedy"] = "contextual_thompson"
    # Width of `lin_ucb` in standard deviations of the posterior. The seed's 2.0 is too wide for rewards in [0, 1].
    alpha: Annotated[float, Meta(gt=0.0, le=100.0)] = 0.3
    # What `contextual_thompson` multiplies posterior deviations by.
    posterior_scale: Annotated[float, Meta(gt=0.0, le=10.0)] = setting.SCALE
    # Features at most; there are 12 and one for each of `segments`. Nothing is padded.
    context_dimension: Annotated[int, Meta(ge=1, le=64)] = 16
    # Segments of the insight that are features: what the route is asked.
    segments: Annotated[tuple[Name, ...], Meta(max_length=20)] = ()
    # Share of what is known that is kept per report of an arm: halves in 6,931 reports. The seed's discount factor.
    forgetting: Share = setting.FORGETTING
    # How fast the price of money follows spending beyond the budget (step of the dual ascent, per report).
    learning_rate: Share = 0.1
    # Share of the traffic that models not in use get together at most; within it the bandit has its way.
    exploration_rate: Share = 0.1
    # Least share of that slice for every arm. No arm gets less than 1 % of the traffic: weights stay below 100.
    floor: Annotated[float, Meta(gt=0.0, le=0.5)] = setting.FLOOR
    max_arms: Annotated[int, Meta(ge=1, le=8)] = 3
    # Reward of a request: weighted sum of quality, and of what it leaves of the largest cost and latency.
    weights: Weights = Weights(quality=0.6, cost=0.3, latency=0.1)
    max_cost_usd: Annotated[float, Meta(gt=0.0, le=1e6)] = 0.05
    max_latency_ms: Annotated[float, Meta(gt=0.0, le=1e9)] = 5_000.0
    # Reports that the catalogue's word of a model counts for, however many samples are behind it; a guess counts none.
    prior_weight: Annotated[float, Meta(ge=0.0, le=1_000.0)] = 100.0
    # A switch needs an off-policy lower bound of the gain in reward above this, at this error budget for all arms
    # together and all looks, from at least so many effective requests.
    min_gain: Unit = 0.02
    error_budget: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    min_effective_samples: Count = 100
    # Nothing is explored while no arm is better by `min_gain` with at least this probability.
    futility: Unit = 0.05
    # Expected loss of reward per request of the route that exploring may cost: share explored times worst case.
    max_regret: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.02
    # Money a day that exploring may cost beyond what the configuration in use would have.
    exploration_budget_usd: Usd = 10.0
    # Shares are drawn anew after this.
    update_interval_ms: DurationMs = 5 * MINUTE_MS
    # A report that is later than this after its window is lost.
    reward_timeout_ms: DurationMs = 30 * MINUTE_MS
    # What an allocation counts for that nothing was heard of; unset, it counts for nothing.
    default_reward: Unit | None = None
    min_stability: Unit = 0.7
    min_windows: Count = 30
    # An exploration ends after this, and the next begins after a rest, in which the route is measured undisturbed.
    max_duration_ms: DurationMs = 6 * HOUR_MS
    rest_ms: DurationMs = 30 * MINUTE_MS


class TunedParameter(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A parameter that may be tuned: its name, bounds, and the value in use where the configuration sets none."""

    name: Name
    low: float
    high: float
    default: float
    log: bool = False
    integer: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or self.low == self.high or (self.log and self.low <= 0.0):
            raise ValueError(f"bounds {self.low!r}..{self.high!r} of {self.name} are empty or miss {self.default!r}")


class AdaptiveParametersPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Tuning of parameters by trials on a small share of the traffic, within bounds and by a safe search."""

    enabled: bool = True
    priority: int = 70
    optimization_mode: Literal["balanced", "maximize_quality", "minimize_cost", "minimize_latency"] = "balanced"
    search_strategy: Literal["latin_hypercube", "safe_gaussian_process"] = "safe_gaussian_process"
    # Relative gain of the objective that a trial must prove beyond doubt before it is adopted.
    min_improvement: Unit = 0.05
    update_interval_ms: DurationMs = HOUR_MS
    # Without parameters nothing is tuned.
    parameters: tuple[TunedParameter, ...] = ()
    # Share of the traffic a trial gets, scored requests it may use, and its error budget.
    trial_share: Share = 0.1
    trial_pairs: Annotated[int, Meta(ge=100)] = 2_000
    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    # A setting is tried only where the model of past trials holds a loss above this improbable.
    max_loss: Unit = 0.05
    # Trials of the Latin hypercube before the safe search goes on from what they showed.
    design_points: Annotated[int, Meta(ge=2, le=50)] = 8
    # A proven setting that moves no parameter by more than this share of its range goes to all traffic at once and
    # bakes there; everything else is ramped. 0 ramps everything.
    trust_region: Unit = 0.05


class SafetyPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Constraints on every change (seed §7.4); shares are relative to the present value."""

    max_quality_degradation: Unit = 0.05
    max_cost_increase: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.10
    max_latency_increase: Annotated[float, Meta(ge=0.0, le=1e6)] = 0.15
    min_confidence: Unit = 0.8
    min_improvement: Unit = 0.05
    # The highest risk that goes without a human; one level above waits for approval, critical is refused.
    max_risk_level: RiskLevel = RiskLevel.MEDIUM
    require_approval_for_high_risk: bool = True
    # Who brought a change of high risk about, by the insight or the prompt variant it rests on, may not approve it.
    four_eyes: bool = True
    # Scopes, by name or shell pattern (`bank/payments/*`), on which a mistake costs more than the numbers tell: every
    # change of them but a safety decision is high risk at least.
    sensitive_scopes: tuple[Name, ...] = ()
    # Per scope; more than one at once would confound each other, so that 0 forbids and any other number allows one.
    max_concurrent_experiments: Count = 3
    min_time_between_changes_ms: DurationMs = 5 * MINUTE_MS
    max_rollback_depth: Annotated[int, Meta(ge=1, le=100)] = 10
    autonomy: Autonomy = Autonomy.AUTOPILOT
    # A human's word is not overridden: what a pin does to ramps under way. A held one is guarded, and undone when
    # nobody resumes it within the pause timeout. A running experiment is ended without a winner either way.
    on_pin: OnPin = OnPin.HOLD


class RampPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """How a change reaches all traffic (seed §8.2: 5 %, then 15 % more every five minutes)."""

    initial_weight: Share = 0.05
    increment: Share = 0.15
    step_ms: DurationMs = 5 * MINUTE_MS
    # After full weight the change is watched this long before it counts as completed.
    bake_ms: DurationMs = 10 * MINUTE_MS
    # An undecided guard holds the step; a ramp older than this is undone.
    max_duration_ms: DurationMs = 6 * HOUR_MS
    # Probability that a harmless change is rolled back by one of the guards, over the whole ramp.
    alpha: Annotated[float, Meta(gt=0.0, lt=1.0)] = 0.05
    # Pairs of requests (of scores, for quality) that the guards are planned for, and sharpest at. Scores spread by 0.2:
    # it takes 500 pairs to prove that a harmless change is within 5 %, 400 to prove that one of -10 points is not.
    horizon_requests: Annotated[int, Meta(ge=100)] = 1_000
    min_requests_per_step: Count = 50


class BreakerPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """When optimisation pauses itself, on a scope or on all (seed §7.3, with a rate over a window)."""

    window_ms: DurationMs = DAY_MS
    min_decisions: Annotated[int, Meta(ge=1)] = 4
    max_failure_share: Unit = 0.5
    open_ms: DurationMs = 30 * MINUTE_MS
    max_open_ms: DurationMs = 12 * HOUR_MS
    # A strategy that fails this often within its window is left out for a while that doubles with each failed probe;
    # the safety strategy never is.
    strategy_faults: Annotated[int, Meta(ge=1, le=100)] = 5
    strategy_window_ms: DurationMs = HOUR_MS
    strategy_pause_ms: DurationMs = 10 * MINUTE_MS
    # All scopes pause when the newest changes of more than this share of at least so many scopes failed within the
    # window; 0 scopes turns it off. If each change fails by itself one time in ten, more than half of eight do so with
    # probability 0.0004. Then so many scopes may try one change each, for at most the probe time.
    fleet_scopes: Count = 8
    fleet_failure_share: Unit = 0.5
    fleet_window_ms: DurationMs = 6 * HOUR_MS
    fleet_open_ms: DurationMs = 30 * MINUTE_MS
    fleet_probes: Annotated[int, Meta(ge=1, le=20)] = 3
    fleet_probe_ms: DurationMs = 2 * HOUR_MS


class ValidationPolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Which checks run; with risk assessment off, everything that is not safety waits for approval."""

    enable_constraint_checking: bool = True
    enable_statistical_validation: bool = True
    enable_impact_prediction: bool = True
    enable_risk_assessment: bool = True


class KnowledgePolicy(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """What scopes tell each other, through aggregates."""

    enabled: bool = True
    # Aggregates of one kind and name that scopes are spread over, each with 250 scopes at most.
    shards: Annotated[int, Meta(ge=1, le=1_000)] = 1
    # A provider has an incident when more of its scopes fall into trouble within the window than chance explains, if
    # each does so by itself at this rate; by chance that is seen no more often than once in this many days.
    own_troubles_per_day: Annotated[float, Meta(gt=0.0, le=100.0)] = 1.0
    coincidence_ms: DurationMs = 30 * MINUTE_MS
    days_between_false_incidents: Annotated[float, Meta(ge=1.0, le=1e6)] = 365.0
    # What was heard of an incident is void after this, unless it is heard again.
    incident_ms: DurationMs = 2 * HOUR_MS
    # Scopes of a tenant, the first part of their names, that may have a change under way, or an experiment, at once; 0
    # is no limit. A scope that was never answered goes by its own limits.
    tenant_changes: Count = 0
    tenant_experiments: Count = 0
    # A slot that is not used for this long is given back.
    slot_idle_ms: DurationMs = 10 * MINUTE_MS
    # A trouble is over when no alarm came back for this long.
    calm_ms: DurationMs = 10 * MINUTE_MS
    # A scope tells again what it told this long ago; one that is silent for twice as long is not counted.
    renewal_ms: DurationMs = DAY_MS

    def __post_init__(self) -> None:
        for slot in Slot:
            cap = self.tenant_slots(slot)
            if 0 < cap < self.shards:
                raise ValueError(f"{cap} tenant slots for a {slot} are fewer than {self.shards} shards")

    def tenant_slots(self, slot: Slot) -> int:
        """How many scopes of a tenant may hold this slot; 0 is no limit."""
        return self.tenant_experiments if slot is Slot.EXPERIMENT else self.tenant_changes


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """Everything a decision depends on beside the events."""

    engine: EnginePolicy = EnginePolicy()
    threshold_based: ThresholdPolicy = ThresholdPolicy()
    ab_testing: AbTestingPolicy = AbTestingPolicy()
    pareto: ParetoPolicy = ParetoPolicy()
    reinforcement: ReinforcementPolicy = ReinforcementPolicy()
    adaptive_parameters: AdaptiveParametersPolicy = AdaptiveParametersPolicy()
    safety: SafetyPolicy = SafetyPolicy()
    ramp: RampPolicy = RampPolicy()
    breaker: BreakerPolicy = BreakerPolicy()
    validation: ValidationPolicy = ValidationPolicy()
    knowledge: KnowledgePolicy = KnowledgePolicy()
    # Prior knowledge of models, until insights bring measurements.
    catalog: tuple[ModelEstimate, ...] = ()

    @cached_property
    def has_all_strategies(self) -> bool:
        """Whether none is switched off."""
        parts = (self.threshold_based, self.ab_testing, self.pareto, self.reinforcement, self.adaptive_parameters)
        return all(part.enabled for part in parts)

    @cached_property
    def hash(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON of the policy."""
        return sha256(_CANONICAL.encode(self)).hexdigest()[:16]


_CANONICAL = msgspec.json.Encoder(order="sorted")
