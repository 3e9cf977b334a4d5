"""Covariates, strata and ratios."""

import random
from functools import reduce
from statistics import mean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stats.adjustment import CoMoments, cuped, stratified
from decision_stream.stats.difference import difference
from decision_stream.stats.moments import Moments

values = st.floats(-1e3, 1e3)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=30), st.integers(0, 30))
def test_merging_parts_is_the_same_as_counting_all(pairs, cut):
    parts = [reduce(lambda c, p: c.apply(*p), part, CoMoments()) for part in (pairs[:cut], pairs[cut:])]
    merged, whole = parts[0].merge(parts[1]), reduce(lambda c, p: c.apply(*p), pairs, CoMoments())
    assert merged.count == whole.count
    assert merged.c_xy == pytest.approx(whole.c_xy, abs=1e-4)
    assert merged.m2_x == pytest.approx(whole.m2_x, abs=1e-4)


def test_a_covariate_removes_its_share_of_the_variance_and_no_effect():
    rng, estimates, plain = random.Random(4601), [], []
    for _ in range(300):
        arms = []
        for effect in (0.0, 0.3):
            units = ((x, 0.8 * x + effect + 0.6 * rng.gauss(0, 1)) for x in (rng.gauss(0, 1) for _ in range(100)))
            arms.append(reduce(lambda c, p: c.apply(*p), units, CoMoments()))
        estimates.append(cuped(*arms).estimate)
        plain.append(arms[1].mean_y - arms[0].mean_y)
    assert mean(estimates) == pytest.approx(0.3, abs=0.02)
    assert pvariance(estimates) / pvariance(plain) == pytest.approx(0.36, abs=0.1)


def test_a_constant_covariate_changes_nothing():
    arms = [reduce(lambda c, y: c.apply(1.0, y), [m, m + 1.0] * 20, CoMoments()) for m in (0.0, 0.5)]
    plain = [reduce(Moments.apply, [m, m + 1.0] * 20, Moments()) for m in (0.0, 0.5)]
    found, expected = cuped(*arms), difference(*plain)
    assert found.estimate == expected.estimate
    assert found.variance == pytest.approx(expected.variance)


def test_strata_undo_a_shifted_mixture():
    # Both arms are equal within each task; control happened to get more of the hard ones.
    easy, hard = (Moments(30, 0.9, 1.0), Moments(70, 0.9, 2.0)), (Moments(70, 0.3, 2.0), Moments(30, 0.3, 1.0))
    assert stratified({"easy": easy, "hard": hard}).estimate == pytest.approx(0.0)
    assert stratified({}) is None
