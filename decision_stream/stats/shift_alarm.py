"""A sequential alarm for window averages: Shiryaev-Roberts over a mixture of shifts, on a frozen baseline.

The statistic is R_n = (1 + R_{n-1}) * exp(d z_n - d^2 / 2), averaged over the shifts d (Roberts 1966; Pollak 1987).
With nothing wrong, R_n - n is a martingale, so the mean time to a false alarm is at least the threshold. The
baseline is estimated from m windows, so z_n is the normal score of a prediction from those m (Wallace 1959, eq. for
Student's t).
"""

from math import exp, log1p, sqrt

from .moments import Moments

SHIFTS = (1.5, 3.0, 6.0)
"""Shifts tested for, in standard deviations of a window average beyond the tolerated change."""
MAX_STATISTIC = 1e30


def normal_score(value: float, baseline: Moments, least_deviation: float = 0.0) -> float:
    """How far a value lies above the baseline, as a standard normal score that allows for the baseline's own error.

    `least_deviation` is a floor for the spread of one window, such as its sampling error. Raises ValueError for a
    baseline of fewer than three windows or without any spread.

    >>> round(normal_score(1.0, Moments(1001, 0.0, 1000.0)), 3)
    0.999
    """
    if baseline.count < 3:
        raise ValueError(f"a baseline needs at least 3 windows, found {baseline.count}")
    deviation = max(sqrt(baseline.variance), least_deviation)
    if deviation == 0.0:
        raise ValueError("a baseline without any spread predicts nothing")
    freedom = baseline.count - 1
    t = (value - baseline.mean) / (deviation * sqrt(1.0 + 1.0 / baseline.count))
    score = sqrt(freedom * log1p(t * t / freedom)) * (8 * freedom + 1) / (8 * freedom + 3)
    return score if t >= 0.0 else -score


def updated(statistics: tuple[float, ...], score: float) -> tuple[float, ...]:
    """The statistics, one per shift, after a window with this normal score; starts from an empty tuple.

    >>> all(new > 1.0 for new in updated((), 4.0))
    True
    """
    old = statistics or (0.0,) * len(SHIFTS)
    return tuple(
        min(MAX_STATISTIC, (1.0 + r) * exp(min(60.0, shift * score - shift * shift / 2.0)))
        for r, shift in zip(old, SHIFTS, strict=True)
    )


def level(statistics: tuple[float, ...]) -> float:
    """The mixture: to be compared with the promised mean number of windows between false alarms.

    >>> level(())
    0.0
    """
    return sum(statistics) / len(statistics) if statistics else 0.0
