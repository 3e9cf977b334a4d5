"""A randomised choice whose probabilities are known exactly, so that it can be evaluated off-policy later.

Thompson sampling draws from every posterior and takes the best draw; the probability of what it took stays unknown.
Here the probabilities of being best are computed first, by quadrature, and then one uniform number chooses. The law of
the choice is the same, and the propensity is a figure and not an estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import hypot, inf, pi, sqrt

import numpy as np
from msgspec import Struct

_REACH = 5.2
"""Standard deviations around a mean outside which an arm is not looked for: 1e-7 of it is there on each side."""
_STEP = 1.15
"""Distance of the points, in standard deviations of the product of all densities."""
_MOST_POINTS = 200
_PLACES = tuple(np.stack([np.ones(count), np.arange(float(count))]) for count in range(_MOST_POINTS))
# Not a number of Python's, which numpy would convert each time.
_MINUS_HALF = np.array(-0.5)
_ROOT = sqrt(2.0 * pi)


class Choice(Struct, frozen=True, gc=False):
    """The arm taken, the probability with which it was taken, and that of every arm, in the order offered."""

    arm: str
    propensity: float
    propensities: tuple[tuple[str, float], ...]


def choose(names: Sequence[str], chances: Sequence[float], draw: float, floor: float = 0.01) -> Choice:
    """Take an arm: `draw` in [0, 1) against `chances`, each first mixed up to at least `floor`.

    Chances that are computed, drawn against and recorded are the ground of later estimates (Agarwal et al. 2016,
    "Making contextual decisions with low technical debt"). A floor above 0 keeps every arm observable, without which no
    estimate about it is possible; it is cut to an even share when there are many arms. ValueError for no arms, chances
    that are no distribution or a draw outside.

    >>> choose(["a", "b"], [0.9, 0.1], draw=0.95)
    Choice(arm='b', propensity=0.108, propensities=(('a', 0.892), ('b', 0.108)))
    """
    count, total = len(names), sum(chances)
    if not count or count != len(chances) or not 0.0 <= draw < 1.0:
        raise ValueError(f"arms, one chance each, and a draw in [0, 1) are needed: {names}, {chances}, {draw}")
    if not 0.0 < total < inf or min(chances) < 0.0:
        raise ValueError(f"chances must be a distribution, found {list(chances)}")
    floor = min(floor, 1.0 / count)
    share = (1.0 - floor * count) / total
    # Rounded, so that the last digits of a platform's quadrature cannot change a recorded propensity.
    mixed = [int(1e9 * (floor + share * chance) + 0.5) / 1e9 for chance in chances]
    taken, edge = 0, mixed[0]
    while draw >= edge and taken < count - 1:
        taken += 1
        edge += mixed[taken]
    return Choice(names[taken], mixed[taken], tuple(zip(names, mixed, strict=True)))


def checked_propensity(propensity: float) -> float:
    """The propensity, if a choice can have been made with it; ValueError outside (0, 1].

    >>> checked_propensity(0.25)
    0.25
    """
    if not 0.0 < propensity <= 1.0:
        raise ValueError(f"a propensity lies in (0, 1], found {propensity}")
    return propensity


def chances_of_being_best(means: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """Probability that each of several independent normals is the largest; they sum to 1.

    The integral of phi_a times the product of the others' Phi: for a dozen arms within 1e-6 of an integration with
    thousands of points, however much the deviations differ. They must be positive.

    >>> chances_of_being_best([0.0, 0.0], [1.0, 1.0])
    [0.5, 0.5]
    """
    count = len(means)
    if count == 1:
        return [1.0]
    if count == 2:
        first = float(_ndtr()((means[0] - means[1]) / hypot(*deviations)))
        return [first, 1.0 - first]
    # The largest is not found below `low`, and above `high` it is the `top` arm: to that falls what the others leave.
    low, high, end, top = -inf, -inf, -inf, 0
    slopes: list[float] = []
    for mean, deviation in zip(means, deviations, strict=True):
        reach = _REACH * deviation
        if mean - reach > low:
            low = mean - reach
        stop = mean + reach
        if stop > end:
            high, end, top = end, stop, len(slopes)
        elif stop > high:
            high = stop
        slopes.append(1.0 / deviation)
    chances = _shares(means, slopes, low, high) if low < high else [0.0] * count
    chances[top] = 0.0
    chances[top] = max(0.0, 1.0 - sum(chances))
    return chances


def _shares(means: Sequence[float], slopes: Sequence[float], low: float, high: float) -> list[float]:
    """The integral from `low` to `high`, for each arm. `slopes`: one over each deviation."""
    # On a bell of deviation 1 the trapezoidal rule errs by exp(-2 pi^2 / step^2) (Trefethen & Weideman 2014,
    # section 5). The product of all densities is the narrowest bell in the integrand.
    unit = _STEP / sqrt(sum([slope * slope for slope in slopes]))
    points, weights = (high - low) / unit + 2.0, None
    if points < _MOST_POINTS:
        places = _PLACES[int(points)]
    else:
        unit = 1.0
        places, weights = _between(means, slopes, low, high)
    starts = [(low - mean) * slope for mean, slope in zip(means, slopes, strict=True)]
    scores = np.array((starts, [unit * slope for slope in slopes])).T.dot(places)
    below = _ndtr()(scores)
    product = np.multiply.reduce(below)
    if weights is not None:
        product *= weights
    # The product of all Phi over the own one, which is nowhere 0: no place is further than the reach below any mean.
    scores *= scores
    scores *= _MINUS_HALF
    np.exp(scores, scores)
    scores /= below
    density = unit / _ROOT
    return [density * slope * chance for slope, chance in zip(slopes, scores.dot(product).tolist(), strict=True)]


def _between(means: Sequence[float], slopes: Sequence[float], low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Ones and places above `low`, and their weights: Gauss's rule from each place where an arm begins, peaks or ends.

    For narrow arms that lie far apart, or among wide ones.
    """
    edges = {low, high}
    for mean, slope in zip(means, slopes, strict=True):
        edges.update(place for side in (-_REACH, 0.0, _REACH) if low < (place := mean + side / slope) < high)
    starts = np.array(sorted(edges)) - low
    nodes, weights = _gauss()
    halves = 0.5 * np.diff(starts)[:, None]
    places = (starts[:-1, None] + halves * (1.0 + nodes)).ravel()
    return np.stack([np.ones(len(places)), places]), (halves * weights).ravel()


@lru_cache(maxsize=1)
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    """Nodes on [-1, 1] and their weights."""
    return np.polynomial.legendre.leggauss(16)


@lru_cache(maxsize=1)
def _ndtr() -> Callable[..., np.ndarray]:
    from scipy.special import ndtr  # type: ignore[import-untyped]  # a worker without bandits does without it

    return ndtr
