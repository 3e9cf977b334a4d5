"""A sequential alarm for window averages: `shiryaev_roberts` with shifts of a normal score, on a frozen baseline.

The likelihood ratio of a shift d is exp(d z_n - d^2 / 2) (Roberts 1966; Pollak 1987). The baseline is estimated from m
windows, so z_n is the normal score of a prediction from those m (Wallace 1959, eq. for Student's t).
"""

from collections.abc import Sequence
from math import exp, log1p, sqrt

from .moments import Moments
from .shiryaev_roberts import MAX_STATISTIC

SHIFTS = (1.5, 3.0, 6.0)
"""Shifts tested for, in standard deviations of a window average beyond the tolerated change."""
_HALF_SQUARES = tuple(shift * shift / 2.0 for shift in SHIFTS)
_LARGEST_GAIN = 60.0
_STARTED = (0.0, 0.0, 0.0)


def normal_score(value: float, baseline: Moments, least_deviation: float = 0.0) -> float:
    """How far a value lies above the baseline, as a standard normal score that allows for the baseline's own error.

    `least_deviation` is a floor for the spread of one window, such as its sampling error. Raises ValueError for a
    baseline of fewer than three windows or without any spread.

    >>> round(normal_score(1.0, Moments(1001, 0.0, 1000.0)), 3)
    0.999
    """
    count = baseline.count
    if count < 3:
        raise ValueError(f"a baseline needs at least 3 windows, found {count}")
    freedom = count - 1
    deviation = sqrt(baseline.m2 / freedom)
    if deviation < least_deviation:
        deviation = least_deviation
    if deviation == 0.0:
        raise ValueError("a baseline without any spread predicts nothing")
    t = (value - baseline.mean) / (deviation * sqrt(1.0 + 1.0 / count))
    score = sqrt(freedom * log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return score if t >= 0.0 else -score


def updated(statistics: Sequence[float], score: float) -> tuple[float, ...]:
    """The statistics, one per shift, after a window with this normal score; starts from an empty tuple.

    Their `shiryaev_roberts.level` is compared with the promised mean number of windows between false alarms.

    >>> all(new > 1.0 for new in updated((), 4.0))
    True
    """
    # `shiryaev_roberts.advanced` written out for three shifts: this runs for three metrics at every insight, and calls
    # and comprehensions cost more than what is in them.
    low, middle, high = statistics or _STARTED
    one, two, three = SHIFTS
    half_one, half_two, half_three = _HALF_SQUARES
    a, b, c = one * score - half_one, two * score - half_two, three * score - half_three
    if c > _LARGEST_GAIN:
        a, b, c = min(_LARGEST_GAIN, a), min(_LARGEST_GAIN, b), _LARGEST_GAIN
    low, middle, high = (1.0 + low) * exp(a), (1.0 + middle) * exp(b), (1.0 + high) * exp(c)
    if low < MAX_STATISTIC and middle < MAX_STATISTIC and high < MAX_STATISTIC:
        return low, middle, high
    return min(low, MAX_STATISTIC), min(middle, MAX_STATISTIC), min(high, MAX_STATISTIC)
