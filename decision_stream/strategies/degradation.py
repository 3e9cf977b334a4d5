"""Sequential alarms for quality, errors, latency and cost against the scope's own frozen baseline.

Each window average is turned so that larger is worse and spreads evenly (errors by the angular transform, latency and
cost by the logarithm), is moved towards the baseline by the tolerated change, and drives a Shiryaev-Roberts mixture
(stats/shift_alarm.py). Latency is compared at like load (stats/like_load.py): a surge slows every model down.
"""

from math import asin, exp, log, sqrt

from msgspec import Struct

from ..model.insight import Insight
from ..model.metrics import Performance
from ..model.policy import DegradationPolicy
from ..model.state import Alarm
from ..stats import like_load
from ..stats.moments import Moments
from ..stats.shift_alarm import normal_score, updated
from ..stats.shiryaev_roberts import level
from .estimates import P95_ERROR, P95_SCORE
from .limits import COST, ERRORS, LATENCY, QUALITY

MINUTE_MS = 60_000
MIN_SAMPLES = 20
"""Samples of a window below which its average is too rough to judge."""


class Observation(Struct, frozen=True, gc=False, kw_only=True):
    """A window's average of one metric, larger is worse.

    `deviation` is its sampling error, `tolerance` the allowed rise. `load`, requests per minute, is given where the
    metric follows it.
    """

    name: str
    value: float
    deviation: float
    tolerance: float
    load: float | None = None


def observations(insight: Insight, rules: DegradationPolicy) -> tuple[Observation, ...]:
    """What the window says, leaving out metrics with too few samples."""
    found = []
    performance = insight.performance
    requests = performance.requests
    quality = insight.quality
    if quality.samples >= MIN_SAMPLES:
        found.append(
            Observation(
                name=QUALITY,
                value=1.0 - quality.score,
                deviation=quality.stddev / sqrt(quality.samples),
                tolerance=rules.min_quality_drop * quality.score,
            )
        )
    if requests >= MIN_SAMPLES:
        rate, root = performance.error_rate, sqrt(requests)
        # asin(sqrt(p)) has standard deviation 1 / (2 sqrt(n)) whatever p is (Anscombe 1948).
        angle, tolerated = asin(sqrt(rate)), rate - rules.min_error_rise
        found.append(
            Observation(
                name=ERRORS,
                value=angle,
                deviation=0.5 / root,
                tolerance=angle - asin(sqrt(tolerated)) if tolerated > 0.0 else angle,
            )
        )
        if performance.latency_p95_ms > 0.0:
            found.append(
                Observation(
                    name=LATENCY,
                    value=log(performance.latency_p95_ms),
                    deviation=_p95_error(performance) / root,
                    tolerance=log(1.0 + rules.min_latency_rise),
                    load=requests * MINUTE_MS / insight.window_ms,
                )
            )
        cost = insight.cost
        if cost.per_request_usd > 0.0:
            found.append(
                Observation(
                    name=COST,
                    value=log(cost.per_request_usd),
                    deviation=cost.stddev_usd / cost.per_request_usd / root,
                    tolerance=log(1.0 + rules.min_cost_rise),
                )
            )
    return tuple(found)


def _p95_error(performance: Performance) -> float:
    """Standard error of the logarithm of a p95 from one request, by the spread of the two quantiles."""
    p50_ms, p95_ms = performance.latency_p50_ms, performance.latency_p95_ms
    return P95_ERROR * log(p95_ms / p50_ms) / P95_SCORE if 0.0 < p50_ms < p95_ms else 0.0


def listened(alarm: Alarm, seen: Observation, rules: DegradationPolicy) -> Alarm:
    """The alarm after a window.

    First it learns its baseline, which then stays as it is, so that slow drift cannot poison it. What is usual at a
    load that comes later is learnt when it comes, from windows that are no worse than tolerated.
    """
    value, baseline, loads, fresh = seen.value, alarm.baseline, alarm.loads, alarm.fresh
    if seen.name == COST and _is_settled(alarm, seen, rules):
        return Alarm(baseline=Moments().apply(value))
    if baseline.count < rules.baseline_windows:
        return Alarm(baseline=baseline.apply(value), loads=_learned(alarm, seen))
    usual, allowed = (baseline, seen.tolerance) if seen.load is None else _usual(alarm, seen)
    deviation = seen.deviation
    score = normal_score(value - allowed, usual, deviation if deviation > 1e-6 else 1e-6)
    statistics = updated(alarm.statistics, score)
    firing_windows = 0
    if level(statistics) >= rules.average_run_length:
        firing_windows = min(alarm.firing_windows + 1, 1_000_000)
    if score <= 0.0:
        # A window that is no worse than tolerated teaches what is usual.
        if seen.load is not None:
            loads = like_load.learned(loads, value, seen.load)
        if fresh is not None:
            fresh = fresh.apply(value)
            if fresh.count >= rules.baseline_windows:
                baseline, fresh = fresh, None
    return Alarm(baseline=baseline, statistics=statistics, firing_windows=firing_windows, loads=loads, fresh=fresh)


def moved(alarm: Alarm, lost: float, log_ratio: float, error: float) -> Alarm:
    """The alarm of quality after a change that multiplies quality by exp(log_ratio), give or take `error`.

    It is armed at once: a model that gets worse while a change of it is young would else become what is usual. `lost`
    points below the baseline were excused before; one error more is. Windows no worse than tolerated make a baseline of
    their own.
    """
    quality = (1.0 - alarm.baseline.mean - lost) * exp(log_ratio - error)
    mean = min(1.0, max(0.0, 1.0 - quality))
    return Alarm(baseline=Moments(alarm.baseline.count, mean, alarm.baseline.m2), fresh=Moments())


def is_load(alarm: Alarm, insight: Insight, rules: DegradationPolicy, limit_ms: float) -> bool:
    """Whether a p95 latency beyond the limit is what this load explains, of a route that keeps the limit at less load.

    Not before the alarm has its baseline: until then nobody knows what is usual.
    """
    seen = next((it for it in observations(insight, rules) if it.name == LATENCY), None)
    if seen is None or seen.load is None or alarm.baseline.count < rules.baseline_windows or alarm.firing_windows:
        return False
    quiet = like_load.usual_at(alarm.loads, like_load.LEAST_LOAD)
    usual, allowed = _usual(alarm, seen)
    return quiet is not None and quiet.moments.mean <= log(limit_ms) and seen.value - allowed <= usual.mean


def _usual(alarm: Alarm, seen: Observation) -> tuple[Moments, float]:
    """What the window is compared with, and how far beyond it is allowed: latency may rise with a load never seen."""
    known = None if seen.load is None else like_load.usual_at(alarm.loads, seen.load)
    return (alarm.baseline, seen.tolerance) if known is None else (known.moments, seen.tolerance + known.explained)


def _learned(alarm: Alarm, seen: Observation) -> bytes:
    return alarm.loads if seen.load is None else like_load.learned(alarm.loads, seen.value, seen.load)


def _is_settled(alarm: Alarm, seen: Observation, rules: DegradationPolicy) -> bool:
    """Whether another price is the usual one now.

    Nobody undoes a price: a higher one gives occasion for as long as it took to learn the old one, a lower one gives
    none.
    """
    is_learnt = alarm.baseline.count >= rules.baseline_windows
    return alarm.firing_windows >= rules.baseline_windows or (
        is_learnt and seen.value < alarm.baseline.mean - seen.tolerance
    )
