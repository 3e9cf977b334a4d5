"""Estimates of models and what they are worth: utility on fixed reference ranges, with its standard error."""

from math import exp, hypot, log, log1p, sqrt
from statistics import NormalDist

from msgspec import Struct
from msgspec.structs import replace

from ..model.decision import ImpactEstimate, Interval, PredictedImpact
from ..model.metrics import ArmSample, ModelEstimate
from ..model.policy import ParetoPolicy, ReferenceRange
from ..model.state import Live

P95_SCORE = 1.6449
"""Standard normal score of the 95th percentile."""
P95_ERROR = 2.11
"""Standard error of a log p95 from n log-normal values is this times sigma / sqrt(n).

Sqrt(.95 * .05) / density there.
"""
IMPACT_LEVEL = 0.95
_IMPACT_SCORE = 2.228
"""How many standard errors an impact's interval reaches: Student's t with ten degrees of freedom, two-sided.

How much other hours, a choice by luck or an incident move what comes is itself a rough guess, and so is that error.
"""
BETWEEN_HOURS_QUALITY, BETWEEN_HOURS_COST = 0.005, 0.03
"""Standard deviations of logarithms by which one hour's requests differ from the day's.

The model in use is measured over the last hour, the others over a longer time; a change is for the days to come.
"""
SURE = 0.95
"""Probability with which a threshold must hold, and with which one model must be better in all to dominate another."""
_SURE_SCORE = NormalDist().inv_cdf(SURE)
_SCORED = "scored"
PARTS = ("quality", "cost", "latency")
_Three = tuple[float, float, float]


class Score(Struct, frozen=True, gc=False):
    """The utility of an estimate, in [0, 1], and the standard error of that.

    `terms` are the parts of the utility that quality, cost and latency bring, and sum up to it; `errors` the standard
    errors of the three objectives themselves; `worst` what each of them is no worse than with probability `SURE`.
    """

    utility: float
    error: float
    terms: _Three
    errors: _Three
    worst: _Three


class Scored(Struct, frozen=True, gc=False, kw_only=True):
    """An estimate with its score.

    `code` says why a candidate is out; it is empty for a feasible one that nobody dominates. `value` and `limit` are
    the numbers behind the code; `detail` names the model that dominates.
    """

    estimate: ModelEstimate
    score: Score
    code: str = ""
    detail: str = ""
    value: float | None = None
    limit: float | None = None

    @property
    def model(self) -> str:
        return self.estimate.model

    @property
    def utility(self) -> float:
        return self.score.utility

    @property
    def error(self) -> float:
        return self.score.error


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


def estimate_of_arm(model: str, arm: ArmSample) -> ModelEstimate:
    """What an arm of a ramp shows of a model; latency is taken for log-normal. Needs two or more of each sample."""
    sigma = sqrt(log1p(arm.latency_ms.variance / arm.latency_ms.mean**2)) if arm.latency_ms.mean > 0.0 else 0.0
    median_ms = arm.latency_ms.mean * exp(-sigma * sigma / 2.0)
    return ModelEstimate(
        model=model,
        quality=arm.quality.mean,
        quality_stddev=min(1.0, sqrt(arm.quality.variance)),
        cost_usd=arm.cost_usd.mean,
        cost_stddev_usd=sqrt(arm.cost_usd.variance),
        latency_p50_ms=median_ms,
        latency_p95_ms=median_ms * exp(P95_SCORE * sigma),
        samples=arm.quality.count,
    )


def log_errors(estimate: ModelEstimate) -> tuple[float, float, float]:
    """Standard errors of the logarithms of quality, cost and p95 latency; for a positive quality and cost."""
    root = sqrt(max(estimate.samples, 1))
    return (
        estimate.quality_stddev / root / max(estimate.quality, 1e-6),
        estimate.cost_stddev_usd / root / max(estimate.cost_usd, 1e-12),
        P95_ERROR * _log_spread(estimate) / root,
    )


def estimate_with_errors(
    model: str,
    *,
    quality: float,
    cost_usd: float,
    latency_p50_ms: float,
    latency_p95_ms: float,
    quality_error: float,
    cost_error: float,
    latency_error: float,
    most_samples: int,
) -> ModelEstimate:
    """An estimate with these standard errors, each of a logarithm.

    The spread of latency follows from its quantiles, so its error says how many samples the estimate is worth, at most
    `most_samples`; the other spreads are those that give their errors with so many.
    """
    made = ModelEstimate(
        model=model,
        quality=quality,
        quality_stddev=0.0,
        cost_usd=cost_usd,
        cost_stddev_usd=0.0,
        latency_p50_ms=latency_p50_ms,
        latency_p95_ms=latency_p95_ms,
        samples=0,
    )
    worth = (P95_ERROR * _log_spread(made) / max(latency_error, 1e-6)) ** 2
    samples = max(1, int(min(worth, most_samples)))
    return replace(
        made,
        quality_stddev=min(1.0, quality_error * quality * sqrt(samples)),
        cost_stddev_usd=cost_error * cost_usd * sqrt(samples),
        samples=samples,
    )


