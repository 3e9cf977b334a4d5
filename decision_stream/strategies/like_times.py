"""The model in use, as it would be known over the times that the other models are known from.

It is measured over the last hour, the others over about a day: what the hour alone brings (its load, its requests, a
judge that is strict for a while) is no difference between models. Nobody tells how much of it the others have seen, so
the model in use is taken half way between the hour and what is usual, and as much less surely.
"""

from math import copysign, exp, hypot, log, sqrt

from msgspec import Struct
from msgspec.structs import replace

from ..model.metrics import ModelEstimate
from ..model.policy import ParetoPolicy
from ..model.state import Alarm, HotState
from ..stats import like_load
from .estimates import Scored, log_errors, score_of, worth
from .limits import LATENCY, QUALITY

CHANCE = 2.0
"""Standard errors that are no distance."""
UNSURE = 0.25
"""Of a loss whose alarm fires, the standard error as a share of it: an alarm hears what is large at the time, and an
incident may grow or end."""
_LEAST = 1e-6


class LikeTimes(Struct, frozen=True, gc=False, kw_only=True):
    """The model in use as the others are known; `quality` and `latency` are further errors of what is predicted.

    They are standard errors of logarithms, beyond those of the estimate.
    """

    current: Scored
    quality: float = 0.0
    latency: float = 0.0


def like_times(estimate: ModelEstimate, hot: HotState, rules: ParetoPolicy) -> LikeTimes:
    """What the last hour says of the model in use, held against what is usual of it.

    A metric whose alarm fires is taken as it is, quality since the alarm began to rise: then the loss is the model's
    own, or no comparison is made at all. How the loss goes on is not known. A distance that chance explains is none.
    """
    alarm = hot.alarms.get(QUALITY)
    quality = latency = lost = 0.0
    if alarm is not None and alarm.firing_windows:
        estimate = _since_onset(estimate, alarm, hot)
    quality_error, _, latency_error = log_errors(estimate)
    if alarm is not None and alarm.baseline.count and alarm.baseline.mean < 1.0:
        distance = log(max(estimate.quality, _LEAST) / max(1.0 - alarm.baseline.mean, _LEAST))
        if alarm.firing_windows:
            lost = UNSURE * max(0.0, -distance)
        else:
            quality = _half(distance, quality_error)
    alarm = hot.alarms.get(LATENCY)
    if alarm is not None and not alarm.firing_windows and estimate.latency_p95_ms > 0.0:
        usual = like_load.over_all(alarm.loads)
        latency = 0.0 if usual is None else _half(log(estimate.latency_p95_ms) - usual, latency_error)
    if not (quality or latency):
        return LikeTimes(current=Scored(estimate=estimate, score=score_of(estimate, rules)), quality=lost)
    moved = _moved(estimate, quality, latency)
    score = score_of(moved, rules)
    # On the far side of the middle lies what is usual; the hour lies as far on this side.
    quality_apart = latency_apart = 0.0
    if quality:
        usual = min(1.0, estimate.quality * exp(-2.0 * quality))
        quality_apart = score.terms[0] - worth(rules.quality_range, usual, rules.weights.quality)[0]
    if latency:
        usual = estimate.latency_p95_ms * exp(-2.0 * latency)
        latency_apart = score.terms[2] - worth(rules.latency_range, usual, rules.weights.latency)[0]
    # Cost does not move.
    score = replace(score, error=hypot(score.error, quality_apart, 0.0, latency_apart))
    return LikeTimes(current=Scored(estimate=moved, score=score), quality=abs(quality) + lost, latency=abs(latency))


def _since_onset(estimate: ModelEstimate, alarm: Alarm, hot: HotState) -> ModelEstimate:
    """The quality as it is since its alarm began to rise: the hour's mean is half of what was before.

    As it is where that was longer ago than the measurements reach, or where no loss was followed.
    """
    company, live = hot.company, hot.live
    if company is None or not 0 < company.windows < live.weight or not alarm.baseline.count:
        return estimate
    quality = 1.0 - alarm.baseline.mean - company.excused - company.lost / company.windows
    if not 0.0 < quality < estimate.quality:
        return estimate
    # The errors of an estimate go with its samples: fewer scores are a larger spread.
    spread = live.quality_stddev * sqrt(live.weight / company.windows)
    return replace(estimate, quality=quality, quality_stddev=min(1.0, spread))


def _half(distance: float, error: float) -> float:
    """Half of what is left of a distance without what chance explains."""
    return copysign(max(0.0, abs(distance) - CHANCE * error) / 2.0, distance)


def _moved(estimate: ModelEstimate, quality: float, latency: float) -> ModelEstimate:
    return replace(
        estimate,
        quality=min(1.0, estimate.quality * exp(-quality)),
        latency_p50_ms=estimate.latency_p50_ms * exp(-latency),
        latency_p95_ms=estimate.latency_p95_ms * exp(-latency),
    )
