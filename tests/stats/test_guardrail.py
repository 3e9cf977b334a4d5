"""Guardrails: harm is found, harmlessness is proven, and neither is claimed wrongly more often than allowed."""

from random import Random

import pytest

from decision_stream.stats.difference import Difference, difference
from decision_stream.stats.guardrail import Verdict, guardrail
from decision_stream.stats.moments import Moments

PLANNED = 400.0


def watched(seed: str, harm: float, margin: float, alpha: float, pairs: int = 1_600, every: int = 20) -> Verdict:
    """The first verdict of a guardrail that is read after every 20 pairs, up to four times its plan."""
    draw, control, treatment = Random(seed), Moments(), Moments()
    for pair in range(pairs):
        control, treatment = control.apply(draw.gauss(0.0, 1.0)), treatment.apply(draw.gauss(harm, 1.0))
        found = difference(control, treatment)
        if pair % every == 0 and found is not None:
            reading = guardrail(found, margin=margin, alpha=alpha, planned_pairs=PLANNED)
            if reading.verdict is not Verdict.UNDECIDED:
                return reading.verdict
    return Verdict.UNDECIDED


@pytest.mark.parametrize(("harm", "wrong"), [(0.2, Verdict.BREACH), (0.2, Verdict.PASS)])
def test_at_the_margin_either_verdict_is_as_rare_as_allowed(harm, wrong):
    """Harm equal to the margin makes both verdicts wrong: each may come in alpha of all lives."""
    found = [watched(f"margin {seed}", harm, margin=0.2, alpha=0.1) for seed in range(200)]
    assert found.count(wrong) / len(found) <= 0.1 + 0.045


def test_clear_harm_is_a_breach_and_clear_harmlessness_a_pass():
    assert [watched(f"bad {seed}", 0.7, 0.2, 0.025) for seed in range(20)].count(Verdict.BREACH) >= 19
    assert [watched(f"good {seed}", 0.0, 0.5, 0.025) for seed in range(20)].count(Verdict.PASS) >= 19


def test_the_interval_and_the_verdict_agree():
    for estimate in (-0.5, -0.1, 0.0, 0.1, 0.5):
        reading = guardrail(Difference(estimate, 0.01, 300.0), margin=0.1, alpha=0.05, planned_pairs=PLANNED)
        low, high = reading.interval.low, reading.interval.high
        expected = Verdict.BREACH if low >= 0.1 else Verdict.PASS if high <= 0.1 else Verdict.UNDECIDED
        assert reading.verdict is expected
        assert (abs(reading.suspicion) >= 1.0) == (expected is not Verdict.UNDECIDED)


def test_a_guardrail_never_falls_silent():
    """Far beyond its plan a large harm is still a breach."""
    late = guardrail(Difference(1.0, 0.001, 50.0 * PLANNED), margin=0.0, alpha=0.01, planned_pairs=PLANNED)
    assert late.verdict is Verdict.BREACH


@pytest.mark.parametrize("wrong", [{"margin": float("nan")}, {"alpha": 0.5}, {"planned_pairs": 0.0}])
def test_nonsense_is_refused(wrong):
    good = {"margin": 0.1, "alpha": 0.05, "planned_pairs": PLANNED}
    with pytest.raises(ValueError, match="guardrail"):
        guardrail(Difference(0.1, 0.01, 100.0), **{**good, **wrong})
