"""Pareto optimisation: the model that serves quality, cost and latency best (seed §4.3).

A switch needs a proven gain. Feasibility comes first, then dominance, then utility on fixed reference ranges. The
gain over the model in use must exceed the price of a switch at the lower end of an interval that holds however often
one looks.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from msgspec import Struct
from msgspec.structs import replace

from ..model.configuration import ConfigurationChanges, ModelChange
from ..model.decision import Alternative, Evidence, Interval, ModelSwitch, PredictedImpact
from ..model.insight import Insight, Recommendation
from ..model.journal import Reason
from ..model.metrics import ModelEstimate
from ..model.policy import ParetoPolicy, Policy
from ..model.state import HotState
from ..stats import confidence_sequence
from .allowance import harms
from .apart import apart
from .company import is_comparable
from .estimates import PARTS, Scored, estimate_in_use, impact_of_switch
from .frontier import points, survey
from .like_times import LikeTimes, like_times
from .protocol import NO_PREDICTION, Idea, Opinion, View
from .recommendations import SWITCH_MODEL, recommended, refused, used
from .situation import cost_pressure, performance_degradation

LOOK_MS = 5 * 60_000
SETTLED_WEIGHT = 45.0
"""Effective windows after which the measurements of the model in use change little any more (of at most 50)."""

LUCK = 0.5
"""Standard errors by which the chosen model's quality and speed are overestimated.

Of several models, looked at again and again, one is taken when its estimates are good and its bounds are within the
constraints, so that it is mostly one whose errors are kind: the optimizer's curse (Smith & Winkler 2006).
"""


@dataclass(frozen=True, slots=True)
class Pareto:
    """Proposes model switches."""

    name: str = "pareto"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 90 by default."""
        return policy.pareto.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.pareto.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Nothing of its own: estimates and live measurements are the engine's."""
        return hot

    def propose(self, view: View) -> Opinion:
        """The best feasible model if it is proven better than the one in use, else why not."""
        rules = view.policy.pareto
        occasion = _occasion(view)
        if occasion is None:
            return Opinion(reasons=_NO_OCCASION)
        if not is_comparable(view.state.hot, view.insight, view.policy):
            return Opinion(reasons=_NOT_COMPARABLE)
        estimate = _in_use(view)
        if estimate is None or estimate.samples < rules.min_samples:
            samples = 0 if estimate is None else estimate.samples
            return _silent("too_little_data", "of the model in use", samples, rules.min_samples)
        known = like_times(estimate, view.state.hot, rules)
        current = known.current
        found = survey(view, current, rules)
        places = found.places
        picture = points(current, places) if view.is_news else ()
        asked = recommended(view, SWITCH_MODEL) if view.insight.recommendations else {}
        if found.feasible + 1 < rules.min_candidates:
            few = _reason("too_few_candidates", "", found.feasible + 1, rules.min_candidates)
            return Opinion(reasons=(few, *found.out, *_untaken(asked, places, None)), frontier=picture)
        chosen = _chosen(found.ranked, known, view)
        out = (*chosen.out, *found.out)
        if chosen.best is None:
            return Opinion(reasons=(*out, *_untaken(asked, places, None)), frontier=picture)
        others = [it for it in found.ranked if it is not chosen.best]
        idea = _idea(chosen.best, current, others, chosen.impact, rules, occasion)
        model = chosen.best.estimate.model
        reasons = (*out, *_untaken(asked, places, model))
        if model in asked:
            trace, evidence = used(self.name, asked[model])
            idea, reasons = replace(idea, evidence=(*idea.evidence, evidence)), (*reasons, trace)
        return Opinion(ideas=(idea,), reasons=reasons, frontier=picture or points(current, places))


def _in_use(view: View) -> ModelEstimate | None:
    """The model in use, apart from what an experiment serves beside it."""
    live, experiment = view.state.hot.live, view.state.cold.experiment
    if experiment is not None:
        live = apart(live, experiment, view.at_ms)
    return estimate_in_use(live, view.configuration.model)


class _Choice(Struct, frozen=True, gc=False, kw_only=True):
    """The candidate to switch to, None where there is none, its predicted impact, and why those before it are out."""

    best: Scored | None = None
    impact: PredictedImpact = NO_PREDICTION
    out: tuple[Reason, ...] = ()


def _chosen(ranked: tuple[Scored, ...], known: LikeTimes, view: View) -> _Choice:
    """The first with a proven gain and an impact that the constraints allow; to propose another is for nothing."""
    rules, current = view.policy.pareto, known.current
    out: list[Reason] = []
    for candidate in ranked:
        name, gain = candidate.estimate.model, candidate.utility - current.utility
        radius = _radius(candidate, current, rules.alpha)
        if gain - radius < rules.min_gain:
            detail = f"{name} over {current.estimate.model}, give or take {radius:.4f}"
            return _Choice(out=(_reason("gain_not_proven", detail, gain, rules.min_gain), *out))
        impact = impact_of_switch(current.estimate, candidate.estimate, known.quality, known.latency, LUCK)
        broken = _broken(impact, view.policy)
        if broken is None:
            return _Choice(best=candidate, impact=impact, out=tuple(out))
        out.append(replace(broken, detail=f"{name}: {broken.detail}"))
    return _Choice(out=tuple(out))


