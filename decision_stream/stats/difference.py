"""The difference of two arms and how much information it carries, in pairs of units."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, sqrt

from .moments import Moments

BURN_IN = 30
"""Units in each arm before a difference is spoken of."""


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, covering the truth with probability `level` in the sense its maker states."""

    low: float
    high: float
    level: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Treatment minus control, in units of the metric.

    `variance` is that of the estimate and positive. `pairs` is the clock of every sequential test here: the number of
    pairs (one unit of each arm) that carry as much information; with n units in each arm it is n. It makes unequal
    and changing weights comparable with a plan.

    >>> Difference(estimate=0.5, variance=0.04, pairs=50.0).beyond(0.2).standard_error
    0.2
    """

    estimate: float
    variance: float
    pairs: float

    def __post_init__(self) -> None:
        if not (isfinite(self.estimate) and 0.0 < self.variance < float("inf") and 0.0 < self.pairs < float("inf")):
            raise ValueError(
                f"a difference needs a finite estimate, a positive variance and positive pairs, found {self.estimate}, "
                f"{self.variance} and {self.pairs}"
            )

    @property
    def standard_error(self) -> float:
        """Standard error of the estimate, in units of the metric."""
        return sqrt(self.variance)

    def beyond(self, margin: float) -> Difference:
        """The same evidence about what exceeds the margin."""
        return Difference(self.estimate - margin, self.variance, self.pairs)


def difference(control: Moments, treatment: Moments, burn_in: int = BURN_IN) -> Difference | None:
    """Difference of two means with unequal variances; None before `burn_in` units in each arm or without any spread.

    The burn-in keeps the plug-in variance honest: without one, a continuous metric is declared different at the first
    two equal values. It is at least 2.

    >>> difference(Moments(50, 1.0, 49.0), Moments(50, 1.5, 49.0))
    Difference(estimate=0.5, variance=0.04, pairs=50.0)
    >>> difference(Moments(5, 1.0, 4.0), Moments(50, 1.5, 49.0)) is None
    True
    """
    if min(control.count, treatment.count) < max(2, burn_in) or control.m2 + treatment.m2 == 0.0:
        return None
    unit_variance_c, unit_variance_t = control.variance, treatment.variance
    variance = unit_variance_c / control.count + unit_variance_t / treatment.count
    return Difference(treatment.mean - control.mean, variance, (unit_variance_c + unit_variance_t) / variance)


def share(hits: int, count: int) -> Moments:
    """Moments of a yes-or-no metric from its counts; ValueError unless 0 <= hits <= count.

    >>> share(3, 4)
    Moments(count=4, mean=0.75, m2=0.75)
    """
    if not 0 <= hits <= count:
        raise ValueError(f"hits must lie between 0 and the count, found {hits} of {count}")
    return Moments(count, hits / count, hits * (count - hits) / count) if count else Moments()
