"""Anomaly scores: quiet on noise and on the rhythm of the week, one alarm for an incident, chances that hold."""

from math import exp, sin
from random import Random

import pytest

from decision_stream.stats.anomaly import Baseline, Episodes, Ranks, Rules, alarms

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def latencies(seed: int, count: int, step_ms: int = 5 * MINUTE_MS, rhythm: float = 0.5):
    """Log-normal values with a daily rhythm."""
    draw = Random(seed)
    times = [place * step_ms for place in range(count)]
    return [exp(draw.gauss(5.0 + rhythm * sin(at / (4 * HOUR_MS)), 0.3)) for at in times], times


@pytest.mark.parametrize(("threshold", "most"), [(1.0, 40), (1.5, 2)])
def test_rhythm_and_noise_raise_as_few_alarms_as_the_threshold_says(threshold, most):
    """After two weeks to learn: at 1 about one value in a thousand, at 1.5 next to none of 40,000."""
    rules, found = Rules(threshold=threshold), 0
    for seed in range(5):
        values, times = latencies(seed, 12_000)
        found += sum(place > 4_032 for place in alarms(values, times, rules))
    assert found <= most, f"{found} alarms in 40,000 values"


@pytest.mark.parametrize("factor", [6.0, 1 / 6.0])
def test_an_incident_of_an_hour_is_one_alarm(factor):
    values, times = latencies(2, 6_000, rhythm=0.0)
    values[5_000:5_012] = [value * factor for value in values[5_000:5_012]]
    found = [place for place in alarms(values, times, Rules(threshold=1.5)) if place >= 2_100]
    assert len(found) == 1 and 5_000 <= found[0] < 5_012, found


def test_units_do_not_matter_on_a_log_scale():
    values, times = latencies(3, 1_000)
    for one, other in zip(_scores(values, times), _scores([value / 1_000 for value in values], times), strict=True):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)


def _scores(values, times) -> list[float]:
    usual, found = Baseline(), []
    for value, at_ms in zip(values, times, strict=True):
        usual, score = usual.apply(value, at_ms, Rules())
        found.append(score)
    return found


def test_a_high_value_at_its_usual_hour_is_usual():
    rules = Rules(scale="linear", smoothing=1.0)
    draw = Random(4)
    usual, scores = Baseline(), {}
    for hour in range(24 * 7 * 12):
        level = 100.0 if hour % 168 == 10 else 10.0
        usual, score = usual.apply(level + draw.gauss(0.0, 1.0), hour * HOUR_MS, rules)
        scores[hour] = score
    assert scores[168 * 11 + 10] < 1.0
    _, odd = usual.apply(100.0, (168 * 12 + 11) * HOUR_MS, rules)
    assert odd > 3.0 * scores[168 * 11 + 10]


def test_the_chance_of_a_score_is_its_rank():
    """Of scores that come from one distribution, at most a share p (and what a bin adds) has a chance of p or less."""
    draw, ranks, rare = Random(5), Ranks(), 0
    for place in range(20_000):
        score = abs(draw.gauss(0.0, 1.0)) ** 3
        rare += place >= 10_000 and ranks.chance(score) <= 0.01
        ranks = ranks.apply(score)
    assert 0.002 <= rare / 10_000 <= 0.0125
    assert Ranks().chance(1_000.0) == 1.0


def test_an_alarm_is_followed_by_silence_and_then_by_the_next():
    rules = Rules(refractory_ms=1_000)
    episodes, first = Episodes().notice(5.0, 0, rules)
    episodes, second = episodes.notice(50.0, 999, rules)
    episodes, third = episodes.notice(5.0, 1_000, rules)
    assert (first, second, third) == (True, False, True)


def test_one_huge_value_does_not_blind_the_baseline():
    values, times = latencies(6, 3_000, rhythm=0.0)
    usual = Baseline()
    for value, at_ms in zip(values, times, strict=True):
        usual, _ = usual.apply(value, at_ms, Rules())
    hit, _ = usual.apply(1e12, times[-1] + 1, Rules())
    assert hit.variance < 4.0 * usual.variance


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_values_without_a_logarithm_are_refused(value):
    with pytest.raises(ValueError, match="no place"):
        Baseline().apply(value, 0, Rules())


def test_the_state_is_below_its_budget():
    values, times = latencies(7, 300)
    usual = Baseline()
    for value, at_ms in zip(values, times, strict=True):
        usual, _ = usual.apply(value, at_ms, Rules())
    assert len(usual.slots) + 5 * 8 == 880
