"""What is usual at a load: by class, by proportion beyond the known, frozen when full, bounded in size."""

from math import log

import pytest

from decision_stream.stats.like_load import FULL, KNOWN, MAX_CLASSES, learned, usual_at


def taught(*lessons: tuple[float, float, int]) -> bytes:
    """What is known after values at loads, so many times each."""
    known = b""
    for value, load, times in lessons:
        for _ in range(times):
            known = learned(known, value, load)
    return known


def test_nothing_is_usual_before_a_class_is_known():
    assert usual_at(b"", 100.0) is None
    assert usual_at(taught((7.0, 100.0, KNOWN - 1)), 100.0) is None


def test_each_load_is_judged_by_its_own_class():
    known = taught((7.0, 100.0, KNOWN), (8.0, 400.0, KNOWN))
    assert [usual_at(known, load).moments.mean for load in (100.0, 400.0)] == [7.0, 8.0]
    assert usual_at(known, 400.0).explained == pytest.approx(0.0, abs=1e-5)


def test_an_unknown_load_is_judged_by_the_next_known_below_it_or_else_above():
    known = taught((7.0, 100.0, KNOWN), (8.0, 400.0, KNOWN))
    between, beyond, under = (usual_at(known, load) for load in (200.0, 1_600.0, 10.0))
    assert (between.moments.mean, beyond.moments.mean, under.moments.mean) == (7.0, 8.0, 7.0)
    assert between.explained == pytest.approx(2.0 * log(2.0), abs=1e-5)
    assert beyond.explained == pytest.approx(2.0 * log(4.0), abs=1e-5) and under.explained == 0.0


def test_a_full_class_is_frozen():
    full = taught((7.0, 100.0, FULL))
    assert learned(full, 9.0, 100.0) is full


def test_there_are_no_more_classes_than_allowed():
    known = taught(*((7.0, 2.0**octave, 1) for octave in range(40)))
    assert len(known) == 14 * MAX_CLASSES
    assert learned(known, 7.0, 1e30) is known and learned(known, 7.5, 1.0) != known
