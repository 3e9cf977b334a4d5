"""Group-sequential bounds: a few planned looks share alpha by a spending function (Lan & DeMets 1983).

An option beside the bound of `reflection`: for experiments that are read at fixed moments (once a day). More power
than any rule that may look always, and invalid when looked at between its moments. The chance of crossing is computed
by the recursion of Armitage, McPherson & Rowe (1969) over the density of the score, on a grid.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np

from . import normal

_GRID = 1201
_REACH = 8.0


def spent(alpha: float, fraction: float, power: float = 2.0) -> float:
    """Alpha spent when this fraction of the plan is seen: alpha t^power (Kim & DeMets 1987).

    >>> round(spent(0.05, 0.5), 4)
    0.0125
    """
    if not 0.0 <= fraction <= 1.0 or not 0.0 < alpha < 1.0 or power <= 0.0:
        raise ValueError(f"alpha inside (0, 1), fraction inside [0, 1], power above 0: {alpha}, {fraction}, {power}")
    return alpha * fraction**power


@lru_cache(maxsize=256)
def bounds(fractions: tuple[float, ...], alpha: float = 0.05, power: float = 2.0, sides: int = 2) -> tuple[float, ...]:
    """Bounds of the z-value at each look, so that crossing any has probability alpha without an effect.

    `fractions` are the looks as rising shares of the planned information, the last at most 1. Two sides share alpha.
    ValueError for looks that do not rise or are none.

    >>> [round(bound, 3) for bound in bounds((0.5, 1.0))]
    [2.498, 2.018]
    """
    if not fractions or any(b <= a for a, b in pairwise((0.0, *fractions))) or fractions[-1] > 1.0 + 1e-12:
        raise ValueError(f"looks must rise from above 0 to at most 1, found {fractions}")
    if sides not in (1, 2):
        raise ValueError(f"a test has 1 or 2 sides, found {sides}")
    levels = [spent(alpha, min(1.0, fraction), power) / sides for fraction in fractions]
    found = [normal.quantile(1.0 - levels[0])]
    # W(t) = z sqrt(t) is a Brownian motion; `density` is that of paths which have crossed nothing yet.
    grid, density = _density_after_first(fractions[0], found[0], sides)
    for (before, after), (level_before, level) in zip(pairwise(fractions), pairwise(levels), strict=True):
        step = np.sqrt(after - before)
        found.append(_bound(grid, density, step, after, level - level_before))
        grid, density = _carried(grid, density, step, found[-1] * np.sqrt(after), sides)
    return tuple(found)


def _density_after_first(fraction: float, bound: float, sides: int) -> tuple[np.ndarray, np.ndarray]:
    root = np.sqrt(fraction)
    grid = np.linspace(-bound * root if sides == 2 else -_REACH * root, bound * root, _GRID)
    return grid, np.exp(-0.5 * (grid / root) ** 2) / (root * np.sqrt(2.0 * np.pi))


def _bound(grid: np.ndarray, density: np.ndarray, step: float, fraction: float, level: float) -> float:
    """The z-value whose upper crossing at this look has exactly this chance, by bisection."""
    low, high = 0.0, 12.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        beyond = _upper_tail((middle * np.sqrt(fraction) - grid) / step)
        low, high = (middle, high) if _integral(grid, density * beyond) > level else (low, middle)
    return 0.5 * (low + high)


def _carried(
    grid: np.ndarray, density: np.ndarray, step: float, edge: float, sides: int
) -> tuple[np.ndarray, np.ndarray]:
    after = np.linspace(-edge if sides == 2 else grid[0] - step * _REACH, edge, _GRID)
    kernel = np.exp(-0.5 * ((after[:, None] - grid[None, :]) / step) ** 2) / (step * np.sqrt(2.0 * np.pi))
    return after, np.trapezoid(kernel * density, grid, axis=1)


def _integral(grid: np.ndarray, values: np.ndarray) -> float:
    return float(np.trapezoid(values, grid))


def _upper_tail(values: np.ndarray) -> np.ndarray:
    return np.array([normal.upper(value) for value in values])


def crossed(z_values: Sequence[float], limits: Sequence[float]) -> int | None:
    """Index of the first look whose |z| passes its bound, None when none does.

    >>> crossed([1.0, 2.2], bounds((0.5, 1.0)))
    1
    """
    return next((i for i, (z, limit) in enumerate(zip(z_values, limits, strict=False)) if abs(z) >= limit), None)
