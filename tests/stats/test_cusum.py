"""CUSUM: run lengths agree with simulation and with the tables."""

from random import Random

import pytest

from decision_stream.stats import cusum


def simulated(seed: int, rate: float, steps: cusum.Steps, threshold: float, runs: int) -> float:
    draw, total = Random(seed), 0
    for _ in range(runs):
        statistic = 0.0
        while statistic < threshold:
            statistic = cusum.updated(statistic, steps.failed if draw.random() < rate else steps.passed)
            total += 1
    return total / runs


@pytest.mark.parametrize(("rate", "runs"), [(0.05, 300), (0.10, 2_000)])
def test_run_lengths_of_failures_are_those_of_simulation(rate, runs):
    steps = cusum.bernoulli_steps(0.05, 0.10)
    assert cusum.bernoulli_run_length(rate, steps, 3.0) == pytest.approx(
        simulated(1, rate, steps, 3.0, runs), rel=0.15 if runs < 1_000 else 0.05
    )


def test_a_threshold_keeps_its_promise_and_the_delay_is_that_of_the_oracle():
    """The reference: .05 to .10 at a promise of 5,000 events is found after 153 events."""
    steps = cusum.bernoulli_steps(0.05, 0.10)
    threshold = cusum.bernoulli_threshold(0.05, steps, 5_000.0)
    assert cusum.bernoulli_run_length(0.05, steps, threshold) == pytest.approx(5_000.0, rel=0.02)
    # From a fresh statistic, so a little longer than after 300 quiet events.
    assert cusum.bernoulli_run_length(0.10, steps, threshold) == pytest.approx(165.0, rel=0.06)


@pytest.mark.parametrize(("threshold", "length"), [(4.0, 336.0), (5.0, 930.0)])
def test_thresholds_of_normal_scores_agree_with_the_tables(threshold, length):
    """One-sided run lengths for a shift of 1: Montgomery, Introduction to Statistical Quality Control, table 9.3."""
    assert cusum.normal_threshold(1.0, length) == pytest.approx(threshold, abs=0.02)


def test_the_brownian_formula_knows_both_signs_and_no_drift():
    assert cusum.run_length(5.0, 0.5, 1.0) < cusum.run_length(5.0, 0.0, 1.0) == 25.0 < cusum.run_length(5.0, -0.5, 1.0)
    assert cusum.run_length(5.0, 1e-5, 1.0) == pytest.approx(25.0, rel=1e-3)


def test_rates_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="rise"):
        cusum.bernoulli_steps(0.1, 0.1)
