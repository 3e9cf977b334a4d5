"""What several units of a kind let one expect of the next: partial pooling without a model of each unit's noise.

For a normal population, the next unit's value differs from the mean of k units by a t-distributed amount with k - 1
degrees of freedom and scale s sqrt(1 + 1/k), whose variance is s^2 (1 + 1/k) (k - 1) / (k - 3) (Geisser 1993,
Predictive Inference, §2.2). The spread s holds the noise of the single measurements too, so that the variance is rather
too large than too small: what one takes as a prior is rather too weak.
"""

from collections.abc import Sequence
from math import fsum

from .moments import Moments

LEAST_UNITS = 4
"""With three units the variance is infinite: they say nothing of the next one."""


def predictive(values: Sequence[float]) -> tuple[float, float] | None:
    """Mean and variance of the next unit's value; None below four units.

    >>> predictive([1.0, 2.0, 3.0])
    >>> mean, variance = predictive([1.0, 2.0, 3.0, 2.0])
    >>> mean, round(variance, 6)
    (2.0, 2.5)
    """
    return predictive_of(moments_of(values))


def moments_of(values: Sequence[float]) -> Moments:
    """Count, mean and summed squared distance, exactly rounded: the order of the values does not matter.

    >>> moments_of([1.0, 2.0, 3.0])
    Moments(count=3, mean=2.0, m2=2.0)
    """
    mean = fsum(values) / len(values) if values else 0.0
    return Moments(len(values), mean, fsum((value - mean) ** 2 for value in values))


def predictive_of(units: Moments) -> tuple[float, float] | None:
    """The same from the units' count, mean and spread.

    >>> predictive_of(Moments(4, 2.0, 2.0))
    (2.0, 2.5)
    """
    count = units.count
    if count < LEAST_UNITS:
        return None
    return units.mean, units.m2 / (count - 1) * (1.0 + 1.0 / count) * (count - 1) / (count - 3)


def at_most(units: Moments, most: int) -> Moments:
    """As if there were no more than `most` units (2 or more) of the same mean and spread: what is told counts less.

    >>> at_most(Moments(9, 1.0, 8.0), 5)
    Moments(count=5, mean=1.0, m2=4.0)
    """
    if units.count <= most:
        return units
    return Moments(most, units.mean, units.m2 / (units.count - 1) * (most - 1))
