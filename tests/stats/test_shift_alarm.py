"""The shift alarm keeps its promise with an estimated baseline, and finds real shifts."""

from functools import reduce
from random import Random

import pytest

from decision_stream.stats.moments import Moments
from decision_stream.stats.shift_alarm import normal_score, updated
from decision_stream.stats.shiryaev_roberts import level


def first_alarm(draw: Random, promise: float, shift: float, windows: int, baseline: int = 30) -> int | None:
    learnt = reduce(Moments.apply, (draw.gauss(0.0, 1.0) for _ in range(baseline)), Moments())
    statistics: tuple[float, ...] = ()
    for window in range(windows):
        statistics = updated(statistics, normal_score(draw.gauss(shift, 1.0), learnt))
        if level(statistics) >= promise:
            return window
    return None


def test_false_alarms_are_no_more_frequent_than_promised():
    """A promise of 1,000 windows, watched for 500: at most 1 - exp(-1/2) = 39 % of clean routes may alarm."""
    clean = [first_alarm(Random(seed), 1_000.0, 0.0, 500) for seed in range(200)]
    share = sum(alarm is not None for alarm in clean) / len(clean)
    assert share <= 0.39 + 0.07, f"{share:.2f} of the clean routes alarmed"


@pytest.mark.parametrize(("shift", "within"), [(3.0, 12), (6.0, 4)])
def test_a_shift_is_found_within_a_few_windows(shift, within):
    delays = sorted(first_alarm(Random(seed), 100_000.0, shift, 200) or 200 for seed in range(50))
    assert delays[25] <= within, f"median {delays[25]}"


def test_the_score_allows_for_a_short_baseline():
    short, long = Moments(4, 0.0, 3.0), Moments(1_000, 0.0, 999.0)
    assert 0.0 < normal_score(3.0, short) < normal_score(3.0, long) < 3.01


def test_a_baseline_that_predicts_nothing_is_refused():
    with pytest.raises(ValueError, match="at least 3"):
        normal_score(1.0, Moments(2, 0.0, 1.0))
    with pytest.raises(ValueError, match="spread"):
        normal_score(1.0, Moments(5, 0.0, 0.0))
