"""The default sequential test: a bound that a planned experiment may be held against at every event.

A difference without effect, times its information, is a Brownian motion W over information time. By the reflection
principle, P(max_{s <= 1} W(s) > c) = 2 (1 - Phi(c)), where time 1 is the planned end. So a constant bound on W stays
valid however often one looks up to the plan (the idea of YEAST: Kurennoy et al. 2025, arXiv 2406.16523; the bound
itself is Bachelier's and Levy's). Here W = z sqrt(t) with z the ordinary z-value and t the fraction of the plan seen.
"""

from math import sqrt

from . import normal
from .difference import Difference, Interval


def bound(alpha: float, sides: int = 2) -> float:
    """The value that |score| (two sides) or the score (one side) passes with probability alpha at most, at any look.

    Two sides share alpha; that both are passed is so rare that nothing is gained by counting it once.

    >>> round(bound(0.05), 4), round(bound(0.05, sides=1), 4)
    (2.2414, 1.96)
    """
    _check(sides)
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie inside (0, 1), found {alpha}")
    return normal.quantile(1.0 - alpha / (2.0 * sides))


def fraction(difference: Difference, planned_pairs: float) -> float:
    """How much of the plan has been seen, in (0, 1]. At 1 the test is over: the first look there is the last.

    >>> fraction(Difference(0.5, 0.04, 50.0), planned_pairs=200.0)
    0.25
    """
    if not 0.0 < planned_pairs < float("inf"):
        raise ValueError(f"a plan needs a positive number of pairs, found {planned_pairs}")
    return min(1.0, difference.pairs / planned_pairs)


def score(difference: Difference, planned_pairs: float) -> float:
    """Where W stands: positive when the treatment's mean is larger. Compare with `bound`.

    >>> score(Difference(0.5, 0.04, 50.0), planned_pairs=200.0)
    1.25
    """
    return difference.estimate / difference.standard_error * sqrt(fraction(difference, planned_pairs))


def p_value(score: float, sides: int = 2) -> float:
    """The smallest alpha whose bound this score passes; the smallest over all looks is a valid p-value at any stop.

    >>> round(p_value(2.2414), 4)
    0.05
    """
    _check(sides)
    return min(1.0, 2.0 * sides * normal.upper(abs(score) if sides == 2 else score))


def interval(difference: Difference, planned_pairs: float, alpha: float) -> Interval:
    """Interval for the effect that is valid at every look up to the plan, together.

    It is the set of effects that the test does not reject; wide at first, as wide at the plan's end as a fixed-sample
    interval at level 1 - alpha/2.

    >>> found = interval(Difference(0.5, 0.04, 50.0), planned_pairs=50.0, alpha=0.05)
    >>> round(found.low, 4), round(found.high, 4), found.level
    (0.0517, 0.9483, 0.95)
    """
    radius = bound(alpha) * difference.standard_error / sqrt(fraction(difference, planned_pairs))
    return Interval(difference.estimate - radius, difference.estimate + radius, 1.0 - alpha)


def _check(sides: int) -> None:
    if sides not in (1, 2):
        raise ValueError(f"a test has 1 or 2 sides, found {sides}")
