"""Guardrails: is the treatment worse than its concurrent control by more than is allowed? Asked after every report.

Two one-sided tests against one margin (Schuirmann 1987; for non-inferiority, ICH E9 1998, section 3.3.2), each by the
bound of `reflection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, log2, sqrt

from . import normal
from .difference import Difference, Interval

_FIRST_SHARE = 0.75


class Verdict(StrEnum):
    """What a guardrail says: proven harmless, proven harmful, or neither yet."""

    PASS = "pass"
    BREACH = "breach"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class GuardrailReading:
    """One look at a guardrail.

    `score` is the evidence for harm beyond the margin, `bound` what it must pass; `suspicion` is their quotient: 1 is
    a breach, -1 a pass. `interval` is for the harm itself (treatment minus control, positive is worse), valid at every
    look; its level is 1 - 2 alpha. `alpha` is the error budget of each side: of a false breach over the guardrail's
    whole life, and likewise of a false pass.

    >>> even = GuardrailReading(Verdict.UNDECIDED, 0.0, 0.1, -1.3, 2.6, Interval(-0.3, 0.3, 0.975), 0.0125)
    >>> even.suspicion
    -0.5
    """

    verdict: Verdict
    harm: float
    margin: float
    score: float
    bound: float
    interval: Interval
    alpha: float

    @property
    def suspicion(self) -> float:
        """Evidence as a share of what a breach needs."""
        return self.score / self.bound


def guardrail(harm: Difference, *, margin: float, alpha: float, planned_pairs: float) -> GuardrailReading:
    """Read a guardrail from how much worse the treatment is than its control (larger is worse).

    BREACH: harm above the margin is proven, at level alpha. PASS: harm below the margin is proven (non-inferiority),
    at level alpha. Both are one-sided reflection bounds in information time, so looks at any number of reports, with
    unequal and changing weights, are allowed for; take the difference from `Blocks` when weights change.
    `planned_pairs` is where the test is sharpest. A guardrail must not fall silent when a ramp takes longer, so a
    quarter of alpha is kept for later: half of what is left for each doubling of the plan. ValueError for a margin
    that is no number, alpha outside (0, 1/2) or a plan that is not positive.

    >>> slower = Difference(estimate=30.0, variance=16.0, pairs=500.0)  # ms
    >>> reading = guardrail(slower, margin=10.0, alpha=0.0125, planned_pairs=1000.0)
    >>> reading.verdict, round(reading.score, 2), round(reading.bound, 2)
    (<Verdict.BREACH: 'breach'>, 3.54, 2.6)
    >>> guardrail(slower, margin=30.0, alpha=0.0125, planned_pairs=1000.0).verdict
    <Verdict.UNDECIDED: 'undecided'>
    """
    if not abs(margin) < float("inf") or not 0.0 < alpha < 0.5 or not 0.0 < planned_pairs < float("inf"):
        raise ValueError(
            f"a guardrail needs a finite margin, alpha inside (0, 1/2) and a positive plan, found {margin}, {alpha} "
            f"and {planned_pairs}"
        )
    # Epoch k ends at 2^k times the plan and has its own share of alpha; their sum is alpha, whatever the stop.
    epoch = max(0, ceil(log2(harm.pairs / planned_pairs)))
    spent = alpha * (_FIRST_SHARE if epoch == 0 else (1.0 - _FIRST_SHARE) * 0.5**epoch)
    bound = normal.quantile(1.0 - spent / 2.0)
    fraction = harm.pairs / (planned_pairs * 2.0**epoch)
    score = (harm.estimate - margin) / harm.standard_error * sqrt(fraction)
    radius = bound * harm.standard_error / sqrt(fraction)
    return GuardrailReading(
        verdict=Verdict.BREACH if score >= bound else Verdict.PASS if score <= -bound else Verdict.UNDECIDED,
        harm=harm.estimate,
        margin=margin,
        score=score,
        bound=bound,
        interval=Interval(harm.estimate - radius, harm.estimate + radius, 1.0 - 2.0 * alpha),
        alpha=alpha,
    )
