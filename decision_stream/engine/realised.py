"""What a change really did: relative changes measured in its ramp against the concurrent control."""

from dataclasses import dataclass
from math import log1p, sqrt

from ..model.policy import Weights
from ..model.state import Ramp
from ..stats.blocks import Blocks
from ..stats.moments import Moments
from ..strategies.estimates import P95_ERROR, P95_SCORE
from .guard import MEAN_LATENCY

PARTS = ("quality", "cost", "latency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """Logarithm of treatment over control, and its standard error (positive)."""

    log_ratio: float
    error: float


def realised(ramp: Ramp) -> dict[str, Realised]:
    """The measured change of quality, cost and p95 latency; a part with too little data is left out.

    The change of p95 is that of the mean, compared within blocks, and of the tail beyond the mean of a log-normal
    latency with the measured spread.
    """
    treatment, control = ramp.step_treatment, ramp.step_control
    sides = (
        ("quality", "quality", treatment.quality, control.quality, ramp.control.quality, -1.0),
        ("cost", "cost", control.cost_usd, treatment.cost_usd, ramp.control.cost_usd, 1.0),
        ("latency", MEAN_LATENCY, control.latency_ms, treatment.latency_ms, ramp.control.latency_ms, 1.0),
    )
    found = {}
    for part, block, before, after, reference, sign in sides:
        measured = _relative(ramp.blocks.get(block, Blocks()).apply(before, after), reference, sign)
        if measured is not None and part == "latency":
            measured = _with_tails(measured, ramp.treatment.latency_ms, ramp.control.latency_ms)
        if measured is not None:
            found[part] = measured
    return found


def utility_gain(parts: dict[str, float], weights: Weights) -> float | None:
    """Weighted logarithms of the ratios, cost and latency counted against it; None when a weighted part is missing.

    >>> round(utility_gain({"quality": 0.0, "cost": -1.0, "latency": 0.0}, Weights()), 6)
    0.3
    """
    signed = {"quality": weights.quality, "cost": -weights.cost, "latency": -weights.latency}
    if any(weight and part not in parts for part, weight in signed.items()):
        return None
    return sum(weight * parts[part] for part, weight in signed.items() if weight)


def _with_tails(means: Realised, treatment: Moments, control: Moments) -> Realised:
    tails = [_tail(moments) for moments in (treatment, control)]
    error = sqrt(means.error**2 + tails[0].error ** 2 + tails[1].error ** 2)
    return Realised(log_ratio=means.log_ratio + tails[0].log_ratio - tails[1].log_ratio, error=error)


def _tail(latency_ms: Moments) -> Realised:
    """Logarithm of p95 over the mean of a log-normal latency."""
    sigma = sqrt(log1p(latency_ms.variance / latency_ms.mean**2))
    return Realised(log_ratio=P95_SCORE * sigma - sigma * sigma / 2.0, error=P95_ERROR * sigma / sqrt(latency_ms.count))


def _relative(blocks: Blocks, reference: Moments, sign: float) -> Realised | None:
    found = blocks.difference()
    if found is None or reference.mean <= 0.0:
        return None
    ratio = 1.0 + sign * found.estimate / reference.mean
    if ratio <= 0.0:
        return None
    return Realised(log_ratio=log1p(ratio - 1.0), error=found.standard_error / (reference.mean * ratio))
