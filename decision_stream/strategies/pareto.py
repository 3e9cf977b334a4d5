"""Pareto optimisation: the model that serves quality, cost and latency best (seed §4.3).

A switch needs a proven gain. Feasibility comes first, then dominance, then utility on fixed reference ranges. The
gain over the model in use must exceed the price of a switch at the lower end of an interval that holds however often
one looks.
"""

from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import NormalDist

from ..model.configuration import ConfigurationChanges, ModelChange
from ..model.decision import Alternative, Evidence, ImpactEstimate, Interval, ModelSwitch, PredictedImpact
from ..model.insight import Insight
from ..model.journal import Reason
from ..model.metrics import ModelEstimate
from ..model.policy import ParetoPolicy, Policy, ReferenceRange
from ..model.state import HotState, Live
from ..stats import confidence_sequence
from ..stats import pareto as front
from .allowance import least_share
from .models import known_models
from .protocol import Idea, Opinion, View

P95_SCORE = 1.6449
"""Standard normal score of the 95th percentile."""
P95_ERROR = 2.11
"""Standard error of a log p95 from n log-normal values is this times sigma / sqrt(n).

Sqrt(.95 * .05) / density there.
"""
IMPACT_LEVEL = 0.95
_SCORED = "scored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """An estimate with its utility in [0, 1] and the standard error of that."""

    estimate: ModelEstimate
    utility: float
    error: float


@dataclass(frozen=True, slots=True)
class Pareto:
    """Proposes model switches."""

    name: str = "pareto"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 90 by default."""
        return policy.pareto.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.pareto.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Nothing of its own: estimates and live measurements are the engine's."""
        return hot

    def propose(self, view: View) -> Opinion:
        """The best feasible model if it is proven better than the one in use, else why not."""
        rules = view.policy.pareto
        current = estimate_in_use(view.state.hot.live, view.configuration.model)
        if current is None or current.samples < rules.min_samples:
            samples = 0 if current is None else current.samples
            return _silent("too_little_data", "of the model in use", samples, rules.min_samples)
        candidates, refused = _feasible(view, current, rules)
        if len(candidates) + 1 < rules.min_candidates:
            reasons = (_reason("too_few_candidates", "", len(candidates) + 1, rules.min_candidates),)
            return Opinion(reasons=(*reasons, *refused))
        base = _score(current, rules)  # Of this insight only: remembering it would tie a knot for the collector.
        ranked = sorted(
            (scored(candidate, rules) for candidate in candidates), key=lambda it: (-it.utility, it.estimate.model)
        )
        best = ranked[0]
        gain = best.utility - base.utility
        radius = _radius(best, base, rules.alpha)
        if gain - radius < rules.min_gain:
            detail = f"{best.estimate.model} over {current.model}, give or take {radius:.4f}"
            return Opinion(reasons=(_reason("gain_not_proven", detail, gain, rules.min_gain), *refused))
        return Opinion(ideas=(_idea(best, base, ranked[1:], gain, radius, rules),), reasons=refused)


def estimate_in_use(live: Live, model: str) -> ModelEstimate | None:
    """What the measurements of the route say of the model in use; None before there are any."""
    if live.weight == 0.0 or live.quality_samples <= 0.0:
        return None
    return ModelEstimate(
        model=model,
        quality=live.quality,
        quality_stddev=live.quality_stddev,
        cost_usd=live.cost_usd,
        cost_stddev_usd=live.cost_stddev_usd,
        latency_p50_ms=live.latency_p50_ms,
        latency_p95_ms=live.latency_p95_ms,
        samples=int(min(live.quality_samples, live.requests)),
    )


def dominates(one: ModelEstimate, other: ModelEstimate) -> bool:
    """Whether one is at least as good in all three objectives and better in one.

    Point estimates: used to explain who is left out, never to switch.
    """
    return front.dominates(_objectives(one), _objectives(other), ("max", "min", "min"))


