"""The alarm keeps its promise without calibration, and needs no knowledge of how bad it gets."""

from random import Random

import pytest
from scipy.stats import binomtest

from decision_stream.stats import shiryaev_roberts as alarm


def events_to_alarm(seed: int, promise: float, rates: tuple[float, float], change: int, assumed: float) -> int:
    draw, statistics, events = Random(seed), (), 0
    while alarm.level(statistics) < promise:
        failed = draw.random() < (rates[0] if events < change else rates[1])
        statistics = alarm.updated(statistics, failed, assumed)
        events += 1
    return events


def test_false_alarms_are_no_more_frequent_than_promised():
    lengths = [events_to_alarm(seed, 500.0, (0.05, 0.05), 0, 0.05) for seed in range(400)]
    assert sum(lengths) / 400 >= 500.0


@pytest.mark.parametrize(("bad", "within"), [(0.10, 135), (0.20, 35), (0.60, 12)])
def test_damage_of_any_size_is_found_soon(bad, within):
    delays = sorted(events_to_alarm(seed, 1_000.0, (0.05, bad), 0, 0.05) for seed in range(200))
    assert delays[100] <= within, delays[100]


def test_windows_of_one_event_are_events():
    by_event = by_window = ()
    for failed in (False, True, False, False, True):
        by_event = alarm.updated(by_event, failed, 0.05)
        by_window = alarm.counted(by_window, int(failed), 1, 0.05)
    assert by_window == pytest.approx(by_event)
    assert alarm.counted(by_event, 0, 0, 0.05) == by_event


def test_windows_keep_the_promise_too():
    lengths = []
    for seed in range(200):
        draw, statistics, windows = Random(seed), (), 0
        while alarm.level(statistics) < 100.0:
            failures = sum(draw.random() < 0.05 for _ in range(20))
            statistics = alarm.counted(statistics, failures, 20, 0.05)
            windows += 1
        lengths.append(windows)
    assert sum(lengths) / 200 >= 100.0


def test_a_statistic_stays_finite():
    statistics = ()
    for _ in range(2_000):
        statistics = alarm.updated(statistics, True, 0.01)
    assert alarm.level(statistics) == pytest.approx(alarm.MAX_STATISTIC)
    assert alarm.level(alarm.counted((), 10_000, 10_000, 0.001)) < float("inf")


@pytest.mark.parametrize("rate", [0.5, 0.97, 0.999])
def test_a_rate_near_one_still_has_something_worse(rate):
    assert all(up > 1.0 > down >= 0.0 for up, down in alarm.ratios(rate))


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_a_rate_of_none_or_all_is_refused(rate):
    with pytest.raises(ValueError, match="inside"):
        alarm.updated((), True, rate)


def test_the_upper_rate_is_that_of_clopper_and_pearson():
    interval = binomtest(7, 150).proportion_ci(0.8, "exact")
    assert alarm.upper_rate(7, 150) == pytest.approx(interval.high)
    assert alarm.upper_rate(3, 3) == 1.0
