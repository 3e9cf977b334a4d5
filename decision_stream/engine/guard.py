"""Guards of a ramp: is the change worse than the concurrent control by more than is allowed?

Looked at after every report. Four one-sided sequential tests (quality, cost, errors, slow requests) share the ramp's
error budget equally. Each is a planned-horizon reflection bound in information time, so that looks at every report,
unequal weights and growing weights are all allowed for.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from ..model.decision import Evidence, ImpactEstimate, Interval, PredictedImpact
from ..model.insight import Metric
from ..model.metrics import ArmSample
from ..model.policy import Policy
from ..stats.moments import Moments

BURN_IN = 30
"""Requests per arm below which a plug-in variance is not trusted."""
SUSPICIOUS_SHARE = 0.5
"""A step is held when the statistic is beyond this share of its bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one guard says: `breached` is proven harm beyond the margin, `suspicious` holds the step."""

    metric: Metric
    breached: bool
    suspicious: bool
    evidence: Evidence


def judge(treatment: ArmSample, control: ArmSample, impact: PredictedImpact, policy: Policy) -> list[Reading]:
    """Readings of the guards that have enough data, in a fixed order.

    A margin is what was promised plus what the constraints allow, as a share of the control's mean: a switch that was
    announced to cost 5 % more is no harm at 5 %. For errors and slow requests it is in points.
    """
    safety, limits = policy.safety, policy.threshold_based.performance
    errors_t, errors_c = _share(treatment.errors, treatment.requests), _share(control.errors, control.requests)
    slow_t, slow_c = _share(treatment.slow, treatment.requests), _share(control.slow, control.requests)
    quality_margin = safety.max_quality_degradation * control.quality.mean
    cost_margin = (max(0.0, _promised(impact.cost)) + safety.max_cost_increase) * control.cost_usd.mean
    tests = (
        (Metric.QUALITY, control.quality, treatment.quality, quality_margin),
        (Metric.COST, treatment.cost_usd, control.cost_usd, cost_margin),
        (Metric.ERRORS, errors_t, errors_c, limits.max_error_rate / 2.0),
        (Metric.LATENCY, slow_t, slow_c, 0.05),
    )
    alpha = policy.ramp.alpha / len(tests)
    readings = [_read(*test, alpha=alpha, horizon=policy.ramp.horizon_requests) for test in tests]
    return [reading for reading in readings if reading is not None]


def _read(
    metric: Metric, worse: Moments, better: Moments, margin: float, *, alpha: float, horizon: int
) -> Reading | None:
    if min(worse.count, better.count) < BURN_IN or worse.m2 + better.m2 == 0.0:
        return None
    # Harm beyond the margin, as a drift of Brownian motion over information time (reflection principle: the chance
    # that it ever passes the bound up to the planned information is 2 (1 - Phi(bound / sqrt(planned)))).
    variance = (worse.m2 + better.m2) / (worse.count + better.count - 2)
    information = 1.0 / (variance * (1.0 / worse.count + 1.0 / better.count))
    planned = max(horizon / (2.0 * variance), information)
    harm = worse.mean - better.mean - margin
    bound = NormalDist().inv_cdf(1.0 - alpha / 2.0) * sqrt(planned)
    statistic = harm * information
    radius = bound / information
    return Reading(
        metric=metric,
        breached=statistic > bound,
        suspicious=statistic > SUSPICIOUS_SHARE * bound,
        evidence=Evidence(
            method="reflection_bound",
            metric=metric,
            samples=worse.count + better.count,
            statistic=statistic,
            threshold=bound,
            interval=Interval(low=harm + margin - radius, high=harm + margin + radius, level=1.0 - 2.0 * alpha),
            error_budget=alpha,
            detail="difference of treatment and control, positive is harm",
        ),
    )


def _share(hits: int, requests: int) -> Moments:
    """Moments of an indicator."""
    if requests == 0:
        return Moments()
    mean = hits / requests
    return Moments(requests, mean, requests * mean * (1.0 - mean))


def _promised(estimate: ImpactEstimate | None) -> float:
    if estimate is None:
        return 0.0
    return estimate.interval.high if estimate.interval else estimate.delta
