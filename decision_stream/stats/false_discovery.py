"""Online control of false discoveries: each new experiment gets its alpha from a purse that discoveries refill.

LORD++ (Ramdas, Yang, Wainwright & Jordan 2017, "Online control of the false discovery rate with decaying memory",
section 2): of everything a scope ever declares a winner, a share of at most `alpha` is false on average, however many
experiments it runs. Experiments must be independent, or the next one's start not depend on the running one's evidence.

What the purse holds before the first discovery (`idle_alpha`, the paper's W_0) is another promise: it bounds the chance
that a scope where nothing makes a difference ever makes one. It may be far below alpha, for the first discovery puts
the rest in.
"""

from dataclasses import dataclass, replace

_MEMORY = 200
_EXPONENT = 1.6
_TOTAL = 2.28576566568
"""Riemann's zeta function at the exponent."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Experiments begun so far and the numbers (from 1) of those that ended in a discovery.

    Only the newest 200 discoveries are kept: older ones refill the purse by less than 1e-4 of alpha each.

    >>> first = Ledger()
    >>> round(first.level(0.05, 0.001), 5)
    0.00044
    >>> round(first.begun().level(0.05, 0.001), 5), round(first.begun().discovered(1).level(0.05, 0.001), 5)
    (0.00014, 0.02158)
    """

    experiments: int = 0
    discoveries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.experiments < 0 or any(not 1 <= number <= self.experiments for number in self.discoveries):
            raise ValueError(f"discoveries {self.discoveries} are not among {self.experiments} experiments")

    def level(self, alpha: float, idle_alpha: float) -> float:
        """The alpha that the next experiment may spend; of `idle_alpha` at most alpha is in the purse at first."""
        number = self.experiments + 1
        start = min(idle_alpha, alpha)
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
    """Share of the purse that is kept for this test, proportional to number^-1.6; all shares together are 1.

    The exponent is that of Ramdas, Zrnic, Wainwright & Jordan (2018, "SAFFRON", section 4): a scope has few tests that
    draw on its purse, so that most is kept for the first ones.
    """
    return number**-_EXPONENT / _TOTAL
