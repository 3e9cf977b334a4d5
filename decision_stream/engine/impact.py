"""Predicted impact, calibrated: each strategy's predictions of each part are corrected by what its past changes did.

The interval is never narrower than the strategy's own. What is learnt is by scope, strategy and part (quality, cost,
latency), on the log scale, from every ramp that was measured, whether it ended well or not.
"""

from math import expm1, log1p
from statistics import NormalDist

from ..model.decision import Evidence, ImpactEstimate, Interval, PredictedImpact
from ..model.insight import Metric
from ..model.knowledge import Comparison
from ..model.state import LiveDecision, Measured
from ..stats.calibration import LEVEL, Calibration
from ..strategies.estimates import estimate_of_arm
from . import tell
from .realised import PARTS, realised, utility_gain
from .turn import Turn

MAX_CALIBRATIONS = 24
MAX_MEASURED = 20
LEAST_MEASURED = 100
"""Requests of an arm below which it says too little of its model."""
LARGEST = 13.0
"""Largest log ratio that is spoken of: a change by a factor of half a million."""
_NOTHING_LEARNT = Calibration()


def calibrated(turn: Turn, strategy: str, impact: PredictedImpact) -> tuple[PredictedImpact, tuple[Evidence, ...]]:
    """The impact as past outcomes make it believable, and the evidence for each part that was corrected.

    A part without an interval stays as it is: nothing is known of how sure it is.
    """
    parts: dict[str, ImpactEstimate | None] = {}
    evidence = []
    for part in PARTS:
        said: ImpactEstimate | None = getattr(impact, part)
        learnt = turn.cold.calibrations.get(f"{strategy}:{part}", _NOTHING_LEARNT)
        parts[part] = said
        if said is not None and said.interval is not None and learnt.count:
            parts[part], told = _corrected(said, said.interval, learnt)
            evidence.append(_evidence(part, learnt, told))
    return PredictedImpact(**parts), tuple(evidence)


def learn_impact(turn: Turn, live: LiveDecision) -> float | None:
    """Take in what an ended change did; its gain in utility as measured, None where too little was."""
    if live.ramp is None or not live.decision.changes.facets:
        return None
    found = realised(live.ramp)
    for part, measured in found.items():
        said: ImpactEstimate | None = getattr(live.decision.said or live.decision.impact, part)
        if said is None or said.interval is None:
            continue
        key = f"{live.decision.strategy}:{part}"
        learnt = turn.cold.calibrations.get(key, _NOTHING_LEARNT).apply(
            log1p(said.delta), _spread(said.interval), measured.log_ratio, max(measured.error, 1e-6)
        )
        kept = {**turn.cold.calibrations, key: learnt}
        if len(kept) <= MAX_CALIBRATIONS:
            turn.update(calibrations=dict(sorted(kept.items())))
        turn.learned(f"impact:{part}", said.delta, expm1(measured.log_ratio), live.decision.id)
    return utility_gain({part: it.log_ratio for part, it in found.items()}, turn.policy.pareto.weights)


def learn_models(turn: Turn, live: LiveDecision) -> None:
    """Keep what a ramp showed of the model it brought and of the one it would replace."""
    change = live.decision.changes.model
    if live.ramp is None or change is None:
        return
    measured = dict(turn.cold.measured)
    for model, arm in ((change.new, live.ramp.treatment), (change.old, live.ramp.control)):
        if min(arm.quality.count, arm.cost_usd.count, arm.latency_ms.count) >= LEAST_MEASURED:
            known = turn.cold.estimates.get(model)
            measured[model] = Measured(estimate=estimate_of_arm(model, arm), at_ms=turn.at_ms)
            before = None if known is None else known.quality
            turn.learned(f"model:{model}", before, measured[model].estimate.quality, live.decision.id)
    newest = sorted(measured, key=lambda model: (-measured[model].at_ms, model))[:MAX_MEASURED]
    turn.update(measured={model: measured[model] for model in sorted(newest)})
    found = realised(live.ramp)
    if live.ramp.treatment.quality.count >= LEAST_MEASURED and set(found) == set(PARTS):
        ratios = {part: min(max(it.log_ratio, -LARGEST), LARGEST) for part, it in found.items()}
        samples = live.ramp.treatment.quality.count
        tell.experience(turn, (Comparison(old=change.old, new=change.new, samples=samples, **ratios),))


def _corrected(said: ImpactEstimate, own: Interval, learnt: Calibration) -> tuple[ImpactEstimate, Interval]:
    point, spread = log1p(said.delta), _spread(own)
    mean, _ = learnt.corrected(point, spread)
    found = learnt.interval(point, spread)
    told = Interval(low=min(own.low, _change(found.low)), high=max(own.high, _change(found.high)), level=LEVEL)
    return ImpactEstimate(delta=_change(mean), interval=told), told


def _change(log_ratio: float) -> float:
    return expm1(min(max(log_ratio, -LARGEST), LARGEST))


def _spread(interval: Interval) -> float:
    """Standard deviation on the log scale of an interval of relative changes."""
    reach = NormalDist().inv_cdf(0.5 + interval.level / 2.0)
    return max((log1p(max(interval.high, -0.999999)) - log1p(max(interval.low, -0.999999))) / (2.0 * reach), 1e-6)


def _evidence(part: str, learnt: Calibration, told: Interval) -> Evidence:
    return Evidence(
        method="impact_calibration",
        metric=Metric(part),
        samples=learnt.count,
        statistic=learnt.stretch,
        interval=told,
        error_budget=round(1.0 - LEVEL, 12),
        detail=f"corrected by {learnt.count} measured changes of this strategy",
    )
