"""What several units of a kind let one expect of the next: partial pooling without a model of each unit's noise.

For a normal population, the next unit's value differs from the mean of k units by a t-distributed amount with k - 1
degrees of freedom and scale s sqrt(1 + 1/k), whose variance is s^2 (1 + 1/k) (k - 1) / (k - 3) (Geisser 1993,
Predictive Inference, §2.2). The spread s holds the noise of the single measurements too, so that the variance is rather
too large than too small: what one takes as a prior is rather too weak.
"""

from collections.abc import Sequence
from math import fsum

LEAST_UNITS = 4
"""With three units the variance is infinite: they say nothing of the next one."""


def predictive(values: Sequence[float]) -> tuple[float, float] | None:
    """Mean and variance of the next unit's value; None below four units.

    >>> predictive([1.0, 2.0, 3.0])
    >>> mean, variance = predictive([1.0, 2.0, 3.0, 2.0])
    >>> mean, round(variance, 6)
    (2.0, 2.5)
    """
    count = len(values)
    if count < LEAST_UNITS:
        return None
    mean = fsum(values) / count
    spread = fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, spread * (1.0 + 1.0 / count) * (count - 1) / (count - 3)
