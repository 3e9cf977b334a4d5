"""Hypervolume: how much of the space up to a reference point a set of candidates dominates (Zitzler & Thiele 1999).

Exact for any number of objectives, by the exclusive volumes of While, Bradstreet & Barone (2012), "A fast way of
calculating exact hypervolumes". For the dozens of candidates of a decision; the time grows fast with objectives.
"""

from collections.abc import Sequence
from math import prod

from .pareto import Direction, front


def hypervolume(rows: Sequence[Sequence[float]], reference: Sequence[float], directions: Sequence[Direction]) -> float:
    """Volume dominated by the rows and not beyond `reference`, in the product of the objectives' units.

    Rows that are not better than the reference in every objective add nothing. Raises ValueError as `pareto.front`,
    and for a reference that differs in length.

    >>> hypervolume([(1.0, 2.0), (2.0, 1.0)], (3.0, 3.0), ("min", "min"))
    3.0
    """
    if len(reference) != len(directions):
        raise ValueError(f"{len(reference)} coordinates of the reference for {len(directions)} objectives")
    kept = [rows[index] for index in front(rows, directions)]
    signs = [1.0 if direction == "min" else -1.0 for direction in directions]
    gaps = [tuple(sign * (end - value) for value, end, sign in zip(row, reference, signs, strict=True)) for row in kept]
    return _volume([gap for gap in gaps if min(gap) > 0.0])


def contributions(
    rows: Sequence[Sequence[float]], reference: Sequence[float], directions: Sequence[Direction]
) -> tuple[float, ...]:
    """What the volume would lose without each row: 0 for dominated rows and for each of two equal ones.

    >>> contributions([(1.0, 2.0), (2.0, 1.0), (2.5, 2.5)], (3.0, 3.0), ("min", "min"))
    (1.0, 1.0, 0.0)
    """
    whole = hypervolume(rows, reference, directions)
    return tuple(
        max(0.0, whole - hypervolume([*rows[:index], *rows[index + 1 :]], reference, directions))
        for index in range(len(rows))
    )


def _volume(gaps: list[tuple[float, ...]]) -> float:
    """Volume of the union of boxes from the origin to each gap."""
    if not gaps:
        return 0.0
    if len(gaps[0]) == 1:
        return max(gap[0] for gap in gaps)
    gaps = sorted(gaps, reverse=True)
    if len(gaps[0]) == 2:
        volume = height = 0.0
        for width, top in gaps:
            if top > height:
                volume += width * (top - height)
                height = top
        return volume
    volume = 0.0
    for index, gap in enumerate(gaps):
        inside = [tuple(map(min, gap, other)) for other in gaps[index + 1 :]]
        volume += prod(gap) - _volume(_maximal(inside))
    return volume


def _maximal(gaps: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    if len(gaps) < 2:
        return gaps
    gaps = sorted(set(gaps))
    return [gaps[index] for index in front(gaps, ["max" for _ in gaps[0]])]
