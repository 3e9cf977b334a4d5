"""Latin hypercube: every axis is covered evenly."""

import numpy as np
import pytest
from scipy.stats import qmc

from decision_stream.stats.search.design import latin_hypercube


def test_a_latin_hypercube_covers_every_axis_as_scipy_s_does():
    draw = np.random.default_rng(1)
    points = latin_hypercube(draw.random((16, 3)), draw.random((16, 3)))
    for ours, theirs in zip(points.T, qmc.LatinHypercube(3, seed=2).random(16).T, strict=True):
        assert sorted((ours * 16).astype(int)) == sorted((theirs * 16).astype(int)) == list(range(16))


def test_a_design_of_other_shapes_or_values_is_refused():
    with pytest.raises(ValueError, match="shape"):
        latin_hypercube(np.zeros((2, 1)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="outside"):
        latin_hypercube(np.ones((2, 1)), np.zeros((2, 1)))
