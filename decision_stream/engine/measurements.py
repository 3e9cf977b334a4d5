"""Taking in an insight: recent measurements of the configuration in use, with exponential forgetting."""

from math import log, sqrt

from ..model.configuration import Configuration
from ..model.insight import Insight
from ..model.state import Live
from ..strategies.apart import FORGETTING, MINUTE_MS

REPRICED = log(1.25)
SURE_ERRORS = 6.0
"""Standard errors of a window's mean cost."""


def taken_in(live: Live, insight: Insight) -> Live:
    """The measurements with this window added; the first window counts in full.

    Variances are averaged, not standard deviations; a window without quality samples leaves quality as it is.
    """
    kept = FORGETTING ** (insight.window_ms / MINUTE_MS)
    weight = live.weight * kept + 1.0
    rate = 1.0 / weight
    performance, cost, quality = insight.performance, insight.cost, insight.quality
    samples = live.quality_samples * kept + quality.samples
    quality_rate = quality.samples / samples if samples > 0.0 else 0.0
    # A price moves at once and has nearly no noise: what was paid before says nothing of it.
    cost_rate = 1.0 if _is_repriced(live.cost_usd, insight) else rate
    old, new, old_usd, new_usd = live.quality_stddev, quality.stddev, live.cost_stddev_usd, cost.stddev_usd
    # Averages are written out: this runs at every insight, and a call costs more than what is in it.
    return Live(
        weight=weight,
        requests=live.requests * kept + performance.requests,
        quality=live.quality + (quality.score - live.quality) * quality_rate,
        quality_stddev=sqrt(old * old + (new * new - old * old) * quality_rate),
        quality_samples=samples,
        cost_usd=live.cost_usd + (cost.per_request_usd - live.cost_usd) * cost_rate,
        cost_stddev_usd=sqrt(old_usd * old_usd + (new_usd * new_usd - old_usd * old_usd) * cost_rate),
        latency_p50_ms=live.latency_p50_ms + (performance.latency_p50_ms - live.latency_p50_ms) * rate,
        latency_p95_ms=live.latency_p95_ms + (performance.latency_p95_ms - live.latency_p95_ms) * rate,
        error_rate=live.error_rate + (performance.error_rate - live.error_rate) * rate,
    )


def _is_repriced(known_usd: float, insight: Insight) -> bool:
    """Whether a request costs another price than what is remembered: by a quarter, and by more than chance explains."""
    cost, requests = insight.cost, insight.performance.requests
    if known_usd <= 0.0 or cost.per_request_usd <= 0.0 or not requests:
        return False
    moved = abs(log(cost.per_request_usd / known_usd))
    return moved > REPRICED and moved > SURE_ERRORS * cost.stddev_usd / cost.per_request_usd / sqrt(requests)


def measures(insight: Insight, configuration: Configuration) -> bool:
    """Whether the insight speaks of this configuration; an insight that names none is taken at its word."""
    return insight.configuration is None or insight.configuration == configuration
