"""What a change may do harm: how much quality all changes together may give up, and the constraints on each."""

from math import exp

from ..model.decision import Interval, PredictedImpact
from ..model.policy import ParetoPolicy, SafetyPolicy
from ..model.state import ColdState


def least_share(cold: ColdState, rules: ParetoPolicy) -> float:
    """Share of the present quality that a change must keep, at most 1.

    With each change judged against the last alone, ten of them could give up a fifth of the quality. So it is counted
    against the first configuration; what changes have gained is not there to be spent.

    >>> from decision_stream.model.configuration import Configuration
    >>> from decision_stream.model.state import ConfigurationVersion
    >>> version = ConfigurationVersion(configuration=Configuration(model="m"), since_ms=0, quality=-0.015)
    >>> [round(least_share(cold, ParetoPolicy()), 3) for cold in (ColdState(), ColdState(history=(version,)))]
    [0.98, 0.995]
    """
    stands = cold.history[-1].quality if cold.history else 0.0
    kept = 1.0 - rules.max_quality_loss
    return kept if stands >= 0.0 else min(1.0, kept / exp(stands))


def harms(impact: PredictedImpact, safety: SafetyPolicy) -> tuple[tuple[str, float | None, float], ...]:
    """Of each constraint its name, the harm at the worse bound of what is predicted, and what is allowed.

    The harm is None where nothing is predicted.
    """
    rules = (
        ("quality_constraint", impact.quality, -1.0, safety.max_quality_degradation),
        ("cost_constraint", impact.cost, 1.0, safety.max_cost_increase),
        ("latency_constraint", impact.latency, 1.0, safety.max_latency_increase),
    )
    found: list[tuple[str, float | None, float]] = []
    for name, estimate, sign, allowed in rules:
        harm = None
        if estimate is not None:
            bounds = estimate.interval or Interval(low=estimate.delta, high=estimate.delta)
            harm = max(sign * bounds.low, sign * bounds.high)
        found.append((name, harm, allowed))
    return tuple(found)
