"""Hypervolume: equal to counting cells, and what each row adds to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.stats.hypervolume import contributions, hypervolume

ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 6).map(float)] * width), min_size=1, max_size=25)
)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_the_volume_is_that_of_counted_cells(rows):
    reference = (5.0,) * len(rows[0])
    cells = {()}
    for _ in reference:
        cells = {(*cell, place) for cell in cells for place in range(5)}
    covered = sum(any(all(v <= place for v, place in zip(row, cell, strict=True)) for row in rows) for cell in cells)
    assert hypervolume(rows, reference, ("min",) * len(reference)) == pytest.approx(covered)


def test_what_a_row_adds_is_what_the_volume_loses_without_it():
    rows = [(1.0, 4.0, 2.0), (2.0, 2.0, 2.0), (4.0, 1.0, 1.0), (4.0, 4.0, 4.0), (2.0, 2.0, 2.0)]
    found = contributions(rows, (5.0, 5.0, 5.0), ("min",) * 3)
    assert found[3] == 0.0 and found[1] == found[4] == 0.0 and found[0] > 0.0 and found[2] > 0.0


@pytest.mark.parametrize("rows", [[(float("nan"), 1.0)], [(1.0,)], [(1.0, 2.0, 3.0)]])
def test_rows_without_a_volume_are_refused(rows):
    with pytest.raises(ValueError):
        hypervolume(rows, (0.0, 0.0), ("min", "max"))


def test_what_does_not_reach_the_reference_adds_nothing():
    assert hypervolume([(6.0, 0.0)], (5.0, 5.0), ("min", "min")) == 0.0 == hypervolume([], (5.0,), ("min",))
