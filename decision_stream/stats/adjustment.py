"""Fewer units for the same answer: remove from a metric what was known before the arm was drawn.

Covariates must be fixed before exposure (features of the prompt, never latency or length of the answer), else the
adjustment removes part of the effect itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .difference import Difference
from .moments import Moments


@dataclass(frozen=True, slots=True)
class CoMoments:
    """Count, means and co-moments of a metric `y` and a covariate `x`; merges as `Moments` does.

    `m2_x`, `m2_y` are summed squares of distances from the means, `c_xy` the summed products.

    >>> from functools import reduce
    >>> both = reduce(lambda c, pair: c.apply(*pair), [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)], CoMoments())
    >>> both.slope
    2.0
    """

    count: int = 0
    mean_x: float = 0.0
    mean_y: float = 0.0
    m2_x: float = 0.0
    m2_y: float = 0.0
    c_xy: float = 0.0

    def apply(self, x: float, y: float) -> CoMoments:
        """With one more pair."""
        return self.merge(CoMoments(1, x, y))

    def merge(self, other: CoMoments) -> CoMoments:
        """After Chan, Golub & LeVeque (1979), with the same update for the product."""
        if not other.count:
            return self
        count = self.count + other.count
        apart_x, apart_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        cross = self.count * other.count / count
        return CoMoments(
            count,
            self.mean_x + apart_x * other.count / count,
            self.mean_y + apart_y * other.count / count,
            self.m2_x + other.m2_x + apart_x * apart_x * cross,
            self.m2_y + other.m2_y + apart_y * apart_y * cross,
            self.c_xy + other.c_xy + apart_x * apart_y * cross,
        )

    @property
    def slope(self) -> float:
        """Least-squares slope of y on x; 0 for a covariate that does not vary, because then nothing is removed."""
        return self.c_xy / self.m2_x if self.m2_x > 0.0 else 0.0


def cuped(control: CoMoments, treatment: CoMoments, burn_in: int = 30) -> Difference | None:
    """Difference of means adjusted for a covariate, with one slope from both arms.

    Deng, Xu, Kohavi & Walker (2013), "Improving the sensitivity of online controlled experiments", equation 4.
    None before `burn_in` units in each arm or without any spread left.

    >>> arms = [CoMoments(100, 0.0, y, 100.0, 100.0, 80.0) for y in (0.0, 0.5)]
    >>> found = cuped(*arms)
    >>> round(found.estimate, 3), round(found.pairs)
    (0.5, 100)
    >>> round(found.variance / (2 * 100 / 99 / 100), 2)  # 1 - .8^2 of the unadjusted variance
    0.36
    """
    if min(control.count, treatment.count) < max(2, burn_in):
        return None
    spread = control.m2_x + treatment.m2_x
    slope = (control.c_xy + treatment.c_xy) / spread if spread > 0.0 else 0.0
    left = [max(0.0, arm.m2_y - 2.0 * slope * arm.c_xy + slope * slope * arm.m2_x) for arm in (control, treatment)]
    if left[0] + left[1] == 0.0:
        return None
    per_unit = [m2 / (arm.count - 1) for m2, arm in zip(left, (control, treatment), strict=True)]
    variance = per_unit[0] / control.count + per_unit[1] / treatment.count
    estimate = treatment.mean_y - control.mean_y - slope * (treatment.mean_x - control.mean_x)
    return Difference(estimate, variance, sum(per_unit) / variance)


def stratified(strata: Mapping[str, tuple[Moments, Moments]], burn_in: int = 30) -> Difference | None:
    """Difference of means compared within strata (task type, tenant), each weighted by its share of all units.

    Post-stratification after Miratrix, Sekhon & Yu (2013), equation 4. Strata with fewer than two units in an arm are
    left out. None before `burn_in` units in each arm together, or without any spread. The variance is that for the mix
    of strata that was seen; what a shift of the mix would change is not in it.

    >>> quick, hard = (Moments(50, 0.9, 1.0), Moments(50, 1.0, 1.0)), (Moments(50, 0.2, 1.0), Moments(50, 0.3, 1.0))
    >>> round(stratified({"quick": quick, "hard": hard}).estimate, 6)
    0.1
    """
    used = [(c, t) for _, (c, t) in sorted(strata.items()) if c.count > 1 and t.count > 1]
    units_c, units_t = sum(c.count for c, _ in used), sum(t.count for _, t in used)
    if not used or min(units_c, units_t) < max(2, burn_in):
        return None
    total = units_c + units_t
    shares = [(c.count + t.count) / total for c, t in used]
    estimate = sum(share * (t.mean - c.mean) for share, (c, t) in zip(shares, used, strict=True))
    pairs = list(zip(shares, used, strict=True))
    variance = sum(share**2 * (c.variance / c.count + t.variance / t.count) for share, (c, t) in pairs)
    if variance <= 0.0:
        return None
    per_unit = sum(share * (c.variance + t.variance) for share, (c, t) in pairs)
    return Difference(estimate, variance, per_unit / variance)
