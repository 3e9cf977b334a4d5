"""The models of a scope as candidates: feasible beyond doubt, dominated beyond doubt, or on the frontier."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from ..model.journal import FrontierPoint, Reason
from ..model.policy import ParetoPolicy
from .allowance import least_share
from .estimates import Scored, scored
from .models import known_models
from .protocol import View

SURE = 0.95
"""Probability with which a threshold must hold, and with which one model must be better in all to dominate another."""
_SURE_SCORE = NormalDist().inv_cdf(SURE)
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A candidate and where it stands. `code` says why it is out; it is empty for a feasible one that nobody dominates.

    `value` and `limit` are the numbers behind the code; `detail` names the model that dominates.
    """

    scored: Scored
    code: str = ""
    detail: str = ""
    value: float | None = None
    limit: float | None = None

    @property
    def model(self) -> str:
        return self.scored.estimate.model


def survey(view: View, current: Scored, rules: ParetoPolicy) -> list[Place]:
    """Every known model but the one in use, in the order of names."""
    known = known_models(view.policy, view.state.cold, view.at_ms, view.state.hot.live)
    places = [
        _placed(view, scored(estimate, rules), current, rules)
        for model, estimate in sorted(known.items())
        if model != view.configuration.model
    ]
    feasible = [place.scored for place in places if not place.code]
    return [place if place.code else _dominated(place, feasible) for place in places]


def probability_of_domination(one: Scored, other: Scored) -> float:
    """Probability that one model is better than the other in quality, cost and latency at once.

    Errors of the three are taken as independent.
    """
    a, b = one.estimate, other.estimate
    gains = (a.quality - b.quality, b.cost_usd - a.cost_usd, b.latency_p95_ms - a.latency_p95_ms)
    probability = 1.0
    for gain, error_a, error_b in zip(gains, one.errors, other.errors, strict=True):
        error = sqrt(error_a**2 + error_b**2)
        probability *= _NORMAL.cdf(gain / error) if error > 0.0 else float(gain > 0.0)
    return probability


def points(current: Scored, places: list[Place]) -> tuple[FrontierPoint, ...]:
    """The picture of the candidates for the journal: the model in use first, then the others by name."""
    return (_point(current, "in_use"), *(_point(it.scored, _standing(it), it.code, it.detail) for it in places))


def reason_of(place: Place) -> Reason:
    """Why a candidate is out, with its numbers."""
    detail = f"{place.model} by {place.detail}" if place.detail else place.model
    return Reason(source="pareto", code=place.code, detail=detail, value=place.value, limit=place.limit)


def _placed(view: View, candidate: Scored, current: Scored, rules: ParetoPolicy) -> Place:
    """Thresholds must hold with 95 % probability; no worse in quality than allowed is asked of the estimate itself."""
    estimate, hard = candidate.estimate, view.policy.threshold_based.performance
    quality_error, cost_error, latency_error = candidate.errors
    least = max(rules.min_quality_threshold, hard.min_quality_score)
    purse = view.state.hot.purse
    dearest = rules.max_cost_threshold_usd
    if purse is not None and purse.per_request_limit_usd is not None:
        dearest = min(dearest, purse.per_request_limit_usd)
    slowest = min(rules.max_latency_threshold_ms, hard.max_latency_p95_ms)
    stone = view.state.cold.tombstones.get(f"model={estimate.model}")
    equal = current.estimate.quality * least_share(view.state.cold, rules)
    quality = estimate.quality - _SURE_SCORE * quality_error
    cost_usd = estimate.cost_usd + _SURE_SCORE * cost_error
    latency_ms = estimate.latency_p95_ms + _SURE_SCORE * latency_error
    if stone is not None and view.at_ms < stone.until_ms:
        return Place(scored=candidate, code="buried")
    for code, is_out, value, limit in (
        ("too_little_data", estimate.samples < rules.min_samples, float(estimate.samples), float(rules.min_samples)),
        ("quality_too_low", quality < least, quality, least),
        ("quality_too_low", estimate.quality < equal, estimate.quality, equal),
        ("too_expensive", cost_usd > dearest, cost_usd, dearest),
        ("too_slow", latency_ms > slowest, latency_ms, slowest),
    ):
        if is_out:
            return Place(scored=candidate, code=code, value=value, limit=limit)
    return Place(scored=candidate)


def _dominated(place: Place, feasible: list[Scored]) -> Place:
    for rival in feasible:
        if rival is not place.scored:
            probability = probability_of_domination(rival, place.scored)
            if probability >= SURE:
                return Place(
                    scored=place.scored,
                    code="dominated",
                    detail=rival.estimate.model,
                    value=probability,
                    limit=SURE,
                )
    return place


def _standing(place: Place) -> str:
    return "frontier" if not place.code else "dominated" if place.code == "dominated" else "infeasible"


def _point(it: Scored, standing: str, code: str = "", detail: str = "") -> FrontierPoint:
    return FrontierPoint(
        model=it.estimate.model,
        quality=it.estimate.quality,
        cost_usd=it.estimate.cost_usd,
        latency_p95_ms=it.estimate.latency_p95_ms,
        samples=it.estimate.samples,
        utility=it.utility,
        standing=standing,
        code=code or None,
        detail=detail,
    )
