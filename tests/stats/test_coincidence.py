"""Coincidences: the promised rate of false alarms holds in simulation, and more sources need more of them."""

import numpy as np
import pytest

from decision_stream.stats.coincidence import false_alarms_per_day, least_needed

WINDOW_DAYS = 1.0 / 48.0


def spoken(onsets: np.ndarray, sources: np.ndarray, needed: int) -> int:
    """How often the rule speaks: onsets at which `needed` different sources have had one within the window."""
    begins = np.searchsorted(onsets, onsets - WINDOW_DAYS, side="right")
    return sum(
        len(set(sources[begin : place + 1])) >= needed
        for place, begin in enumerate(begins)
        if place + 1 - begin >= needed
    )


@pytest.mark.parametrize(("count", "needed"), [(5, 3), (20, 4), (100, 7)])
def test_the_bound_on_false_alarms_holds_and_is_not_loose(count, needed):
    draw = np.random.default_rng(count)
    days = 20_000_000 // (count * 400)
    onsets = np.sort(draw.uniform(0.0, days, draw.poisson(count * days)))
    seen = spoken(onsets, draw.integers(count, size=len(onsets)), needed) / days
    promised = false_alarms_per_day(count, needed, 1.0, WINDOW_DAYS)
    assert seen <= promised + 4.0 * np.sqrt(promised / days), "seed is the number of sources"
    assert seen >= 0.7 * promised


def test_few_sources_never_do():
    assert least_needed(0, 1.0, WINDOW_DAYS, 365.0) is None
    assert least_needed(1, 1.0, WINDOW_DAYS, 365.0) is None
    assert least_needed(3, 10.0, WINDOW_DAYS, 1e6) is None


def test_the_least_needed_keeps_the_promise_and_one_less_does_not():
    for count in (3, 10, 57, 500):
        needed = least_needed(count, 1.0, WINDOW_DAYS, 365.0)
        assert false_alarms_per_day(count, needed, 1.0, WINDOW_DAYS) <= 1.0 / 365.0
        assert needed == 2 or false_alarms_per_day(count, needed - 1, 1.0, WINDOW_DAYS) > 1.0 / 365.0


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="1 of 5 sources"):
        false_alarms_per_day(5, 1, 1.0, WINDOW_DAYS)
