"""Guards of a change: is it worse than the concurrent control by more than is allowed?

Looked at after every report. Four guardrails (quality, cost, errors, slow requests) share the ramp's error budget
equally. The arms are compared within blocks of constant weights: when weights rise while the metric follows the time
of day, pooled means would differ without any effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..model.decision import Evidence, ImpactEstimate, Interval, PredictedImpact
from ..model.insight import Metric
from ..model.metrics import ArmSample
from ..model.policy import Policy
from ..model.state import Ramp
from ..stats.blocks import Blocks
from ..stats.guardrail import Verdict, guardrail
from ..stats.moments import Moments

SUSPICIOUS_SHARE = 0.5
"""A step is held when the statistic is beyond this share of its bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one guard says: `breached` is proven harm beyond the margin, `suspicious` holds the step.

    `worst` is the upper end of the interval of the harm and `margin` what is allowed, both in units of the metric.
    """

    metric: Metric
    breached: bool
    suspicious: bool
    worst: float
    margin: float
    evidence: Evidence

    def allows(self, weight: float) -> bool:
        """Whether this share of the traffic may be put on the change.

        A guard that has seen little says so with a wide interval, and the step waits: no evidence of harm is not
        evidence of no harm. Up to half of the traffic, what cannot be ruled out must be within the margin on average
        over all traffic. Beyond half it takes proof that the change itself is within the margin: the arms are compared
        best at half, and what cannot be proven there would not be proven later.
        """
        return (weight if weight <= 0.5 else 1.0) * self.worst <= self.margin


MEAN_LATENCY = "mean_latency"
"""Key of the blocks of mean latency: no guard looks at it, what a change really did is read from it."""
NO_BLOCKS: Mapping[str, Blocks] = {}
NOTHING_PROMISED = PredictedImpact()


def judge(
    treatment: ArmSample,
    control: ArmSample,
    impact: PredictedImpact,
    policy: Policy,
    blocks: Mapping[str, Blocks] = NO_BLOCKS,
    reference: ArmSample | None = None,
) -> list[Reading]:
    """Readings of the guards that have enough data, in a fixed order.

    `treatment` and `control` are the sums since the weights were last changed, `blocks` what was seen before, by
    metric (see `closed`). A margin is what was promised plus what the constraints allow, as a share of the control's
    mean: a switch that was announced to cost 5 % more is no harm at 5 %. For errors and slow requests it is in points.
    The mean is that of `reference`, the control over the whole ramp; of `control` where there is no other.
    """
    safety, limits = policy.safety, policy.threshold_based.performance
    usual = reference or control
    margins = {
        Metric.QUALITY: safety.max_quality_degradation * usual.quality.mean,
        Metric.COST: (max(0.0, _promised(impact.cost)) + safety.max_cost_increase) * usual.cost_usd.mean,
        Metric.ERRORS: limits.max_error_rate / 2.0,
        Metric.LATENCY: 0.05,
    }
    alpha = policy.ramp.alpha / len(margins)
    readings = []
    for metric, (better, worse) in _sides(treatment, control).items():
        harm = blocks.get(metric.value, Blocks()).apply(better, worse).difference()
        if harm is None or not better.count:
            continue
        found = guardrail(harm, margin=margins[metric], alpha=alpha, planned_pairs=float(policy.ramp.horizon_requests))
        evidence = Evidence(
            method="reflection_bound",
            metric=metric,
            samples=round(2.0 * harm.pairs),
            statistic=found.score,
            threshold=found.bound,
            interval=Interval(low=found.interval.low, high=found.interval.high, level=found.interval.level),
            error_budget=alpha,
            detail=f"treatment against control, positive is harm, allowed {margins[metric]:.6g}",
        )
        breached = found.verdict is Verdict.BREACH
        suspicious = found.suspicion > SUSPICIOUS_SHARE
        readings.append(
            Reading(
                metric=metric,
                breached=breached,
                suspicious=suspicious,
                worst=found.interval.high,
                margin=margins[metric],
                evidence=evidence,
            )
        )
    return readings


def judge_ramp(ramp: Ramp, impact: PredictedImpact, policy: Policy) -> list[Reading]:
    """Readings of a ramp, over all its steps.

    Near full weight the control gets so few requests that a step may bring no score of it at all.
    """
    return judge(ramp.step_treatment, ramp.step_control, impact, policy, ramp.blocks, ramp.control)


def closed(treatment: ArmSample, control: ArmSample, blocks: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """The blocks with this one added: call it when the weights change."""
    sides = {metric.value: pair for metric, pair in _sides(treatment, control).items()}
    sides[MEAN_LATENCY] = (control.latency_ms, treatment.latency_ms)
    return {name: blocks.get(name, Blocks()).apply(better, worse).closed() for name, (better, worse) in sides.items()}


def _sides(treatment: ArmSample, control: ArmSample) -> dict[Metric, tuple[Moments, Moments]]:
    """For each metric the side that is harmed when it is larger comes second: harm is second minus first."""
    return {
        Metric.QUALITY: (treatment.quality, control.quality),
        Metric.COST: (control.cost_usd, treatment.cost_usd),
        Metric.ERRORS: (_share(control.errors, control.requests), _share(treatment.errors, treatment.requests)),
        Metric.LATENCY: (_share(control.slow, control.requests), _share(treatment.slow, treatment.requests)),
    }


def _share(hits: int, requests: int) -> Moments:
    """Moments of an indicator."""
    if requests == 0:
        return Moments()
    mean = hits / requests
    return Moments(requests, mean, requests * mean * (1.0 - mean))


def _promised(estimate: ImpactEstimate | None) -> float:
    """The point and not the bound: a prediction that is less sure must not buy a wider margin."""
    return 0.0 if estimate is None else estimate.delta
