"""How large an experiment must be, and whether the scope's traffic can fill it in time."""

from __future__ import annotations

from dataclasses import dataclass

from ..model.insight import Insight
from ..model.policy import HOUR_MS, Weights
from ..model.state import Live
from ..stats import planning

_LEAST_SPREAD = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`pairs` per arm for the wanted power; `hours` until they are seen; `detectable` is what the longest time shows.

    `detectable` is a relative gain; `rate` counts scored requests per hour.
    """

    pairs: float
    hours: float
    fits: bool
    detectable: float
    rate: float


def plan(
    insight: Insight,
    live: Live,
    weights: Weights,
    *,
    effect: float,
    alpha: float,
    power: float,
    shares: tuple[float, ...],
    longest_ms: int,
    least: float,
    longer: float = 1.0,
) -> Plan | None:
    """Plan for a relative `effect` of the objective, at this alpha for each challenger; None without measurements.

    `longer` is how many times the pairs of the reflection bound the test to be used needs.
    """
    rate = insight.quality.samples * HOUR_MS / insight.window_ms
    if rate <= 0.0 or live.quality <= 0.0:
        return None
    spreads = (
        weights.quality * live.quality_stddev / live.quality,
        weights.cost * (live.cost_stddev_usd / live.cost_usd if live.cost_usd > 0.0 else 0.0),
        # The body of a latency distribution: p95 lies about 1.6 sigma above the median, on the log scale.
        weights.latency * (live.latency_p95_ms / max(live.latency_p50_ms, 1e-9) - 1.0) / 1.645,
    )
    variance = 2.0 * max(sum(spreads), _LEAST_SPREAD) ** 2
    pairs = max(longer * planning.pairs_needed(effect, variance, alpha, power), least)
    weights_of_pair = (shares[0], min(shares[1:]))
    hours = longest_ms / HOUR_MS
    duration = planning.time_to_decision(pairs, rate, weights_of_pair, hours)
    most = max(1.0, pairs * hours / duration.hours) if duration.hours > 0.0 else pairs
    return Plan(
        pairs=pairs,
        hours=duration.hours,
        fits=duration.fits,
        detectable=planning.detectable(most / longer, variance, alpha, power),
        rate=rate,
    )
