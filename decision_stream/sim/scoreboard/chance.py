"""Chance that does not depend on who asks: the same normal numbers for every player, by purpose and time.

A generator is made for each purpose and day, not for each draw: making one costs as much as fifty draws.
"""

from hashlib import blake2b
from math import erf, exp, sqrt

import numpy as np

from ...stats.moments import Moments

WIDTH = 8
"""Numbers of each row."""


def generator(*key: object) -> np.random.Generator:
    """The generator that belongs to a key; equal keys, equal draws, in every process."""
    digest = blake2b("|".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


class Chance:
    """Rows of standard normal numbers by purpose and minute."""

    def __init__(self, *key: object) -> None:
        self._key = key
        self._days: dict[tuple[str, int], tuple[int, list[list[float]]]] = {}

    def row(self, purpose: str, minute: int, every: int = 1) -> list[float]:
        """The numbers of a purpose at a minute; `every` is how many minutes apart it asks."""
        day, within = divmod(minute, 1_440)
        known = self._days.get((purpose, every))
        if known is None or known[0] != day:
            draws = generator(*self._key, purpose, every, day).standard_normal((1_440 // every, WIDTH))
            known = self._days[purpose, every] = (day, draws.tolist())
        return known[1][within // every]


def count(trials: int, share: float, normal: float) -> int:
    """How many of `trials` happen, from one normal number: Poisson below a mean of 25, else a rounded normal.

    >>> count(1_000, 0.5, 0.0), count(10, 0.01, 0.0), count(100, 0.01, 1.5)
    (500, 0, 3)
    """
    mean = trials * share
    if mean > 25.0:
        return min(trials, max(0, round(mean + sqrt(mean * (1.0 - share)) * normal)))
    rank = 0.5 * (1.0 + erf(normal / sqrt(2.0)))
    term = total = exp(-mean)
    found = 0
    while total < rank and found < trials:
        found += 1
        term *= mean / found
        total += term
    return found


def moments(number: int, mean: float, spread: float, first: float, second: float, top: float = 1e9) -> Moments:
    """The sums of `number` values of this mean and spread, from two normal numbers; the mean stays within 0..top."""
    if number <= 0:
        return Moments()
    seen = min(top, max(0.0, mean + spread / sqrt(number) * first))
    wobble = max(0.05, 1.0 + sqrt(2.0 / number) * second) if number > 1 else 0.0
    return Moments(number, seen, (number - 1) * spread * spread * wobble)


def positive(number: int, mean: float, variation: float, first: float, second: float) -> Moments:
    """As `moments`, for positive values with this coefficient of variation."""
    if number <= 0:
        return Moments()
    sigma = variation / sqrt(number)
    seen = mean * exp(sigma * first - 0.5 * sigma * sigma)
    return moments(number, seen, mean * variation, 0.0, second)
