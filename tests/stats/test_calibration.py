"""Calibrated predictions: stated coverage whatever the source promises, and little given away by an honest one."""

from random import Random

import pytest

from decision_stream.stats.calibration import KEPT, Calibration


def coverage(random: Random, *, bias: float, slope: float, claimed: float, outcomes: int, burn_in: int) -> float:
    """Share of truths inside the interval stated before they were seen, for a source as described.

    The source's estimate misses the truth by `bias` and `slope` and with sd 0.02, of which it admits `claimed`.
    """
    told, inside, asked = Calibration(), 0, 0
    for number in range(outcomes):
        said = random.gauss(-0.1, 0.2)
        truth = bias + slope * said + random.gauss(0.0, 0.02)
        if number >= burn_in:
            asked += 1
            stated = told.interval(said, claimed)
            inside += stated.low <= truth <= stated.high
        told = told.apply(said, claimed, truth + random.gauss(0.0, 0.01), 0.01)
    return inside / asked


def mean_coverage(**source: float) -> float:
    return sum(coverage(Random(seed), **source) for seed in range(40)) / 40


def test_an_honest_source_is_covered_from_the_first_outcome_on():
    assert mean_coverage(bias=0.0, slope=1.0, claimed=0.02, outcomes=60, burn_in=0) >= 0.94


@pytest.mark.parametrize(
    ("bias", "slope", "claimed"), [(0.05, 1.0, 0.02), (0.0, 0.5, 0.02), (0.0, 1.0, 0.004), (-0.04, 0.7, 0.005)]
)
def test_a_source_that_errs_or_is_too_sure_is_covered_after_some_outcomes(bias, slope, claimed):
    found = mean_coverage(bias=bias, slope=slope, claimed=claimed, outcomes=120, burn_in=20)
    assert found >= 0.92


def test_an_uncorrected_source_of_this_kind_would_be_covered_far_less():
    random = Random(1)
    misses = [0.05 + random.gauss(0.0, 0.02) for _ in range(2_000)]
    assert sum(abs(miss) <= 1.96 * 0.02 for miss in misses) / 2_000 < 0.5


def test_an_honest_source_is_hardly_stretched():
    random, told = Random(3), Calibration()
    for _ in range(200):
        said = random.gauss(-0.1, 0.2)
        told = told.apply(said, 0.02, said + random.gauss(0.0, 0.02) + random.gauss(0.0, 0.01), 0.01)
    stated = told.interval(-0.1, 0.02)
    assert stated.high - stated.low <= 1.5 * 2 * 1.96 * 0.02


def test_a_single_miss_stretches_at_once_and_is_forgotten_in_time():
    told = Calibration().apply(0.0, 0.01, 0.2, 0.01)
    wide = told.interval(0.0, 0.01)
    for _ in range(2 * KEPT):
        told = told.apply(0.0, 0.01, 0.0, 0.01)
    assert wide.high - wide.low > 0.2
    narrow = told.interval(0.0, 0.01)
    assert narrow.high - narrow.low < 0.05 * (wide.high - wide.low) and len(told.misses) == KEPT
