"""Pooling: the promised variance holds for the next unit, and shrinking towards it errs less than each alone."""

import numpy as np
import pytest

from decision_stream.stats.pooling import LEAST_UNITS, predictive


@pytest.mark.parametrize("count", [5, 8, 30])
def test_the_next_unit_varies_as_promised(count):
    draw = np.random.default_rng(count)
    squares, promised = [], []
    for _ in range(20_000):
        units = draw.normal(0.3, 0.7, count + 1)
        mean, variance = predictive(list(units[:-1]))
        squares.append((units[-1] - mean) ** 2)
        promised.append(variance)
    # The promise is the variance given the spread that was seen; for few units it is above what comes on average.
    true = 0.49 * (1.0 + 1.0 / count)
    assert np.mean(squares) == pytest.approx(true, rel=0.05)
    assert np.mean(promised) == pytest.approx(true * (count - 1) / (count - 3), rel=0.1)


@pytest.mark.parametrize(("between", "noise"), [(0.02, 0.02), (0.0, 0.05), (0.2, 0.02)])
def test_a_prior_from_others_errs_less_than_a_few_own_measurements(between, noise):
    draw = np.random.default_rng(7)
    own, shrunk = [], []
    for _ in range(5_000):
        truths = draw.normal(0.1, between, 11) if between else np.full(11, 0.1)
        told = truths[:-1] + draw.normal(0.0, noise, 10)
        mean, variance = predictive(list(told))
        error = 0.1
        measured = truths[-1] + draw.normal(0.0, error)
        weight = (1.0 / variance) / (1.0 / variance + 1.0 / error**2)
        own.append((measured - truths[-1]) ** 2)
        shrunk.append((measured + weight * (mean - measured) - truths[-1]) ** 2)
    assert np.mean(shrunk) < 1.02 * np.mean(own)
    if between <= 0.02:
        assert np.mean(shrunk) < 0.4 * np.mean(own)


def test_too_few_units_say_nothing():
    assert predictive([0.5] * (LEAST_UNITS - 1)) is None
    assert predictive([0.5] * LEAST_UNITS) == (0.5, 0.0)
