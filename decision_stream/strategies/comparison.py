"""What an experiment has shown so far: the objective's relative gain of each challenger, and who may be concluded.

The objective is a weighted sum of relative changes (quality up, cost and latency down). Reports carry each metric's
sums but not how metrics move together, so the standard errors are added as if they moved together fully: the test errs
on the careful side.
"""

from __future__ import annotations

from math import log

from msgspec import Struct

from ..model.decision import Evidence, ImpactEstimate, Interval, PredictedImpact
from ..model.insight import Metric
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL
from ..model.policy import Policy, ReferenceRange, Weights
from ..model.state import Experiment
from ..stats import reflection, sample_ratio, stopped
from ..stats.difference import Difference, difference
from ..stats.difference import Interval as Bounds
from ..stats.empirical_bernstein import DifferenceEvidence
from ..stats.family import shared
from ..stats.moments import Moments

MISMATCH_LEVEL = 0.001
"""Chance of ever calling a clean experiment mismatched."""
_LEAST_SAMPLES = 100
QUALITY_ONLY = Weights(quality=1.0, cost=0.0, latency=0.0)
_MODES = {
    "maximize_quality": QUALITY_ONLY,
    "minimize_cost": Weights(quality=0.0, cost=1.0, latency=0.0),
    "minimize_latency": Weights(quality=0.0, cost=0.0, latency=1.0),
}


def objective_of(policy: Policy) -> Weights:
    """The weights of relative changes that parameter tuning works for, by its mode.

    `balanced` is the Pareto strategy's utility: a tenth less cost is worth a small step on a scale of four decades, and
    a tenth less quality a fifth of its whole scale. The weights alone would sell quality at nine times its price.

    >>> objective_of(Policy())
    Weights(quality=0.936, cost=0.031, latency=0.033)
    """
    pareto = policy.pareto
    fixed = _MODES.get(policy.adaptive_parameters.optimization_mode)
    if fixed is not None:
        return fixed
    quality = pareto.weights.quality * _slope(pareto.quality_range)
    cost = pareto.weights.cost * _slope(pareto.cost_range)
    latency = pareto.weights.latency * _slope(pareto.latency_range)
    total = quality + cost + latency
    cost, latency = round(cost / total, 3), round(latency / total, 3)
    return Weights(quality=round(1.0 - cost - latency, 3), cost=cost, latency=latency)


def _slope(scale: ReferenceRange) -> float:
    """How far a relative change moves the score, near the best value of a linear scale."""
    return (1.0 if scale.log else max(abs(scale.ideal), abs(scale.nadir))) / abs(scale.width)


def compare(control: ArmSample, treatment: ArmSample, weights: Weights) -> Difference | None:
    """Relative gain of the objective, treatment against control; None before enough is seen of every weighted metric.

    `pairs` of the result counts scored or served pairs of the metric that has the fewest.
    """
    gain = error = 0.0
    pairs = float("inf")
    for _, weight, before, after in _parts(control, treatment, weights):
        found = difference(before, after)
        if found is None or before.mean <= 0.0:
            return None
        gain += weight * found.estimate / before.mean
        error += abs(weight) * found.standard_error / before.mean
        pairs = min(pairs, found.pairs)
    return Difference(gain, error * error, pairs)


def contributions(control: ArmSample, treatment: ArmSample, weights: Weights) -> dict[str, float]:
    """What each weighted metric brings to the relative gain of the objective; they add up to it."""
    return {
        name: weight * (after.mean - before.mean) / before.mean
        for name, weight, before, after in _parts(control, treatment, weights)
        if before.mean > 0.0
    }


def _parts(
    control: ArmSample, treatment: ArmSample, weights: Weights
) -> tuple[tuple[str, float, Moments, Moments], ...]:
    """The metrics that weigh something, each with its weight, less being better where that is negative."""
    parts = (
        ("quality", weights.quality, control.quality, treatment.quality),
        ("cost", -weights.cost, control.cost_usd, treatment.cost_usd),
        ("latency", -weights.latency, control.latency_ms, treatment.latency_ms),
    )
    return tuple(part for part in parts if part[1] != 0.0)


class Standing(Struct, frozen=True, gc=False, kw_only=True):
    """A challenger's place: its gain so far, the test's score against its bound, and how much of the plan is seen."""

    name: str
    gain: Difference
    score: float
    bound: float
    fraction: float

    @property
    def wins(self) -> bool:
        return self.score >= self.bound

    @property
    def loses(self) -> bool:
        return self.score <= -self.bound


class Judgement(Struct, frozen=True, gc=False, kw_only=True):
    """What may be said now: `over` with or without a `winner`, or still running; `code` and `detail` say why."""

    over: bool
    code: str
    detail: str = ""
    winner: Standing | None = None
    standings: tuple[Standing, ...] = ()