def _objectives(estimate: ModelEstimate) -> tuple[float, float, float]:
    return estimate.quality, estimate.cost_usd, estimate.latency_p95_ms


def scored(estimate: ModelEstimate, rules: ParetoPolicy) -> Scored:
    """Weighted sum of the objectives on their fixed ranges, with its standard error by the delta method.

    An estimate outlives many insights, so its score under the same rules is remembered beside it.
    """
    known = estimate.__dict__.get(_SCORED)
    if known is None or known[0] is not rules:
        known = estimate.__dict__[_SCORED] = (rules, _score(estimate, rules))
    return known[1]


def _score(estimate: ModelEstimate, rules: ParetoPolicy) -> Scored:
    samples = max(estimate.samples, 1)
    sigma = _log_spread(estimate)
    parts = (
        (rules.weights.quality, rules.quality_range, estimate.quality, estimate.quality_stddev / sqrt(samples)),
        (rules.weights.cost, rules.cost_range, estimate.cost_usd, estimate.cost_stddev_usd / sqrt(samples)),
        (
            rules.weights.latency,
            rules.latency_range,
            estimate.latency_p95_ms,
            estimate.latency_p95_ms * P95_ERROR * sigma / sqrt(samples),
        ),
    )
    utility = variance = 0.0
    for weight, scale, value, error in parts:
        score, slope = _on(scale, value)
        utility += weight * score
        variance += (weight * slope * error) ** 2
    return Scored(estimate=estimate, utility=utility, error=sqrt(variance))


def _on(scale: ReferenceRange, value: float) -> tuple[float, float]:
    """Score of a value between nadir (0) and ideal (1), and the slope of the score there."""
    if scale.log:
        value = max(value, 1e-12)
        width = scale.width
        score, slope = (log(value) - scale.origin) / width, 1.0 / (width * value)
    else:
        width = scale.width
        score, slope = (value - scale.nadir) / width, 1.0 / width
    return min(1.0, max(0.0, score)), slope


def _log_spread(estimate: ModelEstimate) -> float:
    """Sigma of a log-normal latency with these two quantiles."""
    if estimate.latency_p50_ms <= 0.0 or estimate.latency_p95_ms <= estimate.latency_p50_ms:
        return 1.0
    return log(estimate.latency_p95_ms / estimate.latency_p50_ms) / P95_SCORE


def _feasible(
    view: View, current: ModelEstimate, rules: ParetoPolicy
) -> tuple[list[ModelEstimate], tuple[Reason, ...]]:
    known = known_models(view.policy, view.state.cold)
    floor = max(
        rules.min_quality_threshold,
        view.policy.threshold_based.performance.min_quality_score,
        current.quality * least_share(view.state.cold, rules),
    )
    max_latency_ms = min(rules.max_latency_threshold_ms, view.policy.threshold_based.performance.max_latency_p95_ms)
    feasible: list[ModelEstimate] = []
    refused: list[Reason] = []
    for model in sorted(known):
        estimate = known[model]
        if model == view.configuration.model:
            continue
        if view.state.cold.tombstones.get(f"model={model}") is not None and _is_buried(view, model):
            refused.append(_reason("buried", model))
        elif estimate.samples < rules.min_samples:
            refused.append(_reason("too_little_data", model, estimate.samples, rules.min_samples))
        elif estimate.quality < floor:
            refused.append(_reason("quality_too_low", model, estimate.quality, floor))
        elif estimate.cost_usd > rules.max_cost_threshold_usd:
            refused.append(_reason("too_expensive", model, estimate.cost_usd, rules.max_cost_threshold_usd))
        elif estimate.latency_p95_ms > max_latency_ms:
            refused.append(_reason("too_slow", model, estimate.latency_p95_ms, max_latency_ms))
        else:
            feasible.append(estimate)
    return feasible, tuple(refused)


