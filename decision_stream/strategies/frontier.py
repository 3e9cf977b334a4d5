"""The models of a scope as candidates: feasible beyond doubt, dominated beyond doubt, or on the frontier."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, sqrt
from statistics import NormalDist
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from ..model.journal import FrontierPoint, Reason
from ..model.metrics import ModelEstimate
from ..model.policy import ParetoPolicy, Policy
from .allowance import least_share
from .estimates import SURE, Scored, scored
from .models import known_models
from .protocol import View

_NORMAL = NormalDist()
_Standing = Literal["in_use", "frontier", "dominated", "infeasible"]


class Survey(Struct, frozen=True, gc=False):
    """Every known model but the one in use, in the order of names: `places`.

    `out` says of those that are out why, `ranked` are the others, the best first; `feasible` counts those that keep
    all limits, dominated or not.
    """

    places: tuple[Scored, ...]
    out: tuple[Reason, ...]
    ranked: tuple[Scored, ...]
    feasible: int


def survey(view: View, current: Scored, rules: ParetoPolicy) -> Survey:
    """The candidates as they stand now.

    Between two reports of the analyzer only the quality of the model in use moves, and while that lets no candidate out
    that was in, all stand as before. So the survey is remembered beside the estimates that it was made of.
    """
    cold, in_use = view.state.cold, view.configuration.model
    estimates, dearest = cold.estimates, _dearest(view, rules)
    # Of the quality as estimated; all other limits hold with probability `SURE`.
    equal = current.estimate.quality * least_share(cold, rules)
    before = _remembered.get(id(estimates))
    is_known = (
        before is not None
        and before.estimates is estimates
        and before.policy is view.policy
        and equal <= before.least_quality
        and dearest == before.dearest
        and in_use == before.in_use
    )
    known = known_models(view.policy, cold, view.at_ms, view.state.hot.live)
    is_plain = known is estimates and not cold.tombstones
    if before is not None and is_known and is_plain:
        return before.survey
    limits = _limits(view, equal, dearest, rules)
    found = _surveyed(view, known, limits)
    if is_plain:
        least = min([it.quality for it in estimates.values() if it.samples >= limits.samples], default=inf)
        if equal <= least:
            if len(_remembered) >= MOST_REMEMBERED:
                _remembered.clear()
            _remembered[id(estimates)] = _Remembered(estimates, view.policy, in_use, dearest, least, found)
    return found


def _surveyed(view: View, known: Mapping[str, ModelEstimate], limits: _Limits) -> Survey:
    rules, in_use, stones = view.policy.pareto, view.configuration.model, view.state.cold.tombstones
    places = []
    for model in sorted(known):
        if model == in_use:
            continue
        place = scored(known[model], rules)
        if stones and (stone := stones.get(f"model={model}")) is not None and view.at_ms < stone.until_ms:
            place = replace(place, code="buried")
        else:
            place = _placed(place, limits)
        places.append(place)
    feasible = [place for place in places if not place.code]
    if len(feasible) > 1:
        best = max([it.estimate.quality for it in feasible])
        cheapest = min([it.estimate.cost_usd for it in feasible])
        # Who is best or cheapest is dominated by none: mostly that settles it.
        places = [
            place
            if place.code or place.estimate.quality >= best or place.estimate.cost_usd <= cheapest
            else _dominated(place, feasible)
            for place in places
        ]
    return Survey(
        tuple(places),
        tuple([reason_of(place) for place in places if place.code]),
        # Places come by name, so that of equal ones the first name stays first.
        tuple(sorted([place for place in places if not place.code], key=_utility, reverse=True)),
        len(feasible),
    )


class _Remembered(Struct, frozen=True, gc=False):
    """A survey and what it holds for; the estimates are kept, so that no others have their identity meanwhile."""

    estimates: Mapping[str, ModelEstimate]
    policy: Policy
    in_use: str
    dearest: float
    least_quality: float
    survey: Survey


MOST_REMEMBERED = 1_000
_remembered: dict[int, _Remembered] = {}


def _utility(it: Scored) -> float:
    return it.score.utility


def probability_of_domination(one: Scored, other: Scored) -> float:
    """Probability that one model is better than the other in quality, cost and latency at once.

    Errors of the three are taken as independent.
    """
    a, b = one.estimate, other.estimate
    gains = (a.quality - b.quality, b.cost_usd - a.cost_usd, b.latency_p95_ms - a.latency_p95_ms)
    probability = 1.0
    for gain, error_a, error_b in zip(gains, one.score.errors, other.score.errors, strict=True):
        error = sqrt(error_a**2 + error_b**2)
        probability *= _NORMAL.cdf(gain / error) if error > 0.0 else float(gain > 0.0)
    return probability


def points(current: Scored, places: tuple[Scored, ...]) -> tuple[FrontierPoint, ...]:
    """The picture of the candidates for the journal: the model in use first, then the others by name."""
    return (_point(current, "in_use"), *(_point(it, _standing(it)) for it in places))


def reason_of(place: Scored) -> Reason:
    """Why a candidate is out, with its numbers."""
    detail = f"{place.model} by {place.detail}" if place.detail else place.model
    return Reason(source="pareto", code=place.code, detail=detail, value=place.value, limit=place.limit)


class _Limits(Struct, frozen=True, gc=False):
    """What a candidate must keep: `equal` of the quality as estimated, the others with probability `SURE`."""

    samples: int
    quality: float
    equal: float
    cost_usd: float
    latency_ms: float


def _dearest(view: View, rules: ParetoPolicy) -> float:
    purse = view.state.hot.purse
    if purse is None or purse.per_request_limit_usd is None:
        return rules.max_cost_threshold_usd
    return min(rules.max_cost_threshold_usd, purse.per_request_limit_usd)


def _limits(view: View, equal: float, dearest: float, rules: ParetoPolicy) -> _Limits:
    hard = view.policy.threshold_based.performance
    return _Limits(
        rules.min_samples,
        max(rules.min_quality_threshold, hard.min_quality_score),
        equal,
        dearest,
        min(rules.max_latency_threshold_ms, hard.max_latency_p95_ms),
    )


def _placed(candidate: Scored, limits: _Limits) -> Scored:
    estimate = candidate.estimate
    quality, cost_usd, latency_ms = candidate.score.worst
    if estimate.samples < limits.samples:
        return _out(candidate, "too_little_data", float(estimate.samples), float(limits.samples))
    if quality < limits.quality:
        return _out(candidate, "quality_too_low", quality, limits.quality)
    if estimate.quality < limits.equal:
        return _out(candidate, "quality_too_low", estimate.quality, limits.equal)
    if cost_usd > limits.cost_usd:
        return _out(candidate, "too_expensive", cost_usd, limits.cost_usd)
    if latency_ms > limits.latency_ms:
        return _out(candidate, "too_slow", latency_ms, limits.latency_ms)
    return candidate


def _out(candidate: Scored, code: str, value: float, limit: float) -> Scored:
    return replace(candidate, code=code, value=value, limit=limit)


def _dominated(place: Scored, feasible: list[Scored]) -> Scored:
    mine = place.estimate
    quality, cost_usd, latency_ms = mine.quality, mine.cost_usd, mine.latency_p95_ms
    for rival in feasible:
        other = rival.estimate
        # Who is not better in all three by the estimates cannot be so with more than even chances.
        if (
            other.quality > quality
            and other.cost_usd < cost_usd
            and other.latency_p95_ms < latency_ms
            and (probability := probability_of_domination(rival, place)) >= SURE
        ):
            return replace(place, code="dominated", detail=other.model, value=probability, limit=SURE)
    return place


def _standing(place: Scored) -> _Standing:
    return "frontier" if not place.code else "dominated" if place.code == "dominated" else "infeasible"


def _point(it: Scored, standing: _Standing) -> FrontierPoint:
    return FrontierPoint(
        model=it.estimate.model,
        quality=it.estimate.quality,
        cost_usd=it.estimate.cost_usd,
        latency_p95_ms=it.estimate.latency_p95_ms,
        samples=it.estimate.samples,
        utility=it.utility,
        standing=standing,
        code=it.code or None,
        detail=it.detail,
    )
