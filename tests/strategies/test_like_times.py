"""The model in use beside others that are known from longer ago: half way to the usual, and as much less sure."""

from math import exp, log

import pytest

from decision_stream.model.policy import ParetoPolicy
from decision_stream.model.state import Alarm, HotState
from decision_stream.stats import like_load
from decision_stream.stats.moments import Moments
from decision_stream.strategies.estimates import impact_of_switch, scored
from decision_stream.strategies.like_times import CHANCE, like_times
from decision_stream.strategies.limits import LATENCY, QUALITY
from tests.factories import estimate

RULES = ParetoPolicy()
HOUR = estimate("premium", quality=0.76, samples=100_000)


def hot(*, quality: float = 0.76, p95_ms: float = HOUR.latency_p95_ms, firing: int = 0) -> HotState:
    """A route on which this is usual."""
    loads = b""
    for _ in range(like_load.KNOWN):
        loads = like_load.learned(loads, log(p95_ms), 100.0)
    return HotState(
        alarms={
            QUALITY: Alarm(baseline=Moments(30, 1.0 - quality, 0.001), firing_windows=firing),
            LATENCY: Alarm(baseline=Moments(30, log(p95_ms), 0.001), firing_windows=firing, loads=loads),
        }
    )


@pytest.mark.parametrize("known", [HotState(), hot(), hot(quality=0.80, p95_ms=900.0, firing=3)])
def test_what_is_usual_or_not_known_or_has_its_alarm_is_taken_as_it_is(known):
    found = like_times(HOUR, known, RULES)
    assert found.current == scored(HOUR, RULES)
    assert found.quality == found.latency == 0.0


def test_a_strict_hour_is_met_half_way():
    found = like_times(HOUR, hot(quality=0.80), RULES)
    apart = log(0.80 / 0.76)
    assert found.quality == pytest.approx(apart / 2.0, abs=0.002)
    assert found.current.estimate.quality == pytest.approx(0.76 * exp(apart / 2.0), abs=0.002)
    assert found.latency == 0.0 and found.current.estimate.latency_p95_ms == pytest.approx(HOUR.latency_p95_ms)


def test_both_ends_of_the_distance_stay_believable():
    """The rival is as good as what is usual: the hour alone would promise a gain that no day brings."""
    rival = estimate("rival", quality=0.80, samples=100_000)
    alone = impact_of_switch(HOUR, rival).quality.interval
    found = like_times(HOUR, hot(quality=0.80), RULES)
    told = impact_of_switch(found.current.estimate, rival, found.quality, found.latency).quality.interval
    assert alone.low > 0.0
    assert told.low < 0.0 < told.high and told.high > 0.80 / 0.76 - 1.0


def test_a_busy_hour_does_not_make_the_others_fast():
    busy = hot(p95_ms=HOUR.latency_p95_ms * 0.8)
    found = like_times(HOUR, busy, RULES)
    told = impact_of_switch(found.current.estimate, estimate("rival"), found.quality, found.latency).latency.interval
    assert told.low < 0.0 < 0.25 < told.high
    assert found.current.error > scored(HOUR, RULES).error


def test_what_chance_explains_is_no_distance():
    few = estimate("premium", quality=0.76, samples=200)
    spread = few.quality_stddev / 200**0.5 / few.quality
    usual = 0.76 * exp(0.9 * CHANCE * spread)
    assert like_times(few, hot(quality=usual), RULES).quality == 0.0