def _broken(impact: PredictedImpact, policy: Policy) -> Reason | None:
    """The first constraint that a switch would break."""
    if not policy.validation.enable_constraint_checking:
        return None
    for constraint, harm, allowed in harms(impact, policy.safety):
        if harm is None or harm > allowed:
            return _reason("beyond_constraints", constraint, harm, allowed)
    return None


def _occasion(view: View) -> str | None:
    """Why to look now; None when there is none (seed §4.3: pressure, degradation, or a day without a change)."""
    if cost_pressure(view):
        return "cost pressure"
    if performance_degradation(view):
        return "performance degradation"
    if view.is_news:
        return "news of a candidate"
    if view.state.hot.live.weight < SETTLED_WEIGHT:
        return "the model in use is still being measured"
    if view.insight.recommendations and recommended(view, SWITCH_MODEL):
        return "recommended"
    changed_at_ms = view.state.cold.changed_at_ms
    is_long_ago = changed_at_ms is None or view.at_ms - changed_at_ms >= view.policy.pareto.reconsider_ms
    return "not changed for long" if is_long_ago and _is_time_to_look(view.insight) else None


def _is_time_to_look(insight: Insight) -> bool:
    """Whether five minutes of the clock were completed by this window: settled estimates do not turn within fewer."""
    return insight.at_ms // LOOK_MS != (insight.at_ms - insight.window_ms) // LOOK_MS


def _untaken(asked: dict[str, Recommendation], places: tuple[Scored, ...], chosen: str | None) -> tuple[Reason, ...]:
    """The trace of the recommended models that are not chosen."""
    if not asked:
        return ()
    why = {place.model: place.code or "another one is worth more, or the gain is not proven" for place in places}
    return tuple(
        refused("pareto", told, why.get(model, "in use, or nothing is known of it"))
        for model, told in sorted(asked.items())
        if model != chosen
    )


def _radius(best: Scored, base: Scored, alpha: float) -> float:
    """Half width of a confidence sequence for the gain, valid at every look; tightest at a thousand samples."""
    error = sqrt(best.error**2 + base.error**2)
    samples = min(best.estimate.samples, base.estimate.samples)
    tuned = confidence_sequence.tuning(alpha, 1_000.0)
    return error * sqrt(samples) * confidence_sequence.radius(samples, tuned, alpha)


def _idea(
    best: Scored,
    base: Scored,
    others: list[Scored],
    impact: PredictedImpact,
    rules: ParetoPolicy,
    occasion: str,
) -> Idea:
    old, new = base.estimate, best.estimate
    gain, radius = best.utility - base.utility, _radius(best, base, rules.alpha)
    error = sqrt(best.error**2 + base.error**2)
    reason = (
        f"{occasion}: utility {base.utility:.3f} -> {best.utility:.3f}: "
        f"quality {old.quality:.3f} -> {new.quality:.3f}, "
        f"cost {old.cost_usd:.5f} -> {new.cost_usd:.5f} USD, "
        f"p95 {old.latency_p95_ms:.0f} -> {new.latency_p95_ms:.0f} ms"
    )
    return Idea(
        decision=ModelSwitch(from_model=old.model, to_model=new.model, reason=reason),
        changes=ConfigurationChanges(model=ModelChange(old=old.model, new=new.model)),
        impact=impact,
        confidence=NormalDist().cdf(gain / error) if error > 0.0 else None,
        evidence=(
            Evidence(
                method="utility_confidence_sequence",
                samples=min(old.samples, new.samples),
                statistic=gain,
                threshold=rules.min_gain,
                interval=Interval(low=gain - radius, high=gain + radius, level=1.0 - rules.alpha),
                error_budget=rules.alpha,
                contributions={
                    part: after - before
                    for part, before, after in zip(PARTS, base.score.terms, best.score.terms, strict=True)
                },
            ),
        ),
        alternatives=tuple(
            Alternative(
                what=other.estimate.model,
                code="lower_utility",
                value=other.utility,
            )
            for other in others
        ),
        would_flip=f"a gain below {rules.min_gain + radius:.4f} instead of {gain:.4f}",
    )


def _silent(code: str, detail: str, value: float, limit: float) -> Opinion:
    return Opinion(reasons=(_reason(code, detail, value, limit),))


def _reason(code: str, detail: str = "", value: float | None = None, limit: float | None = None) -> Reason:
    return Reason(source="pareto", code=code, detail=detail, value=value, limit=limit)


_NO_OCCASION = (_reason("no_occasion", "nothing presses, nothing is new, and it is not time to look again"),)
_NOT_COMPARABLE = (
    _reason("not_comparable", "quality fell and others may have lost it too, of which less recent things are known"),
)
