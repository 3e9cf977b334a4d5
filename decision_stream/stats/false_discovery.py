"""Online control of false discoveries: each new experiment gets its alpha from a purse that discoveries refill.

LORD++ (Ramdas, Yang, Wainwright & Jordan 2017, "Online control of the false discovery rate with decaying memory",
section 2): of everything a scope ever declares a winner, a share of at most `alpha` is false on average, however many
experiments it runs. Experiments must be independent, or the next one's start not depend on the running one's evidence.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import exp, log, sqrt

_MEMORY = 200


@dataclass(frozen=True, slots=True)
class Ledger:
    """Experiments begun so far and the numbers (from 1) of those that ended in a discovery.

    Only the newest 200 discoveries are kept: older ones refill the purse by less than 1e-4 of alpha each.

    >>> first = Ledger()
    >>> round(first.level(0.05), 5)
    0.00137
    >>> round(first.begun().discovered(1).level(0.05), 5)
    0.00167
    """

    experiments: int = 0
    discoveries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.experiments < 0 or any(not 1 <= number <= self.experiments for number in self.discoveries):
            raise ValueError(f"discoveries {self.discoveries} are not among {self.experiments} experiments")

    def level(self, alpha: float) -> float:
        """The alpha that the next experiment may spend."""
        number = self.experiments + 1
        start = alpha / 2.0
        level = _gamma(number) * start
        for rank, discovery in enumerate(self.discoveries):
            level += ((alpha - start) if rank == 0 else alpha) * _gamma(number - discovery)
        return level

    def begun(self) -> "Ledger":
        """One more experiment was begun, with the level of before."""
        return replace(self, experiments=self.experiments + 1)

    def discovered(self, number: int) -> "Ledger":
        """Experiment `number` (1 is the first) declared a winner."""
        return replace(self, discoveries=tuple(sorted({*self.discoveries, number}))[-_MEMORY:])


def _gamma(number: int) -> float:
    """The series of the paper, gamma_j = c log(max(j, 2)) / (j exp(sqrt(log j))); its sum over all j is 1."""
    return _raw(number) / _total()


def _raw(number: int) -> float:
    return log(max(number, 2)) / (number * exp(sqrt(log(number)))) if number >= 1 else 0.0


@lru_cache(maxsize=1)
def _total() -> float:
    """Sum of the first 20,000 terms plus the integral of the rest, from x = log j: x exp(-sqrt x)."""
    first = 20_000
    root = sqrt(log(first + 0.5))
    # With r = sqrt x the tail is the integral of 2 r^3 exp(-r): an incomplete gamma function of order 4.
    return sum(map(_raw, range(1, first + 1))) + 2.0 * exp(-root) * (root**3 + 3.0 * root**2 + 6.0 * root + 6.0)
