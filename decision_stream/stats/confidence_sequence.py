"""Asymptotic confidence sequence: an interval for a difference that is valid at every look, without a planned end.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), "Time-uniform central limit theory and asymptotic confidence
sequences", arXiv 2103.06476, equation 9: Robbins' normal mixture with the variance plugged in. It is the interval to
*report*; the bound of `reflection` is sharper where a plan exists. Its coverage is asymptotic: below a burn-in (see
`difference.difference`) continuous metrics are declared different almost surely.
"""

from functools import lru_cache
from math import exp, log, sqrt

from .difference import Difference, Interval


@lru_cache(maxsize=64)
def tuning(alpha: float, sharpest_at: float) -> float:
    """The mixture's parameter rho that makes the sequence tightest near `sharpest_at` observations (equation 161).

    ValueError for alpha outside (0, 1) or a size that is not positive.

    >>> round(tuning(0.05, 5000.0) ** 2 * 5000.0, 4)
    7.9362
    """
    if not 0.0 < alpha < 1.0 or not 0.0 < sharpest_at < float("inf"):
        raise ValueError(f"alpha must lie inside (0, 1) and the size be positive, found {alpha} and {sharpest_at}")
    spent = -2.0 * log(alpha)
    return sqrt((spent + log(spent + 1.0)) / sharpest_at)


def radius(count: float, rho: float, alpha: float) -> float:
    """Half the width for a mean of `count` observations of unit variance, in standard deviations (equation 9).

    >>> round(radius(5000.0, tuning(0.05, 5000.0), 0.05), 5)
    0.04292
    """
    spread = count * rho * rho
    return sqrt(2.0 * (spread + 1.0) / (spread * count) * log(sqrt(spread + 1.0) / alpha))


def interval(difference: Difference, *, sharpest_at: float, alpha: float, units: float | None = None) -> Interval:
    """The sequence at this look: covers the effect at all looks together with probability 1 - alpha.

    `sharpest_at` is the number of units (both arms together) where it is tightest; a factor of two either way costs
    little. `units` are those seen so far; by default as many as balanced arms would need for the same information,
    which keeps the clock right when weights change.

    >>> found = interval(Difference(0.02, 0.0001, 2500.0), sharpest_at=5000.0, alpha=0.05)
    >>> round(found.low, 4), round(found.high, 4)
    (-0.0104, 0.0504)
    """
    count = 2.0 * difference.pairs if units is None else units
    width = radius(count, tuning(alpha, sharpest_at), alpha) * sqrt(difference.variance * count)
    return Interval(difference.estimate - width, difference.estimate + width, 1.0 - alpha)


def p_value(difference: Difference, *, sharpest_at: float, alpha: float, units: float | None = None) -> float:
    """A p-value against "no difference" valid at any look (equation 155); `alpha` only tunes the mixture.

    >>> round(p_value(Difference(0.02, 0.0001, 2500.0), sharpest_at=5000.0, alpha=0.05), 4)
    0.506
    """
    count = 2.0 * difference.pairs if units is None else units
    spread = count * tuning(alpha, sharpest_at) ** 2
    z_squared = difference.estimate**2 / difference.variance
    return min(1.0, sqrt(spread + 1.0) * exp(-0.5 * z_squared * spread / (spread + 1.0)))
