"""Sequential alarms for quality, errors and latency against the scope's own frozen baseline.

Each window average is turned so that larger is worse and spreads evenly (errors by the angular transform, latency by
the logarithm), is moved towards the baseline by the tolerated change, and drives a Shiryaev-Roberts mixture
(stats/shift_alarm.py).
"""

from dataclasses import dataclass
from math import asin, log, sqrt

from ..model.insight import Insight, Metric
from ..model.policy import DegradationPolicy
from ..model.state import Alarm
from ..stats.shift_alarm import normal_score, updated
from ..stats.shiryaev_roberts import level

MIN_SAMPLES = 20
"""Samples of a window below which its average is too rough to judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A window's average of one metric, larger is worse.

    `deviation` is its sampling error, `tolerance` the allowed rise.
    """

    metric: Metric
    value: float
    deviation: float
    tolerance: float


def observations(insight: Insight, rules: DegradationPolicy) -> tuple[Observation, ...]:
    """What the window says, leaving out metrics with too few samples."""
    found = []
    requests = insight.performance.requests
    quality = insight.quality
    if quality.samples >= MIN_SAMPLES:
        found.append(
            Observation(
                metric=Metric.QUALITY,
                value=1.0 - quality.score,
                deviation=quality.stddev / sqrt(quality.samples),
                tolerance=rules.min_quality_drop * quality.score,
            )
        )
    if requests >= MIN_SAMPLES:
        rate = insight.performance.error_rate
        # asin(sqrt(p)) has standard deviation 1 / (2 sqrt(n)) whatever p is (Anscombe 1948).
        tolerated = max(0.0, rate - rules.min_error_rise)
        found.append(
            Observation(
                metric=Metric.ERRORS,
                value=asin(sqrt(rate)),
                deviation=0.5 / sqrt(requests),
                tolerance=asin(sqrt(rate)) - asin(sqrt(tolerated)),
            )
        )
        if insight.performance.latency_p95_ms > 0.0:
            found.append(
                Observation(
                    metric=Metric.LATENCY,
                    value=log(insight.performance.latency_p95_ms),
                    deviation=0.0,
                    tolerance=log(1.0 + rules.min_latency_rise),
                )
            )
    return tuple(found)


def listened(alarm: Alarm, seen: Observation, rules: DegradationPolicy) -> Alarm:
    """The alarm after a window.

    First it learns its baseline, which then stays as it is, so that slow drift cannot poison it.
    """
    if alarm.baseline.count < rules.baseline_windows:
        return Alarm(baseline=alarm.baseline.apply(seen.value))
    least = max(seen.deviation, 1e-6)
    score = normal_score(seen.value - seen.tolerance, alarm.baseline, least)
    statistics = updated(alarm.statistics, score)
    firing = level(statistics) >= rules.average_run_length
    return Alarm(
        baseline=alarm.baseline,
        statistics=statistics,
        firing_windows=min(alarm.firing_windows + 1, 1_000_000) if firing else 0,
    )
