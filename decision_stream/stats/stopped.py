"""What an experiment that stopped early really found: raw estimates at a stop are too large, on average.

An experiment stops because its estimate ran high, so the estimate at the stop is 1.2 to 1.8 times the truth. Two
remedies: the median-unbiased estimate of the effect, from the known law of the stopping time, and the posterior mean
under a prior of how large effects usually are, which needs no stopping law at all.
"""

from dataclasses import dataclass
from math import exp, sqrt

from . import normal, planning, reflection
from .difference import Difference, Interval

_WIDEST = 40.0


def median_unbiased(difference: Difference, planned_pairs: float, alpha: float = 0.05) -> float:
    """Effect that lies below its truth as often as above, at the stop of a test by `reflection` or at its end.

    Stagewise ordering (Fairbanks & Madsen 1982; Tsiatis, Rosner & Mehta 1984) for a Brownian motion stopped at the
    constant bound, where the law of the crossing time is closed form. Units of the metric, sign of the estimate.

    >>> stopped = Difference(estimate=0.05, variance=0.0004, pairs=1000.0)
    >>> round(median_unbiased(stopped, planned_pairs=1000.0), 4)
    0.046
    """
    return _solve(difference, planned_pairs, alpha, 0.5)


def interval(difference: Difference, planned_pairs: float, alpha: float = 0.05, level: float = 0.95) -> Interval:
    """Equal-tailed interval under the same ordering: covers the effect with probability `level` at the stop.

    >>> found = interval(Difference(0.05, 0.0004, 1000.0), planned_pairs=1000.0)
    >>> round(found.low, 4), round(found.high, 4)
    (0.0059, 0.0858)
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a level must lie inside (0, 1), found {level}")
    ends = [_solve(difference, planned_pairs, alpha, tail) for tail in ((1.0 - level) / 2.0, (1.0 + level) / 2.0)]
    return Interval(min(ends), max(ends), level)


@dataclass(frozen=True, slots=True)
class Posterior:
    """Normal belief about an effect, in units of the metric."""

    mean: float
    sd: float

    def above(self, margin: float = 0.0) -> float:
        """Probability that the effect exceeds the margin.

        >>> Posterior(0.0, 1.0).above()
        0.5
        """
        return normal.upper((margin - self.mean) / self.sd)

    def loss(self) -> float:
        """Expected loss of acting although the effect is negative: E[max(0, -effect)], in units of the metric.

        >>> round(Posterior(0.0, 1.0).loss(), 4)
        0.3989
        """
        z = self.mean / self.sd
        return self.sd * (normal.density(z) - z * normal.lower(-z))


def shrunken(difference: Difference, prior_sd: float) -> Posterior:
    """Posterior when effects of such experiments are spread normally around 0 with this standard deviation.

    Not altered by when one stops (the likelihood principle), so its probabilities are calibrated over experiments
    whose effects do have this spread. ValueError for a prior that is not positive.

    >>> shrunken(Difference(0.04, 0.0004, 500.0), prior_sd=0.02).mean
    0.02
    """
    if not 0.0 < prior_sd < float("inf"):
        raise ValueError(f"a prior needs a positive standard deviation, found {prior_sd}")
    weight = prior_sd**2 / (prior_sd**2 + difference.variance)
    return Posterior(weight * difference.estimate, sqrt(weight * difference.variance))


def _solve(difference: Difference, planned_pairs: float, alpha: float, probability: float) -> float:
    """The effect under which a result at least as extreme as this one has the given probability."""
    sign = -1.0 if difference.estimate < 0.0 else 1.0
    time = reflection.fraction(difference, planned_pairs)
    score = abs(reflection.score(difference, planned_pairs))
    bound = reflection.bound(alpha)
    low, high = -_WIDEST, _WIDEST
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _extreme(middle, score, bound, time) < probability else (low, middle)
    # A drift of 1 is one unit of W at the plan's end; the estimate's own drift is score / time.
    per_drift = difference.standard_error / sqrt(time) * time
    return sign * 0.5 * (low + high) * per_drift


def _extreme(drift: float, score: float, bound: float, time: float) -> float:
    """Chance of an earlier crossing, or of a larger score by then without one."""
    if score >= bound:
        return planning.crossing(drift, score, time)
    root = sqrt(time)
    calm = normal.lower((score - drift * time) / root)
    tail = normal.lower((score - 2.0 * bound - drift * time) / root)
    reflected = exp(min(700.0, 2.0 * drift * bound)) * tail if tail > 0.0 else 0.0
    return 1.0 - max(0.0, calm - reflected)
