"""Moments: the same in one pass, in parts, and in numpy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.stats.moments import Moments

numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


def of(values) -> Moments:
    moments = Moments()
    for value in values:
        moments = moments.apply(value)
    return moments


@settings(derandomize=True, max_examples=200, deadline=None)
@given(one=numbers, other=numbers)
def test_merging_is_taking_in_both(one, other):
    merged, both = of(one).merge(of(other)), of(one + other)
    assert merged.count == both.count
    assert merged.mean == pytest.approx(both.mean, rel=1e-9, abs=1e-6)
    assert merged.m2 == pytest.approx(both.m2, rel=1e-6, abs=1e-3)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(values=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=40))
def test_they_agree_with_numpy(values):
    assert of(values).variance == pytest.approx(np.var(values, ddof=1), rel=1e-6, abs=1e-6)


def test_too_little_data_reads_as_unknown():
    assert math.isnan(Moments().variance) and math.isnan(of([1.0]).standard_error)
    assert Moments().merge(Moments()) == Moments()


@pytest.mark.parametrize("bad", [(-1, 0.0, 0.0), (1, float("nan"), 0.0), (1, 0.0, -1.0), (1, float("inf"), 0.0)])
def test_what_is_no_moments_is_refused(bad):
    with pytest.raises(ValueError, match="no moments"):
        Moments(*bad)
