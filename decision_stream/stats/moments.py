"""Count, mean and spread of a stream of numbers, kept as three numbers that can be merged."""

from __future__ import annotations

from math import inf, isfinite, sqrt

from msgspec import Struct


class Moments(Struct, frozen=True, gc=False):
    """Count, mean and summed squared distance from the mean (`m2`, in squared units of the metric).

    Update after Welford (1962), merge after Chan, Golub & LeVeque (1979), eq. 2.1: safe for milliseconds and dollars
    alike.

    >>> from functools import reduce
    >>> reduce(Moments.apply, [2.0, 4.0, 6.0], Moments()).variance
    4.0
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def __post_init__(self) -> None:
        # `0 <= m2 < inf` in one comparison: false for nan too.
        if self.count < 0 or not 0.0 <= self.m2 < inf or not isfinite(self.mean):
            raise ValueError(f"no moments of numbers: count {self.count}, mean {self.mean}, m2 {self.m2}")

    def apply(self, value: float) -> Moments:
        """These numbers and one more."""
        count, delta = self.count + 1, value - self.mean
        mean = self.mean + delta / count
        return Moments(count, mean, self.m2 + delta * (value - mean))

    def merge(self, other: Moments) -> Moments:
        """Both sets of numbers together.

        >>> Moments(2, 1.0, 2.0).merge(Moments(1, 4.0, 0.0)).mean
        2.0
        """
        count = self.count + other.count
        if count == 0:
            return self
        delta = other.mean - self.mean
        mean = self.mean + delta * other.count / count
        return Moments(count, mean, self.m2 + other.m2 + delta * delta * self.count * other.count / count)

    @property
    def variance(self) -> float:
        """Unbiased; nan below two observations, because zero would read as certainty."""
        return self.m2 / (self.count - 1) if self.count > 1 else float("nan")

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; nan below two observations."""
        return sqrt(self.variance / self.count) if self.count > 1 else float("nan")
