"""Choosing among candidates by several objectives: the exact front, dominance beyond doubt, scores on fixed ranges.

Scores rest on reference ranges that are given, never on the candidates at hand: with ranges taken from the candidates,
one hopeless addition can turn the order of the others round. A weighted sum misses what lies in a hollow of the front;
the augmented Chebyshev score finds it (Steuer & Choo 1983).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log
from operator import le
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

Direction = Literal["min", "max"]


def front(rows: Sequence[Sequence[float]], directions: Sequence[Direction]) -> list[int]:
    """Indices of the rows that no other row dominates, rising; equal rows stay together.

    A row dominates another when it is nowhere worse and somewhere better. Any number of objectives. Raises ValueError
    for nan, rows that differ in length from `directions`, or an unknown direction.

    >>> front([(0.9, 5.0), (0.8, 6.0), (0.7, 1.0)], ("max", "min"))
    [0, 2]
    """
    costs = [_costs(row, directions) for row in rows]
    found: list[int] = []
    kept: list[tuple[float, ...]] = []
    # Whoever dominates a row comes before it in lexicographic order, so only rows that were kept need be asked.
    for index in sorted(range(len(costs)), key=costs.__getitem__):
        row = costs[index]
        for other in kept:
            if all(map(le, other, row)) and other != row:
                break
        else:
            kept.append(row)
            found.append(index)
    return sorted(found)


def dominates(one: Sequence[float], other: Sequence[float], directions: Sequence[Direction]) -> bool:
    """Whether `one` is nowhere worse and somewhere better. Errors as in `front`.

    >>> dominates((0.9, 5.0), (0.9, 6.0), ("max", "min"))
    True
    """
    left, right = _costs(one, directions), _costs(other, directions)
    return left != right and all(map(le, left, right))


@dataclass(frozen=True, slots=True)
class Between:
    """A candidate's objectives as intervals: `low` and `high` for each, in the order of the directions."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not all(map(le, self.low, self.high)):
            raise ValueError(f"intervals need low <= high, found {self.low} and {self.high}")

    def _best(self, directions: Sequence[Direction]) -> tuple[float, ...]:
        return tuple(lo if d == "min" else hi for lo, hi, d in zip(self.low, self.high, directions, strict=True))

    def _worst(self, directions: Sequence[Direction]) -> tuple[float, ...]:
        return tuple(hi if d == "min" else lo for lo, hi, d in zip(self.low, self.high, directions, strict=True))


def surely_dominates(one: Between, other: Between, directions: Sequence[Direction]) -> bool:
    """Whether `one` at its worst dominates `other` at its best: few samples, wide intervals, no verdict.

    With intervals that hold together with probability 1 - alpha, a false verdict has at most probability alpha.

    >>> fast = Between((0.90, 1.0), (0.92, 1.2))
    >>> surely_dominates(fast, Between((0.70, 2.0), (0.80, 3.0)), ("max", "min"))
    True
    >>> surely_dominates(fast, Between((0.70, 2.0), (0.95, 3.0)), ("max", "min"))
    False
    """
    return dominates(one._worst(directions), other._best(directions), directions)


def possible_front(candidates: Sequence[Between], directions: Sequence[Direction]) -> list[int]:
    """Indices of the candidates that no other surely dominates, rising.

    >>> possible_front([Between((1.0,), (2.0,)), Between((1.5,), (3.0,)), Between((4.0,), (5.0,))], ("min",))
    [0, 1]
    """
    return [
        index
        for index, candidate in enumerate(candidates)
        if not any(surely_dominates(other, candidate, directions) for other in candidates)
    ]


@dataclass(frozen=True, slots=True)
class Reference:
    """The fixed range of one objective: from `ideal`, which costs 0, to `nadir`, which costs 1; either may be larger.

    On scale "log" equal ratios cost the same, and both must be positive.

    >>> Reference(100.0, 10_000.0, "log").loss(1_000.0)
    0.5
    """

    ideal: float
    nadir: float
    scale: Literal["linear", "log"] = "linear"

    def __post_init__(self) -> None:
        if not (isfinite(self.ideal) and isfinite(self.nadir)) or self.ideal == self.nadir:
            raise ValueError(f"ideal and nadir must be finite and differ, found {self.ideal} and {self.nadir}")
        if self.scale not in ("linear", "log") or (self.scale == "log" and min(self.ideal, self.nadir) <= 0.0):
            raise ValueError(f"a log scale needs positive ends, found {self}")

    def loss(self, value: float) -> float:
        """How far a value is from the ideal, in units of the range; not cut off, so better than ideal is negative.

        Raises ValueError for nan and, on a log scale, for values that are not positive.
        """
        if value != value or (self.scale == "log" and value <= 0.0):
            raise ValueError(f"{value!r} has no place on a {self.scale} range")
        if self.scale == "log":
            return log(value / self.ideal) / log(self.nadir / self.ideal)
        return (value - self.ideal) / (self.nadir - self.ideal)