def judgement(experiment: Experiment, weights: Weights, *, min_samples: int, early: bool) -> Judgement:
    """Judge all challengers at the experiment's alpha together; may be asked after every report.

    A mismatch of the units' shares ends it without a winner: then no difference of means can be believed.
    """
    if sample_ratio.p_value(experiment.mismatch) <= MISMATCH_LEVEL:
        return Judgement(over=True, code="sample_ratio_mismatch", detail="units do not arrive in the ordered shares")
    control = experiment.samples[CONTROL]
    if experiment.allocation != "fixed":
        # The evidence is exact at every size.
        min_samples = min(min_samples, _LEAST_SAMPLES)
    standings, fewest = [], control.requests
    names = under_test(experiment)
    for name in names:
        fewest = min(fewest, _samples(experiment.samples[name], weights), _samples(control, weights))
        standing = _standing(experiment, name, weights)
        if standing is not None:
            standings.append(standing)
    found = tuple(standings)
    fraction = min((standing.fraction for standing in found), default=0.0)
    seen = f"{fraction:.0%} of the planned {experiment.planned_pairs:.0f} pairs"
    if len(found) < len(names) or fewest < min_samples or not (early or fraction >= 1.0):
        return Judgement(over=False, code="experiment_running", detail=seen, standings=found)
    winners = sorted((standing for standing in found if standing.wins), key=lambda it: (-it.gain.estimate, it.name))
    if winners:
        return Judgement(over=True, code="winner", detail=seen, winner=winners[0], standings=found)
    if all(standing.loses for standing in found):
        return Judgement(over=True, code="all_worse", detail=seen, standings=found)
    if fraction >= 1.0:
        code = "not_confirmed" if experiment.candidate else "no_difference"
        return Judgement(over=True, code=code, detail=seen, standings=found)
    return Judgement(over=False, code="experiment_running", detail=seen, standings=found)


def under_test(experiment: Experiment) -> list[str]:
    """The challengers that the test under way may name: all at first, then the one that won."""
    return [experiment.candidate] if experiment.candidate else sorted(experiment.challengers)


def alpha_each(experiment: Experiment) -> float:
    """What each tested challenger may spend."""
    return shared(experiment.alpha, len(under_test(experiment)))


def _standing(experiment: Experiment, name: str, weights: Weights) -> Standing | None:
    """Under fixed shares by the reflection bound, else by evidence that holds under any shares."""
    alpha = alpha_each(experiment)
    if experiment.allocation == "fixed":
        gain = compare(experiment.samples[CONTROL], experiment.samples[name], weights)
        if gain is None:
            return None
        score, bound = reflection.score(gain, experiment.planned_pairs), reflection.bound(alpha)
    else:
        known = experiment.evidence.get(name, DifferenceEvidence())
        gain = _gain(known, experiment.samples[CONTROL].quality, experiment.samples[name].quality)
        if gain is None:
            return None
        score = known.log_evidence() if gain.estimate > 0.0 else -known.log_evidence_below()
        bound = -log(alpha / 2.0)
    fraction = reflection.fraction(gain, experiment.planned_pairs)
    return Standing(name=name, gain=gain, score=score, bound=bound, fraction=fraction)


def _gain(known: DifferenceEvidence, control: Moments, treatment: Moments) -> Difference | None:
    """Relative gain in quality as the evidence has it: report by report, so that changing shares do not bias it."""
    found = known.difference()
    if found is None or control.mean <= 0.0:
        return None
    pairs = 2.0 * control.count * treatment.count / (control.count + treatment.count)
    return Difference(found.estimate / control.mean, found.variance / control.mean**2, pairs)


def evidence_of(standing: Standing, experiment: Experiment, weights: Weights) -> Evidence:
    """The test behind a conclusion, with the interval that is valid at any look."""
    alpha = alpha_each(experiment)
    fixed = experiment.allocation == "fixed"
    if fixed:
        interval = reflection.interval(standing.gain, experiment.planned_pairs, alpha)
    else:
        base = experiment.samples[CONTROL].quality.mean
        found = experiment.evidence[standing.name].interval(alpha)
        interval = Bounds(found.low / base, found.high / base, found.level)
    return Evidence(
        method="reflection_bound" if fixed else "empirical_bernstein",
        metric=Metric.QUALITY,
        samples=round(2.0 * standing.gain.pairs),
        statistic=standing.score,
        threshold=standing.bound,
        interval=Interval(low=interval.low, high=interval.high, level=interval.level),
        error_budget=experiment.alpha,
        detail=f"relative gain of {standing.name} in the objective, valid at every look"
        + (", on data that did not choose it" if experiment.candidate else "")
        + ("" if fixed else f" under the shares of {experiment.allocation}"),
        contributions=(
            contributions(experiment.samples[CONTROL], experiment.samples[standing.name], weights) if fixed else {}
        ),
    )


def impact_of(
    control: ArmSample, treatment: ArmSample, prior_sd: float, gain: Difference | None = None
) -> PredictedImpact:
    """Predicted relative changes, shrunk as estimates at a stop must be.

    `prior_sd` is the usual size of relative effects; `gain` that of quality where it is known better than from the sums
    of the arms. A metric with too little data is not predicted.
    """
    pairs = (
        (control.quality, treatment.quality),
        (control.cost_usd, treatment.cost_usd),
        (control.latency_ms, treatment.latency_ms),
    )
    quality, cost, latency = (_shrunken(before, after, prior_sd) for before, after in pairs)
    if gain is not None:
        quality = _believed(gain, prior_sd)
    return PredictedImpact(quality=quality, cost=cost, latency=latency)


def probability_better(standing: Standing, prior_sd: float) -> float:
    """Probability that the gain is positive, when effects are spread by `prior_sd` around none."""
    return stopped.shrunken(standing.gain, prior_sd).above()


def _shrunken(before: Moments, after: Moments, prior_sd: float) -> ImpactEstimate | None:
    found = difference(before, after)
    if found is None or before.mean <= 0.0:
        return None
    relative = Difference(found.estimate / before.mean, found.variance / before.mean**2, found.pairs)
    return _believed(relative, prior_sd)


def _believed(relative: Difference, prior_sd: float) -> ImpactEstimate:
    belief = stopped.shrunken(relative, prior_sd)
    reach = 1.96 * belief.sd
    return ImpactEstimate(delta=belief.mean, interval=Interval(low=belief.mean - reach, high=belief.mean + reach))


def _samples(sample: ArmSample, weights: Weights) -> int:
    return sample.quality.count if weights.quality > 0.0 else sample.requests
