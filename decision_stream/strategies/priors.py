"""What other scopes of the tenant let one expect of a model here: their ratios, applied to what is measured here."""

from math import exp, sqrt

from msgspec.structs import replace

from ..model.knowledge import PooledComparison
from ..model.metrics import ModelEstimate
from .estimates import estimate_with_errors, log_errors, pooled

LEAST_MEASURED = 100
"""Scored requests of the model in use below which nothing can be compared with it."""


def refined(
    known: dict[str, ModelEstimate], in_use: ModelEstimate, priors: tuple[PooledComparison, ...]
) -> dict[str, ModelEstimate]:
    """What is known of each model, together with what other scopes measured of it against the one in use.

    Only models that are offered on this scope are refined; others may be forbidden here. A guess gives way to it.
    """
    if in_use.samples < LEAST_MEASURED:
        return known
    found = dict(known)
    for prior in priors:
        if in_use.model not in (prior.old, prior.new):
            continue
        model, sign = (prior.new, 1.0) if prior.old == in_use.model else (prior.old, -1.0)
        told = known.get(model)
        if told is None:
            continue
        expected = _expected(model, in_use, prior, sign)
        found[model] = replace(expected, provider=told.provider) if told.samples == 0 else pooled(told, expected)
    return found


def _expected(model: str, in_use: ModelEstimate, prior: PooledComparison, sign: float) -> ModelEstimate:
    """The estimate whose standard errors are those of the ratio and of the model in use together."""
    quality, cost, latency = log_errors(in_use)
    return estimate_with_errors(
        model,
        quality=min(1.0, in_use.quality * exp(sign * prior.quality)),
        cost_usd=in_use.cost_usd * exp(sign * prior.cost),
        latency_p50_ms=in_use.latency_p50_ms * exp(sign * prior.latency),
        latency_p95_ms=in_use.latency_p95_ms * exp(sign * prior.latency),
        quality_error=sqrt(prior.quality_variance + quality**2),
        cost_error=sqrt(prior.cost_variance + cost**2),
        latency_error=sqrt(prior.latency_variance + latency**2),
        most_samples=prior.samples,
    )
