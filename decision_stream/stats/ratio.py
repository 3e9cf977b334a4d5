"""Ratio metrics (cost per success, tokens per request), where the unit of randomisation holds several events.

The ratio of sums over units is not a mean over events; counted per event its variance comes out too small. The delta
method over per-unit sums repairs it (Deng, Knoblich & Lu 2018, "Applying the delta method in metric analytics", eq. 3).
"""

from __future__ import annotations

from .adjustment import CoMoments
from .difference import Difference, difference
from .moments import Moments


def linearised(units: CoMoments) -> Moments:
    """The ratio of one arm as moments over its units: mean = sum y / sum x, spread by the delta method.

    `units` holds per unit (session, user) the denominator as x and the numerator as y. ValueError when the mean of the
    denominator is not positive.

    >>> from functools import reduce
    >>> arm = reduce(lambda c, pair: c.apply(*pair), [(1.0, 2.0), (3.0, 5.0), (2.0, 5.0)], CoMoments())
    >>> round(linearised(arm).mean, 4)
    2.0
    """
    if not units.count:
        return Moments()
    if units.mean_x <= 0.0:
        raise ValueError(f"the denominator's mean must be positive, found {units.mean_x}")
    ratio = units.mean_y / units.mean_x
    spread = units.m2_y - 2.0 * ratio * units.c_xy + ratio * ratio * units.m2_x
    return Moments(units.count, ratio, max(0.0, spread) / units.mean_x**2)


def difference_of_ratios(control: CoMoments, treatment: CoMoments, burn_in: int = 30) -> Difference | None:
    """Treatment's ratio minus control's; None before `burn_in` units in each arm or without any spread.

    >>> def arm(ratio):
    ...     return CoMoments(100, 2.0, 2.0 * ratio, 50.0, 80.0, 40.0)
    >>> round(difference_of_ratios(arm(1.0), arm(1.1)).estimate, 6)
    0.1
    """
    return difference(linearised(control), linearised(treatment), burn_in)
