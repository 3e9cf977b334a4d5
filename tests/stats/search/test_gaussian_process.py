"""Gaussian process: predictions are those of the textbook, and contexts share a part."""

import numpy as np
import pytest

from decision_stream.stats.search.gaussian_process import Inputs, Kernel, condition, matern52


def test_a_prediction_is_that_of_the_textbook_formula():
    """Rasmussen & Williams (2006), eqs. 2.23 and 2.24, with an explicit inverse."""
    draw = np.random.default_rng(3)
    kernel = Kernel((0.4, 0.7), 0.3, 0.0)
    seen, at = draw.random((12, 2)), draw.random((5, 2))
    outcomes, noise = draw.normal(size=12), np.full(12, 0.01)
    zeros = [np.zeros(len(points), np.int64) for points in (seen, at)]
    found = condition(kernel, Inputs(seen, zeros[0]), outcomes, noise).predict(Inputs(at, zeros[1]))
    covariance = 0.09 * matern52(seen, seen, kernel.scales) + np.diag(noise)
    cross = 0.09 * matern52(seen, at, kernel.scales)
    inverse = np.linalg.inv(covariance)
    assert found.mean == pytest.approx(cross.T @ inverse @ outcomes, rel=1e-7)
    assert found.sd**2 == pytest.approx(0.09 - np.diag(cross.T @ inverse @ cross), rel=1e-7)
    gain, gain_sd = found.gain_over(2)
    joint = 0.09 * matern52(at, at, kernel.scales) - cross.T @ inverse @ cross
    expected = np.diag(joint) + joint[2, 2] - 2.0 * joint[:, 2]
    assert gain == pytest.approx(found.mean - found.mean[2])
    assert gain_sd**2 == pytest.approx(np.maximum(expected, 0.0), abs=1e-8)


def test_an_outcome_says_less_about_another_context():
    kernel = Kernel((0.5,), 0.3, 0.5, context_correlation=0.3)
    seen = Inputs(np.array([[0.5]]), np.array([0]))
    at = Inputs(np.array([[0.5], [0.5]]), np.array([0, 1]))
    found = condition(kernel, seen, np.array([1.0]), np.array([0.01])).predict(at)
    assert found.mean[0] > found.mean[1] > 0.0 and found.sd[0] < found.sd[1]
