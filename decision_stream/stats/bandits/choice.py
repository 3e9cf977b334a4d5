"""A randomised choice whose probabilities are known exactly, so that it can be evaluated off-policy later.

Thompson sampling draws from every posterior and takes the best draw; the probability of what it took stays unknown.
Here the probabilities of being best are computed first, by quadrature, and then one uniform number chooses. The law of
the choice is the same, and the propensity is a figure and not an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

_REACH = 5.0
_OFFSETS = np.linspace(-_REACH, _REACH, 33)
_WEIGHTS = np.exp(-0.5 * _OFFSETS**2)
_WEIGHTS /= _WEIGHTS.sum()


@dataclass(frozen=True, slots=True)
class Choice:
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
    if not names or len(names) != len(chances) or not 0.0 <= draw < 1.0:
        raise ValueError(f"arms, one chance each, and a draw in [0, 1) are needed: {names}, {chances}, {draw}")
    total = sum(chances)
    if not isfinite(total) or total <= 0.0 or min(chances) < 0.0:
        raise ValueError(f"chances must be a distribution, found {list(chances)}")
    floor = min(floor, 1.0 / len(names))
    share = (1.0 - floor * len(names)) / total
    # Rounded, so that the last digits of a platform's quadrature cannot change a recorded propensity.
    mixed = [round(floor + share * chance, 9) for chance in chances]
    taken, edge = 0, mixed[0]
    while draw >= edge and taken < len(mixed) - 1:
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


def chances_of_being_best(means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Probability that each of several independent normals is the largest; shape (arms,), sums to 1.

    The integral of phi_a times the product of the others' Phi, by the trapezoidal rule on 33 points around every
    mean: exact to 1e-6 where all deviations are alike, to .003 where one is ten times another. Deviations must be
    positive.

    >>> chances_of_being_best(np.array([0.0, 0.0]), np.array([1.0, 1.0])).round(6).tolist()
    [0.5, 0.5]
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]  # imported late: a worker without bandits does without it

    if len(means) == 1:
        return np.ones(1)
    # Every posterior gets points of its own, else a narrow one falls between those of a wide one.
    count, wide = len(means), deviations[:, None]
    places = wide * _OFFSETS
    places += means[:, None]
    below = places.ravel() - means[:, None]
    below /= wide
    ndtr(below, below)
    # Every count + 1 rows begins that of an arm at its own points, which is no rival of itself.
    below.reshape(count * count, -1)[:: count + 1] = 1.0
    chances = np.multiply.reduce(below.reshape(count, count, -1), axis=0) @ _WEIGHTS
    return chances / np.add.reduce(chances)