def pooled(told: ModelEstimate, measured: ModelEstimate) -> ModelEstimate:
    """Both together, weighted by their samples, where they agree; else what was told, which is newer.

    They agree when quality differs by at most three standard errors and cost by at most a tenth.
    """
    error = sqrt(told.quality_stddev**2 / max(told.samples, 1) + measured.quality_stddev**2 / max(measured.samples, 1))
    if abs(told.quality - measured.quality) > 3.0 * error or not (
        0.9 * told.cost_usd <= measured.cost_usd <= 1.1 * told.cost_usd
    ):
        return told
    samples = told.samples + measured.samples
    share = measured.samples / samples if samples else 0.0

    def mixed(one: float, other: float) -> float:
        return one + share * (other - one)

    return ModelEstimate(
        model=told.model,
        quality=mixed(told.quality, measured.quality),
        quality_stddev=mixed(told.quality_stddev, measured.quality_stddev),
        cost_usd=mixed(told.cost_usd, measured.cost_usd),
        cost_stddev_usd=mixed(told.cost_stddev_usd, measured.cost_stddev_usd),
        latency_p50_ms=mixed(told.latency_p50_ms, measured.latency_p50_ms),
        latency_p95_ms=mixed(told.latency_p95_ms, measured.latency_p95_ms),
        samples=samples,
    )


def scored(estimate: ModelEstimate, rules: ParetoPolicy) -> Scored:
    """An estimate that outlives many insights with its score, which is remembered beside it under the same rules."""
    known = estimate.__dict__.get(_SCORED)
    if known is None or known[0] is not rules:
        known = estimate.__dict__[_SCORED] = (rules, score_of(estimate, rules))
    return Scored(estimate=estimate, score=known[1])


def score_of(estimate: ModelEstimate, rules: ParetoPolicy) -> Score:
    """Weighted sum of the objectives on their fixed ranges, with its standard error by the delta method."""
    quality, cost_usd, latency_ms = estimate.quality, estimate.cost_usd, estimate.latency_p95_ms
    root = sqrt(estimate.samples or 1)
    quality_error = estimate.quality_stddev / root
    cost_error = estimate.cost_stddev_usd / root
    latency_error = latency_ms * P95_ERROR * _log_spread(estimate) / root
    weights = rules.weights
    quality_term, quality_slope = worth(rules.quality_range, quality, weights.quality)
    cost_term, cost_slope = worth(rules.cost_range, cost_usd, weights.cost)
    latency_term, latency_slope = worth(rules.latency_range, latency_ms, weights.latency)
    variance = (
        (quality_slope * quality_error) ** 2 + (cost_slope * cost_error) ** 2 + (latency_slope * latency_error) ** 2
    )
    return Score(
        quality_term + cost_term + latency_term,
        sqrt(variance),
        (quality_term, cost_term, latency_term),
        (quality_error, cost_error, latency_error),
        (
            quality - _SURE_SCORE * quality_error,
            cost_usd + _SURE_SCORE * cost_error,
            latency_ms + _SURE_SCORE * latency_error,
        ),
    )


def worth(scale: ReferenceRange, value: float, weight: float) -> tuple[float, float]:
    """What a value is worth, from 0 at the nadir to the weight at the ideal, and the slope of that there."""
    width = scale.width
    if scale.log:
        if value < 1e-12:
            value = 1e-12
        score, slope = (log(value) - scale.origin) / width, 1.0 / (width * value)
    else:
        score, slope = (value - scale.nadir) / width, 1.0 / width
    return weight * (0.0 if score < 0.0 else score if score < 1.0 else 1.0), weight * slope


def _log_spread(estimate: ModelEstimate) -> float:
    """Sigma of a log-normal latency with these two quantiles."""
    if estimate.latency_p50_ms <= 0.0 or estimate.latency_p95_ms <= estimate.latency_p50_ms:
        return 1.0
    return log(estimate.latency_p95_ms / estimate.latency_p50_ms) / P95_SCORE


def impact_of_switch(
    old: ModelEstimate,
    new: ModelEstimate,
    quality_error: float = 0.0,
    latency_error: float = 0.0,
    luck: float = 0.0,
) -> PredictedImpact:
    """Predicted relative change of each objective over the day to come, with its interval on the log scale.

    Requests of other hours are allowed for. The errors are further ones of the logarithms, known by who asks. `luck`
    is by how many standard errors the choice of the new model favoured its quality and speed.
    """
    return PredictedImpact(
        quality=_relative(
            old.quality,
            new.quality,
            old.quality_stddev / sqrt(old.samples),
            new.quality_stddev / sqrt(new.samples),
            hypot(BETWEEN_HOURS_QUALITY, quality_error),
            -luck,
        ),
        cost=_relative(
            old.cost_usd,
            new.cost_usd,
            old.cost_stddev_usd / sqrt(old.samples),
            new.cost_stddev_usd / sqrt(new.samples),
            BETWEEN_HOURS_COST,
        ),
        latency=_relative(
            old.latency_p95_ms,
            new.latency_p95_ms,
            old.latency_p95_ms * P95_ERROR * _log_spread(old) / sqrt(old.samples),
            new.latency_p95_ms * P95_ERROR * _log_spread(new) / sqrt(new.samples),
            latency_error,
            luck,
        ),
    )


def _relative(
    old: float, new: float, old_error: float, new_error: float, between: float = 0.0, shift: float = 0.0
) -> ImpactEstimate | None:
    """new / old - 1, shifted by so many standard errors, with an interval on the log scale; None for a zero."""
    if old <= 0.0 or new <= 0.0:
        return None
    error = sqrt((old_error / old) ** 2 + (new_error / new) ** 2 + between**2)
    ratio = log(new / old) + shift * error
    half = _IMPACT_SCORE * error
    return ImpactEstimate(
        delta=exp(ratio) - 1.0,
        interval=Interval(low=exp(ratio - half) - 1.0, high=exp(ratio + half) - 1.0, level=IMPACT_LEVEL),
    )