def _is_buried(view: View, model: str) -> bool:
    return view.at_ms < view.state.cold.tombstones[f"model={model}"].until_ms


def _radius(best: Scored, base: Scored, alpha: float) -> float:
    """Half width of a confidence sequence for the gain, valid at every look; tightest at a thousand samples."""
    error = sqrt(best.error**2 + base.error**2)
    samples = min(best.estimate.samples, base.estimate.samples)
    tuned = confidence_sequence.tuning(alpha, 1_000.0)
    return error * sqrt(samples) * confidence_sequence.radius(samples, tuned, alpha)


def _idea(best: Scored, base: Scored, others: list[Scored], gain: float, radius: float, rules: ParetoPolicy) -> Idea:
    old, new = base.estimate, best.estimate
    error = sqrt(best.error**2 + base.error**2)
    reason = (
        f"utility {base.utility:.3f} -> {best.utility:.3f}: quality {old.quality:.3f} -> {new.quality:.3f}, "
        f"cost {old.cost_usd:.5f} -> {new.cost_usd:.5f} USD, "
        f"p95 {old.latency_p95_ms:.0f} -> {new.latency_p95_ms:.0f} ms"
    )
    return Idea(
        decision=ModelSwitch(from_model=old.model, to_model=new.model, reason=reason),
        changes=ConfigurationChanges(model=ModelChange(old=old.model, new=new.model)),
        impact=_impact(old, new),
        confidence=NormalDist().cdf(gain / error) if error > 0.0 else None,
        evidence=(
            Evidence(
                method="utility_confidence_sequence",
                samples=min(old.samples, new.samples),
                statistic=gain,
                threshold=rules.min_gain,
                interval=Interval(low=gain - radius, high=gain + radius, level=1.0 - rules.alpha),
                error_budget=rules.alpha,
            ),
        ),
        alternatives=tuple(
            Alternative(
                what=other.estimate.model,
                code="dominated" if dominates(new, other.estimate) else "lower_utility",
                value=other.utility,
            )
            for other in others
        ),
        would_flip=f"a gain below {rules.min_gain + radius:.4f} instead of {gain:.4f}",
    )


def _impact(old: ModelEstimate, new: ModelEstimate) -> PredictedImpact:
    return PredictedImpact(
        quality=_relative(
            old.quality, new.quality, old.quality_stddev / sqrt(old.samples), new.quality_stddev / sqrt(new.samples)
        ),
        cost=_relative(
            old.cost_usd,
            new.cost_usd,
            old.cost_stddev_usd / sqrt(old.samples),
            new.cost_stddev_usd / sqrt(new.samples),
        ),
        latency=_relative(
            old.latency_p95_ms,
            new.latency_p95_ms,
            old.latency_p95_ms * P95_ERROR * _log_spread(old) / sqrt(old.samples),
            new.latency_p95_ms * P95_ERROR * _log_spread(new) / sqrt(new.samples),
        ),
    )


def _relative(old: float, new: float, old_error: float, new_error: float) -> ImpactEstimate | None:
    """new / old - 1 with an interval on the log scale; None when the old value is zero."""
    if old <= 0.0 or new <= 0.0:
        return None
    ratio = log(new / old)
    half = NormalDist().inv_cdf(0.5 + IMPACT_LEVEL / 2.0) * sqrt((old_error / old) ** 2 + (new_error / new) ** 2)
    return ImpactEstimate(
        delta=new / old - 1.0,
        interval=Interval(low=exp(ratio - half) - 1.0, high=exp(ratio + half) - 1.0, level=IMPACT_LEVEL),
    )


def _silent(code: str, detail: str, value: float, limit: float) -> Opinion:
    return Opinion(reasons=(_reason(code, detail, value, limit),))


def _reason(code: str, detail: str = "", value: float | None = None, limit: float | None = None) -> Reason:
    return Reason(source="pareto", code=code, detail=detail, value=value, limit=limit)
