"""Chances of being best: against an integration with thousands of points, for deviations alike and far apart."""

import numpy as np
import pytest
from scipy.special import ndtr

from decision_stream.stats.bandits.choice import chances_of_being_best, choose

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def integrated(means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Of each arm's density times the others' distribution functions, on 40 points between any two of many edges."""
    edges = np.unique(means[:, None] + deviations[:, None] * np.linspace(-12.0, 12.0, 17))
    halves = 0.5 * np.diff(edges)[:, None]
    places, weights = (edges[:-1, None] + halves * (1.0 + NODES)).ravel(), (halves * WEIGHTS).ravel()
    scores = (places - means[:, None]) / deviations[:, None]
    densities = np.exp(-0.5 * scores**2) / (deviations[:, None] * np.sqrt(2.0 * np.pi))
    below = ndtr(scores)
    others = [np.delete(below, arm, axis=0).prod(axis=0) for arm in range(len(means))]
    return (densities * others) @ weights


@pytest.mark.parametrize("arms", [2, 3, 5, 8, 12])
@pytest.mark.parametrize("ratio", [1.0, 3.0, 10.0, 100.0, 1e4])
def test_chances_are_exact_to_a_millionth_however_much_the_deviations_differ(ratio, arms):
    """Widths between 1 and `ratio`, or only these; means as far apart as narrow arms, wide ones, or their own."""
    draw = np.random.default_rng([arms, int(ratio)])
    for trial in range(60):
        widths = ratio ** (draw.random(arms) if trial % 2 else draw.integers(0, 2, arms).astype(float))
        means = draw.standard_normal(arms) * (1.0, ratio, widths)[trial % 3] * draw.choice([0.01, 0.3, 1.0, 4.0])
        true = integrated(means, widths)
        assert true.sum() == pytest.approx(1.0, abs=1e-9), "the integration itself"
        found = chances_of_being_best(means.tolist(), widths.tolist())
        assert found == pytest.approx(true, abs=1e-6), (trial, means, widths)
        assert sum(found) == pytest.approx(1.0, abs=1e-12) and min(found) >= 0.0


def test_neither_units_nor_an_offset_matter():
    means, widths = [0.2, 0.25, 0.3, 0.1], [0.05, 0.04, 0.01, 0.2]
    moved = [1_000.0 * mean + 77.0 for mean in means]
    assert chances_of_being_best(moved, [1_000.0 * width for width in widths]) == pytest.approx(
        chances_of_being_best(means, widths), abs=1e-9
    )


def test_an_arm_above_all_others_is_best_for_certain():
    assert chances_of_being_best([0.0, 9.0, 1.0], [0.1, 0.2, 0.3]) == [0.0, 1.0, 0.0]


def test_one_arm_alone_is_best():
    assert chances_of_being_best([0.3], [0.1]) == [1.0]


def test_a_propensity_is_recorded_with_nine_digits():
    choice = choose(["a", "b", "c"], [1 / 3, 1 / 3, 1 / 3], draw=0.5, floor=0.0)
    assert choice.propensities == (("a", 0.333333333), ("b", 0.333333333), ("c", 0.333333333))
    assert choice.propensity == round(1 / 3, 9)
