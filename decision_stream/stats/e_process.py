"""Exact evidence about yes-or-no metrics that stays valid under any allocation and any stopping.

For two arms with the same rate, the product of Beta-binomial marginals over the best common Bernoulli likelihood never
exceeds a martingale that starts at 1, whatever decides which arm the next unit goes to (universal inference: Wasserman,
Ramdas & Balakrishnan 2020; sequential form: Ramdas, Grunwald, Vovk & Shafer 2023, section 5). By Ville's inequality
P(E ever >= 1 / alpha) <= alpha. It is what a bandit may conclude from, where a z-test may not: allocation that follows
the outcomes makes every z-test invalid. The price is power.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, lgamma, log


@dataclass(frozen=True, slots=True)
class Counts:
    """Successes and failures of one arm; not negative.

    >>> Counts(80, 20).total
    100
    """

    successes: float
    failures: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.successes < inf and 0.0 <= self.failures < inf):
            raise ValueError(f"counts must be finite and not negative, found {self.successes} and {self.failures}")

    @property
    def total(self) -> float:
        """Units of the arm."""
        return self.successes + self.failures


def log_evidence(arms: Sequence[Counts], prior: Counts = Counts(0.5, 0.5)) -> float:
    """Natural logarithm of the evidence against "all arms have the same rate"; 0 is none.

    `prior` are pseudo-counts of each arm: with a known baseline rate p, such as 250 p and 250 (1 - p), small effects
    are found sooner; any positive prior fixed beforehand is valid. ValueError for fewer than two arms or a prior that
    is not positive.

    >>> round(log_evidence([Counts(80, 20), Counts(50, 50)]), 3)
    5.072
    """
    if len(arms) < 2 or prior.successes <= 0.0 or prior.failures <= 0.0:
        raise ValueError("evidence compares at least two arms, under a positive prior")
    start = _log_beta(prior.successes, prior.failures)
    marginal = sum(_log_beta(arm.successes + prior.successes, arm.failures + prior.failures) - start for arm in arms)
    successes, failures = sum(arm.successes for arm in arms), sum(arm.failures for arm in arms)
    return marginal - _best_common(successes, failures)


def p_value(log_evidence: float) -> float:
    """A p-value that may be read at any time: 1 over the largest evidence so far, at most 1.

    >>> round(p_value(log(40.0)), 6)
    0.025
    """
    return min(1.0, exp(-log_evidence)) if log_evidence < 700.0 else 0.0


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _best_common(successes: float, failures: float) -> float:
    total = successes + failures
    return sum(part * log(part / total) for part in (successes, failures) if part > 0.0)
