"""Page-Hinkley: detections of river, and the direction of a change."""

import json
from pathlib import Path

import pytest

from decision_stream.stats.page_hinkley import PageHinkley

from .test_adwin import stream

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "drift.json").read_text())


@pytest.mark.parametrize("row", FIXTURE["page_hinkley"], ids=lambda row: str(row["seed"]))
def test_detections_are_those_of_river(row):
    state, found = PageHinkley(), []
    for place, value in enumerate(stream(row["seed"])):
        state = state.apply(value)
        if state.has_changed(threshold=10.0):
            found.append(place)
            state = PageHinkley()
    assert found == row["found"]


@pytest.mark.parametrize(("after", "direction"), [(0.9, 1), (0.1, -1)])
def test_a_change_is_found_with_its_direction(after, direction):
    state = PageHinkley()
    for place in range(200):
        state = state.apply(0.5 if place < 100 else after)
    assert state.has_changed(threshold=5.0) and state.direction == direction


def test_a_value_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        PageHinkley().apply(float("nan"))
