"""Sample ratio mismatch: do units arrive at the arms in the shares that were ordered? A sequential exact test.

Lindon & Malek (2022), "Anytime-valid inference for multinomial count data", NeurIPS, equation 9: the Bayes factor of a
Dirichlet prior centred on the ordered shares against those shares. Valid at every look, unlike the usual chi-squared
test. A mismatch means that units are lost or misrouted on one arm, and then no difference of means can be believed.
"""

from dataclasses import dataclass, replace
from math import exp, lgamma, log

_CONCENTRATION = 100.0


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Evidence collected so far. Weights may change: each period is tested against its own (the product stays valid).

    `log_evidence` is that of closed periods; `counts` are the units by arm since `weights` were ordered. Weights are
    the ordered shares, positive; they are scaled to sum to 1.

    >>> mismatch = SampleRatio(weights=(0.5, 0.5)).counted((900, 1100))
    >>> mismatch.p_value() < 0.001
    True
    """

    weights: tuple[float, ...]
    counts: tuple[float, ...] = ()
    log_evidence: float = 0.0

    def __post_init__(self) -> None:
        if len(self.weights) < 2 or min(self.weights) <= 0.0:
            raise ValueError(f"at least two positive weights are needed, found {self.weights}")
        if self.counts and (len(self.counts) != len(self.weights) or min(self.counts) < 0.0):
            raise ValueError(f"counts must be one per arm and not negative, found {self.counts}")

    def counted(self, units: tuple[float, ...]) -> "SampleRatio":
        """With more units, in the order of the weights."""
        before = self.counts or (0.0,) * len(self.weights)
        return replace(self, counts=tuple(a + b for a, b in zip(before, units, strict=True)))

    def reweighted(self, weights: tuple[float, ...]) -> "SampleRatio":
        """From now on other shares are ordered; what was found under the old ones is kept."""
        return SampleRatio(weights=weights, log_evidence=self.evidence())

    def evidence(self) -> float:
        """Natural logarithm of the evidence for a mismatch; may be negative."""
        if not self.counts:
            return self.log_evidence
        total = sum(self.weights)
        shares = [weight / total for weight in self.weights]
        prior = [_CONCENTRATION * share for share in shares]
        gained = lgamma(_CONCENTRATION) - lgamma(_CONCENTRATION + sum(self.counts))
        for share, base, count in zip(shares, prior, self.counts, strict=True):
            gained += lgamma(base + count) - lgamma(base) - count * log(share)
        return self.log_evidence + gained

    def p_value(self) -> float:
        """Valid at any time when its smallest value so far is kept; at most 1."""
        return p_value(self.evidence())


def p_value(evidence: float) -> float:
    """The p-value of so much evidence (natural logarithm), valid at any time when it is the largest so far.

    >>> p_value(-1.0)
    1.0
    """
    return exp(-max(0.0, evidence))
