"""Evidence for a difference of means that stays valid under any allocation, at any look, while both arms drift.

Shares that follow outcomes void every z-test, and pooled means confuse an effect with the time of day. Here each
report is a block of its own: given the past, the difference of its means is fair whatever the shares are. What a block
adds to the logarithm of the evidence is a stake times the difference, less a price for the spread seen. With
psi(l) = -ln(1 - l) - l, the product of exp(l (X - mean) - psi(l) (X - guess)^2) over values X in [0, 1] is a
supermartingale for any guess made beforehand (Fan, Grama & Liu 2015, lemma 4.1; Waudby-Smith & Ramdas 2024, theorem
2). One such product for the treatment and one for the control, staked so that only the difference remains, is an
e-process: P(evidence ever >= 1 / alpha) <= alpha (Ville). Several metrics are joined by Holder's inequality, which
needs no word on how they move together. The best stake is not known, so wealth is spread over four.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, log1p

from .difference import Difference, Interval
from .moments import Moments

STAKES = (0.05, 0.2, 0.6, 2.0)
"""Stakes per unit of reference: one of them grows at least .7 times as fast as the best stake between the ends."""
LARGEST = 0.75
"""No unit is staked more than this: towards 1 the price of the spread grows without bound."""
_NONE = (0.0,) * len(STAKES)
_NOTHING = Moments()
_PRIOR = Moments(1, 0.5, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One metric of a block: values in [0, 1], larger is better; `weight` is its share of the objective.

    The moments `before` are those of the blocks before this one: they are what the spread is guessed from.
    """

    weight: float
    control: Moments
    treatment: Moments
    control_before: Moments = _NOTHING
    treatment_before: Moments = _NOTHING


@dataclass(frozen=True, slots=True)
class DifferenceEvidence:
    """Evidence so far about treatment minus control, in the unit of the objective (-1 to 1).

    By stake: `staked` sums the stakes, `gained` stake times difference, `paid` the price of the spread. `load` sums
    squared smallest stakes over the treatment's units, from which the effective size follows; `units` are those units.
    """

    staked: tuple[float, ...] = _NONE
    gained: tuple[float, ...] = _NONE
    paid: tuple[float, ...] = _NONE
    load: float = 0.0
    units: int = 0
    blocks: int = 0

    def apply(self, parts: Sequence[Part], reference: float) -> DifferenceEvidence:
        """With one more block. A block in which an arm has no value of a weighted metric says nothing.

        `reference` is known before the block's outcomes: in how many units the stakes are counted. With the units of
        all arms times the least share ordered, blocks weigh as much as their traffic, so that the estimate is that of
        "always the treatment" whatever shares the arms had. Weights of the parts must sum to 1.

        >>> better, worse = Moments(100, 0.9, 1.0), Moments(100, 0.8, 1.0)
        >>> part = Part(
        ...     weight=1.0, control=worse, treatment=better, control_before=worse, treatment_before=better
        ... )
        >>> found = DifferenceEvidence().apply([part], 100.0)
        >>> round(found.difference().estimate, 6), found.lower(0.05) > 0.0
        (0.1, True)
        """
        weighted = [part for part in parts if part.weight > 0.0]
        fewest = min(min(part.control.count, part.treatment.count) for part in weighted)
        if fewest == 0 or reference <= 0.0:
            return self
        difference = sum(part.weight * (part.treatment.mean - part.control.mean) for part in weighted)
        stakes = [min(stake * reference, LARGEST * fewest) for stake in STAKES]
        paid = [sum(_price(part, stake) for part in weighted) for stake in stakes]
        units = min(part.treatment.count for part in weighted)
        return DifferenceEvidence(
            staked=tuple(a + b for a, b in zip(self.staked, stakes, strict=True)),
            gained=tuple(a + b * difference for a, b in zip(self.gained, stakes, strict=True)),
            paid=tuple(a + b for a, b in zip(self.paid, paid, strict=True)),
            load=self.load + stakes[0] ** 2 / units,
            units=self.units + units,
            blocks=self.blocks + 1,
        )

    def log_evidence(self, margin: float = 0.0) -> float:
        """Natural logarithm of the evidence against "the difference is `margin` or less"; 0 is none.

        >>> DifferenceEvidence().log_evidence()
        0.0
        """
        return _mixed([g - margin * s - p for s, g, p in zip(self.staked, self.gained, self.paid, strict=True)])

    def log_evidence_below(self, margin: float = 0.0) -> float:
        """Natural logarithm of the evidence against "the difference is `margin` or more"."""
        return _mixed([margin * s - g - p for s, g, p in zip(self.staked, self.gained, self.paid, strict=True)])

    def lower(self, alpha: float) -> float:
        """A value that the difference exceeds with probability 1 - alpha at all looks together; -1 when nothing is.

        >>> DifferenceEvidence().lower(0.05)
        -1.0
        """
        return _largest(self.log_evidence, alpha)

    def upper(self, alpha: float) -> float:
        """A value that the difference stays below, likewise; 1 when nothing is known."""
        return -_largest(lambda margin: self.log_evidence_below(-margin), alpha)

    def interval(self, alpha: float) -> Interval:
        """Both bounds, each at half of alpha."""
        return Interval(self.lower(alpha / 2.0), self.upper(alpha / 2.0), 1.0 - alpha)

    def difference(self) -> Difference | None:
        """The estimate with its variance, from the smallest stakes, whose price is half the variance; None without any.

        `pairs` of the result is the effective size.
        """
        if not self.blocks or self.paid[0] <= 0.0:
            return None
        staked = self.staked[0]
        return Difference(self.gained[0] / staked, 2.0 * self.paid[0] / staked**2, self.effective_size)

    @property
    def effective_size(self) -> float:
        """Kish's effective number of the treatment's units: as many with equal weights would say as much."""
        return self.staked[0] ** 2 / self.load if self.load > 0.0 else 0.0


def _price(part: Part, stake: float) -> float:
    sides = ((part.control, part.control_before), (part.treatment, part.treatment_before))
    return part.weight * sum(_psi(stake / now.count) * _squares(now, before) for now, before in sides)


def _squares(now: Moments, before: Moments) -> float:
    """Summed squared distance of a block's values from the mean that was expected of them."""
    return now.m2 + now.count * (now.mean - before.merge(_PRIOR).mean) ** 2


def _psi(stake: float) -> float:
    return -log1p(-stake) - stake


def _mixed(logs: Sequence[float]) -> float:
    top = max(logs)
    return top + log(sum(exp(value - top) for value in logs) / len(logs))


def _largest(log_evidence: Callable[[float], float], alpha: float) -> float:
    """The largest margin in [-1, 1] whose evidence reaches 1 / alpha; evidence falls with the margin."""
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha must lie inside (0, 1), found {alpha}")
    needed, low, high = -log(alpha), -1.0, 1.0
    if log_evidence(low) < needed:
        return low
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if log_evidence(middle) >= needed else (low, middle)
    return low
