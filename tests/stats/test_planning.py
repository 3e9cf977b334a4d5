"""Plans keep their word: the power that is promised is the power that simulation finds."""

from math import sqrt
from random import Random

import pytest

from decision_stream.stats import planning, reflection


@pytest.mark.parametrize("drift", [0.0, 1.5, 3.0])
def test_the_chance_of_crossing_is_that_of_a_random_walk(drift):
    """4,000 steps are a little less than continuous watching, so the simulation may lie below by about .01."""
    steps, runs, crossed = 4_000, 400, 0
    for seed in range(runs):
        draw, place = Random(f"{drift} {seed}"), 0.0
        for _ in range(steps):
            place += drift / steps + draw.gauss(0.0, 1.0) / sqrt(steps)
            if place >= 1.2:
                crossed += 1
                break
    assert crossed / runs == pytest.approx(planning.crossing(drift, 1.2), abs=0.07)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("sides", [1, 2])
def test_needed_pairs_give_the_power_asked_for(power, sides):
    pairs = planning.pairs_needed(0.02, 0.2, power=power, sides=sides)
    assert planning.power(0.02, 0.2, pairs, sides=sides) == pytest.approx(power, abs=1e-9)
    assert planning.detectable(pairs, 0.2, power=power, sides=sides) == pytest.approx(0.02)


def test_power_without_an_effect_is_the_chance_of_a_false_alarm_on_one_side():
    assert planning.power(0.0, 0.2, 1_000.0) == pytest.approx(0.025)
    assert planning.crossing(0.0, reflection.bound(0.05, sides=1)) == pytest.approx(0.05)


def test_uneven_shares_take_longer():
    even = planning.time_to_decision(1_000, 500, (0.5, 0.5))
    uneven = planning.time_to_decision(1_000, 500, (0.9, 0.1), longest_hours=10.0)
    assert uneven.hours == pytest.approx(even.hours / (4 * 0.9 * 0.1))
    assert (even.fits, uneven.fits) == (True, False)
    assert planning.time_to_decision(1_000, 0, (0.5, 0.5)).hours == float("inf")


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="effect"):
        planning.pairs_needed(0.0, 0.2)
    with pytest.raises(ValueError, match="positive"):
        planning.power(0.1, 0.0, 100.0)
    with pytest.raises(ValueError, match="shares"):
        planning.time_to_decision(100, 10, (0.9, 0.2))
    with pytest.raises(ValueError, match="positive"):
        planning.crossing(1.0, 0.0)
