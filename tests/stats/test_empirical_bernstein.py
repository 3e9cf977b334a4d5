"""Evidence for a difference of means: valid under any shares, at every look, while both arms drift."""

import numpy as np
import pytest

from decision_stream.stats.bandits.beta import BetaArm, BetaState, BetaThompson
from decision_stream.stats.empirical_bernstein import DifferenceEvidence, Part
from decision_stream.stats.moments import Moments


def moments(values: np.ndarray) -> Moments:
    mean = float(values.mean()) if len(values) else 0.0
    return Moments(len(values), mean, float(((values - mean) ** 2).sum()))


def played(
    rng: np.random.Generator, gain: float, blocks: int, *, adaptive: bool, binary: bool = False, drift: float = 0.15
):
    """Evidence after each block of 200; both arms drift together, and Thompson sampling starves the worse."""
    found, control, treatment, chance = DifferenceEvidence(), Moments(), Moments(), 0.5
    for block in range(blocks):
        base = 0.7 + drift * np.sin(block / 6.0)
        count = int(rng.binomial(200, chance))
        sides = []
        for mean, size in ((base, 200 - count), (base + gain, count)):
            drawn = rng.random(size) < mean if binary else np.clip(rng.normal(mean, 0.1, size), 0.0, 1.0)
            sides.append(moments(drawn.astype(float)))
        part = Part(
            weight=1.0,
            control=sides[0],
            treatment=sides[1],
            control_before=control,
            treatment_before=treatment,
        )
        found = found.apply([part], 200.0 * 0.1)
        control, treatment = control.merge(sides[0]), treatment.merge(sides[1])
        if adaptive:
            arms = {
                name: BetaArm(known.mean * known.count, (1.0 - known.mean) * known.count)
                for name, known in (("a", control), ("b", treatment))
            }
            chance = float(np.clip(BetaThompson().chances(BetaState(arms), ["a", "b"])[1], 0.1, 0.9))
        yield found


@pytest.mark.parametrize("binary", [False, True])
def test_without_a_gain_thompson_and_drift_and_a_look_at_every_block_find_one_in_at_most_five_percent(binary):
    rng, false = np.random.default_rng(5), 0
    for _ in range(150):
        looks = played(rng, 0.0, 40, adaptive=True, binary=binary)
        false += any(found.log_evidence() >= -np.log(0.05) for found in looks)
    assert false <= 0.05 * 150


def test_the_bounds_cover_the_truth_at_all_looks_together():
    rng, missed = np.random.default_rng(6), 0
    for _ in range(100):
        looks = played(rng, 0.04, 30, adaptive=True)
        missed += any(not found.interval(0.1).low <= 0.04 <= found.interval(0.1).high for found in looks)
    assert missed <= 0.1 * 100


def test_a_gain_is_found_and_estimated():
    rng = np.random.default_rng(7)
    *_, last = played(rng, 0.05, 60, adaptive=False, drift=0.0)
    assert last.lower(0.05) > 0.0
    found = last.difference()
    assert found.estimate == pytest.approx(0.05, abs=4.0 * found.standard_error)
    # 60 blocks of 100 units of spread .1 in each arm.
    assert found.variance == pytest.approx(2.0 * 0.1**2 / 6_000, rel=0.3)
    assert last.effective_size == pytest.approx(6_000, rel=0.05)


def test_pooled_means_would_have_lied():
    """The share of the treatment follows the time of day: the pooled means differ, the evidence does not."""
    rng, found = np.random.default_rng(8), DifferenceEvidence()
    control, treatment = Moments(), Moments()
    for block in range(60):
        good_times = block % 2 == 0
        base, count = (0.9, 180) if good_times else (0.6, 20)
        sides = [moments(np.clip(rng.normal(base, 0.05, size), 0.0, 1.0)) for size in (200 - count, count)]
        part = Part(
            weight=1.0, control=sides[0], treatment=sides[1], control_before=control, treatment_before=treatment
        )
        found = found.apply([part], 20.0)
        control, treatment = control.merge(sides[0]), treatment.merge(sides[1])
    assert treatment.mean - control.mean > 0.2
    assert abs(found.difference().estimate) < 0.01
    assert found.log_evidence() < 3.0


def test_a_block_without_an_arm_says_nothing():
    part = Part(weight=1.0, control=Moments(10, 0.5, 1.0), treatment=Moments())
    assert DifferenceEvidence().apply([part], 10.0) == DifferenceEvidence()


def test_several_metrics_add_up_by_their_weights():
    up = Part(weight=0.6, control=Moments(100, 0.5, 1.0), treatment=Moments(100, 0.7, 1.0))
    down = Part(weight=0.4, control=Moments(400, 0.8, 4.0), treatment=Moments(300, 0.6, 3.0))
    found = DifferenceEvidence().apply([up, down], 50.0)
    assert found.difference().estimate == pytest.approx(0.6 * 0.2 - 0.4 * 0.2)
    assert found.units == 100


def test_the_bounds_are_where_the_evidence_says():
    rng = np.random.default_rng(9)
    *_, last = played(rng, 0.05, 20, adaptive=False)
    assert last.log_evidence(last.lower(0.05)) == pytest.approx(-np.log(0.05), abs=1e-4)
    assert last.log_evidence_below(last.upper(0.05)) == pytest.approx(-np.log(0.05), abs=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_an_impossible_level_is_refused(alpha):
    with pytest.raises(ValueError, match="alpha"):
        DifferenceEvidence().lower(alpha)
