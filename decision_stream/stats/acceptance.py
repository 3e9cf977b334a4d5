"""Sequential acceptance: is a half-open path healthy again? Wald's sequential probability ratio test (1945).

Few probes are let through; each passes or fails. The evidence is the summed log likelihood ratio of a bad failure rate
over a good one. It is closed below the lower bound, opened again above the upper one, and probed further in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Literal, NamedTuple

from .cusum import Steps, bernoulli_steps

Verdict = Literal["accept", "reject", "undecided"]


class Outlook(NamedTuple):
    """Chance to be accepted, and mean number of probes."""

    accepted: float
    probes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of a path: shares of failing probes, and the chances of both errors.

    A path that fails with chance `good` or less is rejected with chance at most about `false_rejection`; one that
    fails with chance `bad` or more is accepted with chance at most about `false_acceptance` (Wald 1945, eq. 3:30;
    both together never exceed the sum of the two). After `most_probes` an undecided path is rejected.

    >>> Plan(good=0.02, bad=0.20).fewest_probes
    15
    """

    good: float
    bad: float
    false_rejection: float = 0.05
    false_acceptance: float = 0.05
    most_probes: int = 200

    def __post_init__(self) -> None:
        bernoulli_steps(self.good, self.bad)
        if not (0.0 < self.false_rejection < 0.5 and 0.0 < self.false_acceptance < 0.5) or self.most_probes < 1:
            raise ValueError(f"error chances must lie inside (0, 0.5) and probes be allowed, found {self}")

    @property
    def steps(self) -> Steps:
        """What a failing and a passing probe add to the evidence of damage."""
        return bernoulli_steps(self.good, self.bad)

    @property
    def bounds(self) -> tuple[float, float]:
        """Evidence at or below which a path is accepted, and at or above which it is rejected."""
        lower = log(self.false_acceptance / (1.0 - self.false_rejection))
        return lower, log((1.0 - self.false_acceptance) / self.false_rejection)

    @property
    def fewest_probes(self) -> int:
        """Passing probes in a row that a path needs to be accepted."""
        return ceil(self.bounds[0] / self.steps.passed)

    def outlook(self, rate: float) -> Outlook:
        """What becomes of a path that fails with chance `rate`; exact, by recursion over the number of failures.

        >>> Plan(good=0.02, bad=0.20).outlook(0.0)
        Outlook(accepted=1.0, probes=15.0)
        """
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"a rate lies inside [0, 1], found {rate}")
        accepted, probes, undecided = 0.0, 0.0, {Acceptance(): 1.0}
        while undecided:
            probes += sum(undecided.values())
            further: dict[Acceptance, float] = {}
            for before, chance in undecided.items():
                for failed, share in ((False, (1.0 - rate) * chance), (True, rate * chance)):
                    after = before.apply(failed=failed)
                    verdict = after.verdict(self)
                    if verdict == "undecided":
                        further[after] = further.get(after, 0.0) + share
                    accepted += share if verdict == "accept" else 0.0
            undecided = {state: chance for state, chance in further.items() if chance > 0.0}
        return Outlook(accepted, probes)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Probes seen so far and the failing ones among them: 16 bytes.

    >>> plan, state = Plan(good=0.02, bad=0.20), Acceptance()
    >>> for _ in range(15):
    ...     state = state.apply(failed=False)
    >>> state.verdict(plan), state.apply(failed=True).verdict(plan)
    ('accept', 'undecided')
    """

    probes: int = 0
    failures: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.failures <= self.probes:
            raise ValueError(f"{self.failures} failures among {self.probes} probes")

    def apply(self, *, failed: bool) -> Acceptance:
        """With one more probe. Act on the first verdict that is not "undecided": a later one has no error bound."""
        return Acceptance(self.probes + 1, self.failures + failed)

    def evidence(self, plan: Plan) -> float:
        """Log likelihood ratio of the bad rate over the good one."""
        failed, passed = plan.steps
        return self.failures * failed + (self.probes - self.failures) * passed

    def verdict(self, plan: Plan) -> Verdict:
        """What the probes say under this plan."""
        lower, upper = plan.bounds
        evidence = self.evidence(plan)
        if evidence <= lower:
            return "accept"
        return "reject" if evidence >= upper or self.probes >= plan.most_probes else "undecided"
