"""Predictions that learn how wrong they were: a Bayesian linear correction with a conformal interval.

A source of predictions is asked for a number and says how sure it is. What was later measured teaches a line from what
it says to what comes true (ridge regression with a prior of "it is right"), and the scores of its misses teach by how
much its intervals must be stretched (split conformal prediction, Vovk, Gammerman & Shafer 2005; Lei et al. 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from statistics import NormalDist

from .difference import Interval

LEVEL = 0.95
KEPT = 39
"""Misses kept: at this level the second largest of 39 is the conformal quantile."""
FORGETTING = 0.97
"""Weight of the past per outcome: about 33 outcomes of memory."""
HONEST_OUTCOMES = 2.0
"""Prior belief that nothing is left unexplained, in outcomes."""
OFFSET_SD, SLOPE_SD = 0.01, 0.05
"""Prior belief in a source: right within one unit in a hundred, and five percent of what it says."""
_FEWEST = 19
_NORMAL = [NormalDist().inv_cdf(0.5 + rank / 40.0) for rank in range(1, _FEWEST + 1)]
"""Absolute normal scores at 1/20 to 19/20: they stand for what was not seen yet, and the last of them is 1.96."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was learnt about one source of predictions.

    `precision_*` is the upper triangle of the posterior precision of offset and slope, `weighted_*` precision times
    mean, both beyond the prior. `seen` and `excess` are the discounted number of outcomes and the sum of squared misses
    beyond what prediction and measurement admitted. `misses` are those of past predictions and `admitted` the variances
    they were given, newest last; `count` is how many outcomes there were.

    >>> told = Calibration()
    >>> for _ in range(30):
    ...     told = told.apply(said=0.1, said_sd=0.01, found=0.0, found_sd=0.01)
    >>> round(told.corrected(0.1, 0.01)[0], 3)
    0.056
    """

    count: int = 0
    precision_00: float = 0.0
    precision_01: float = 0.0
    precision_11: float = 0.0
    weighted_0: float = 0.0
    weighted_1: float = 0.0
    seen: float = 0.0
    excess: float = 0.0
    misses: tuple[float, ...] = ()
    admitted: tuple[float, ...] = ()

    def corrected(self, said: float, said_sd: float) -> tuple[float, float]:
        """Mean and standard deviation of the truth, given what the source says."""
        mean_0, mean_1, covariance = self._posterior()
        variance = covariance[0] + 2.0 * said * covariance[1] + said * said * covariance[2]
        return mean_0 + mean_1 * said, sqrt(said_sd * said_sd + max(0.0, variance) + self.unexplained)

    @property
    def unexplained(self) -> float:
        """Variance of the misses that neither prediction nor measurement admitted (method of moments)."""
        return max(0.0, self.excess / (self.seen + HONEST_OUTCOMES))

    def interval(self, said: float, said_sd: float) -> Interval:
        """Where the truth lies with probability 0.95, if misses go on as they were.

        Until nineteen outcomes were seen, those that lack are taken to be normal and large.

        >>> found = Calibration().interval(0.0, 0.1)
        >>> round(found.low, 3), round(found.high, 3)
        (-0.197, 0.197)
        """
        mean, sd = self.corrected(said, said_sd)
        return Interval(mean - self.stretch * sd, mean + self.stretch * sd, LEVEL)

    @property
    def stretch(self) -> float:
        """How many standard deviations the interval reaches; 1.96 for a source that is as sure as it may be."""
        # Scored by what is known now to be unexplained, so that one surprise is not counted twice.
        more = self.unexplained
        scores = [abs(miss) / sqrt(variance + more) for miss, variance in zip(self.misses, self.admitted, strict=True)]
        known = sorted((*scores, *_NORMAL[len(scores) :]))
        return known[ceil((len(known) + 1) * LEVEL) - 1]

    def apply(self, said: float, said_sd: float, found: float, found_sd: float) -> Calibration:
        """With one more outcome: `found` was measured with standard error `found_sd` > 0."""
        mean, sd = self.corrected(said, said_sd)
        variance = sd * sd + found_sd * found_sd
        admitted = variance - self.unexplained
        return Calibration(
            count=self.count + 1,
            precision_00=self.precision_00 * FORGETTING + 1.0 / variance,
            precision_01=self.precision_01 * FORGETTING + said / variance,
            precision_11=self.precision_11 * FORGETTING + said * said / variance,
            weighted_0=self.weighted_0 * FORGETTING + found / variance,
            weighted_1=self.weighted_1 * FORGETTING + said * found / variance,
            seen=self.seen * FORGETTING + 1.0,
            excess=self.excess * FORGETTING + (found - mean) ** 2 - admitted,
            misses=(*self.misses, found - mean)[-KEPT:],
            admitted=(*self.admitted, admitted)[-KEPT:],
        )

    def _posterior(self) -> tuple[float, float, tuple[float, float, float]]:
        """Means of offset and slope, and the upper triangle of their covariance."""
        a = self.precision_00 + 1.0 / OFFSET_SD**2
        b = self.precision_01
        c = self.precision_11 + 1.0 / SLOPE_SD**2
        right_0, right_1 = self.weighted_0, self.weighted_1 + 1.0 / SLOPE_SD**2
        determinant = a * c - b * b
        covariance = (c / determinant, -b / determinant, a / determinant)
        return (
            covariance[0] * right_0 + covariance[1] * right_1,
            covariance[1] * right_0 + covariance[2] * right_1,
            covariance,
        )
