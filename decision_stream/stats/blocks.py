"""Two arms compared within blocks of constant weights: a ramp must not mistake the time of day for an effect."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .difference import BURN_IN, Difference
from .moments import Moments

_NOTHING = Moments()


@dataclass(frozen=True, slots=True)
class Blocks:
    """Sums of the closed blocks, and the moments of the open one.

    When weights change while the metric drifts, pooled means differ without any effect (Simpson's paradox). Each block
    is compared by itself and weighted by h = n_c n_t / (n_c + n_t), after Cochran (1954): `weight` is the sum of h,
    `weighted` the sum of h times the block's difference, `load_*` the sums of h^2 / n by arm. `within_*` are the
    squared distances of units from their own block's mean, from which the variances come; `count_*` the units.

    >>> blocks = Blocks().apply(Moments(900, 1.0, 90.0), Moments(100, 1.1, 10.0)).closed()
    >>> found = blocks.apply(Moments(500, 2.0, 50.0), Moments(500, 2.1, 50.0)).difference()
    >>> round(found.estimate, 6), round(found.pairs)  # the pooled means differ by .57
    (0.1, 680)
    """

    control: Moments = _NOTHING
    treatment: Moments = _NOTHING
    blocks: int = 0
    count_c: int = 0
    count_t: int = 0
    within_c: float = 0.0
    within_t: float = 0.0
    weight: float = 0.0
    weighted: float = 0.0
    load_c: float = 0.0
    load_t: float = 0.0

    def apply(self, control: Moments, treatment: Moments) -> Blocks:
        """With more units of the open block: one unit, or the sums of a report."""
        return replace(self, control=self.control.merge(control), treatment=self.treatment.merge(treatment))

    def closed(self) -> Blocks:
        """With the open block closed, as at every change of weights. A block that lacks an arm says nothing."""
        control, treatment = self.control, self.treatment
        if not control.count or not treatment.count:
            return replace(self, control=_NOTHING, treatment=_NOTHING)
        h = control.count * treatment.count / (control.count + treatment.count)
        return Blocks(
            blocks=self.blocks + 1,
            count_c=self.count_c + control.count,
            count_t=self.count_t + treatment.count,
            within_c=self.within_c + control.m2,
            within_t=self.within_t + treatment.m2,
            weight=self.weight + h,
            weighted=self.weighted + h * (treatment.mean - control.mean),
            load_c=self.load_c + h * h / control.count,
            load_t=self.load_t + h * h / treatment.count,
        )

    def difference(self, burn_in: int = BURN_IN) -> Difference | None:
        """All blocks together; None before `burn_in` units in each arm beyond one per block, or without any spread."""
        whole = self.closed()
        freedom_c, freedom_t = whole.count_c - whole.blocks, whole.count_t - whole.blocks
        if min(freedom_c, freedom_t) < max(1, burn_in - 1) or whole.within_c + whole.within_t == 0.0:
            return None
        unit_variance_c, unit_variance_t = whole.within_c / freedom_c, whole.within_t / freedom_t
        variance = (unit_variance_c * whole.load_c + unit_variance_t * whole.load_t) / whole.weight**2
        return Difference(whole.weighted / whole.weight, variance, (unit_variance_c + unit_variance_t) / variance)
