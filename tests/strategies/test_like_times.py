"""The model in use beside others that are known from longer ago: half way to the usual, and as much less sure."""

from math import exp, log

import pytest
from msgspec.structs import replace

from decision_stream.model.policy import ParetoPolicy
from decision_stream.model.state import Alarm, Company, HotState, Live
from decision_stream.stats import like_load
from decision_stream.stats.moments import Moments
from decision_stream.strategies.estimates import impact_of_switch, scored
from decision_stream.strategies.like_times import CHANCE, UNSURE, like_times
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


@pytest.mark.parametrize(
    ("known", "error"), [(HotState(), 0.0), (hot(), 0.0), (hot(quality=0.80, p95_ms=900.0, firing=3), 0.0128)]
)
def test_what_is_usual_or_not_known_or_has_its_alarm_is_taken_as_it_is(known, error):
    found = like_times(HOUR, known, RULES)
    assert found.current == scored(HOUR, RULES)
    assert found.quality == pytest.approx(error, abs=1e-4) and found.latency == 0.0


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


def fell(windows: int, weight: float = 10.0, firing: int = 3) -> HotState:
    """A route of 0.80 whose quality lies at 0.70 since so many windows, of which its alarm fires in the last."""
    return replace(
        hot(quality=0.80, firing=firing),
        live=Live(weight=weight, quality=HOUR.quality, quality_stddev=0.2, quality_samples=HOUR.samples),
        company=Company(others=2, windows=windows, lost=0.10 * windows),
    )


def test_after_an_alarm_the_loss_is_counted_from_its_onset():
    """The hour's mean is still half of what was before, and would promise half of what leaving the model gains."""
    found = like_times(HOUR, fell(4), RULES).current.estimate
    assert found.quality == pytest.approx(0.70)
    assert found.quality_stddev == pytest.approx(0.2 * 2.5**0.5)
    assert (found.cost_usd, found.samples) == (HOUR.cost_usd, HOUR.samples)
    assert like_times(HOUR, fell(4), RULES).quality == pytest.approx(UNSURE * log(0.80 / 0.70))


@pytest.mark.parametrize("known", [fell(4, firing=0), fell(0), fell(12), replace(fell(4), company=None)])
def test_without_an_onset_within_the_hour_the_hour_is_taken_as_it_is(known):
    found = like_times(HOUR, known, RULES).current.estimate
    assert found.quality >= HOUR.quality and found.quality_stddev == HOUR.quality_stddev