def losses(row: Sequence[float], references: Sequence[Reference]) -> tuple[float, ...]:
    """`Reference.loss` of each objective.

    >>> losses((0.9, 300.0), (Reference(1.0, 0.5), Reference(100.0, 500.0)))
    (0.2, 0.5)
    """
    return tuple(round(ref.loss(value), 15) for value, ref in zip(row, references, strict=True))


def weighted_sum(row_losses: Sequence[float], weights: Sequence[float]) -> float:
    """Mean loss by weight; lower is better. Weights need not sum to 1. ValueError for negative or no weights.

    >>> weighted_sum((0.25, 0.5), (3.0, 1.0))
    0.3125
    """
    return sum(weight * loss for weight, loss in zip(_shares(weights), row_losses, strict=True))


def augmented_chebyshev(row_losses: Sequence[float], weights: Sequence[float], rho: float = 0.05) -> float:
    """Largest weighted loss, plus `rho` times the sum of all; lower is better (Steuer & Choo 1983, eq. 3).

    The sum keeps out what is only weakly on the front. Every point of the front is best for some weights.

    >>> round(augmented_chebyshev((0.25, 0.5), (0.5, 0.5)), 5)
    0.26875
    """
    if rho < 0.0:
        raise ValueError(f"rho must not be negative, found {rho}")
    weighted = [weight * loss for weight, loss in zip(_shares(weights), row_losses, strict=True)]
    return max(weighted) + rho * sum(weighted)


def knee(rows_of_losses: Sequence[Sequence[float]]) -> int | None:
    """Index of the row from which every exchange costs most for what it brings; None without rows.

    The trade-off of a front's row is the smallest ratio of loss to gain in moving from it to any other (Rachmawati &
    Srinivasan 2009, eq. 4); the knee has the largest. Rows are losses on fixed ranges; dominated ones are left out, and
    of equals the first is named.

    >>> knee([(0.0, 1.0), (0.1, 0.1), (1.0, 0.0)])
    1
    """
    if not rows_of_losses:
        return None
    members = front(rows_of_losses, ["min" for _ in rows_of_losses[0]])
    return max(members, key=lambda index: (_trade_off(rows_of_losses, members, index), -index))


def chances_of_best(scores: ArrayLike) -> tuple[float, ...]:
    """Share of posterior draws in which each candidate scores lowest; ties are shared.

    `scores`, shape (draws, candidates), finite, lower is better: what a stated confidence in a choice should be.

    >>> chances_of_best([[0.1, 0.2], [0.3, 0.2], [0.1, 0.4], [0.1, 0.1]])
    (0.625, 0.375)
    """
    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or not table.size or not np.isfinite(table).all():
        raise ValueError(f"scores {table.shape}, expected finite (draws, candidates)")
    best = table == table.min(axis=1, keepdims=True)
    return tuple((best / best.sum(axis=1, keepdims=True)).mean(axis=0).tolist())


def _trade_off(rows: Sequence[Sequence[float]], members: Sequence[int], index: int) -> float:
    smallest = float("inf")
    for other in members:
        pairs = list(zip(rows[index], rows[other], strict=True))
        gained = sum(max(0.0, here - there) for here, there in pairs)
        lost = sum(max(0.0, there - here) for here, there in pairs)
        if gained > 0.0:
            smallest = min(smallest, lost / gained)
    return smallest


def _costs(row: Sequence[float], directions: Sequence[Direction]) -> tuple[float, ...]:
    costs = []
    for value, direction in zip(row, directions, strict=True):
        if value != value:
            raise ValueError(f"nan is no value of an objective, found {tuple(row)}")
        if direction not in ("min", "max"):
            raise ValueError(f"a direction is 'min' or 'max', found {direction!r}")
        costs.append(float(value) if direction == "min" else -float(value))
    return tuple(costs)


def _shares(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    if not 0.0 < total < float("inf") or min(weights) < 0.0:
        raise ValueError(f"weights must not be negative and not all be 0, found {tuple(weights)}")
    return [weight / total for weight in weights]
