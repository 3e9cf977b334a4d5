"""The configuration in use, without what was served beside it.

Insights tell of all that a route serves. While an experiment runs that is not only the configuration in use: a tenth of
the traffic with cheap models makes it look a tenth cheaper, and a little worse. The experiment's own sums tell its arms
apart.
"""

from functools import reduce

from msgspec.structs import replace

from ..model.metrics import ArmSample
from ..model.outcome import CONTROL
from ..model.state import Experiment, Live
from ..stats.moments import Moments

FORGETTING = 0.98
"""Weight of the past per minute in the measurements: fifty minutes' worth of memory."""
MINUTE_MS = 60_000
LEAST_REQUESTS = 100
"""Requests of the control below which its sums are too rough to correct anything by."""


def apart(live: Live, experiment: Experiment, at_ms: int) -> Live:
    """The measurements as they would be without the other arms of an experiment that runs or ends now.

    Each mean is moved by what the control differs from all arms together, as far as the memory reaches into the
    experiment; a metric of which the control has shown nothing stays as it is.
    """
    control = experiment.samples[CONTROL]
    if control.requests < LEAST_REQUESTS or not live.weight:
        return live
    every = reduce(ArmSample.merge, experiment.samples.values())
    if every.requests == control.requests:
        return live
    within = 1.0 - FORGETTING ** ((at_ms - experiment.started_at_ms) / MINUTE_MS)
    quality = _ratio(control.quality, every.quality, within)
    latency = _ratio(control.latency_ms, every.latency_ms, within)
    return replace(
        live,
        quality=min(1.0, live.quality * quality),
        cost_usd=live.cost_usd * _ratio(control.cost_usd, every.cost_usd, within),
        latency_p50_ms=live.latency_p50_ms * latency,
        latency_p95_ms=live.latency_p95_ms * latency,
    )


def _ratio(control: Moments, every: Moments, within: float) -> float:
    if not control.count or min(control.mean, every.mean) <= 0.0:
        return 1.0
    return float((control.mean / every.mean) ** within)
