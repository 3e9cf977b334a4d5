"""The space: its bounds cannot be left, and values survive the way to the unit cube and back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stats.search.space import Dimension, Space

BOX = Space(
    (
        Dimension(name="temperature", low=0.0, high=2.0),
        Dimension(name="max_tokens", low=64, high=4096, scale="log", is_integer=True),
    )
)


@given(st.tuples(st.floats(-2.0, 3.0), st.floats(-2.0, 3.0)))
def test_whatever_the_coordinates_the_values_lie_inside_the_bounds(units):
    values = BOX.from_unit(units)
    assert BOX.contains(values) and isinstance(values[1], int)


@given(st.floats(0.0, 2.0), st.integers(64, 4096))
def test_values_survive_the_way_to_the_unit_cube_and_back(temperature, tokens):
    back = BOX.from_unit(BOX.to_unit((temperature, tokens)))
    assert back[0] == pytest.approx(temperature, abs=1e-12) and back[1] == tokens


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "scale": "log"},
        {"low": 0.5, "high": 2.0, "is_integer": True},
        {"low": 0.0, "high": math.inf},
    ],
)
def test_dimensions_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Dimension(name="x", **wrong)
