"""The planned-horizon bound: valid at every look, and as powerful as its planning says."""

import random

import pytest

from decision_stream.stats import reflection
from decision_stream.stats.difference import Difference, difference, share
from decision_stream.stats.planning import pairs_needed


def declared(rng: random.Random, rates: tuple[float, float], planned: int, alpha: float = 0.05) -> bool:
    """Whether the test declares a difference when looked at after every pair."""
    bound, hits = reflection.bound(alpha), [0, 0]
    for n in range(1, planned + 1):
        hits[0] += rng.random() < rates[0]
        hits[1] += rng.random() < rates[1]
        found = difference(share(hits[0], n), share(hits[1], n)) if n >= 30 else None
        if found is not None and abs(reflection.score(found, planned)) >= bound:
            return True
    return False


def test_without_an_effect_a_look_at_every_event_declares_one_in_at_most_five_percent():
    rng = random.Random(4001)
    assert sum(declared(rng, (0.3, 0.3), 400) for _ in range(400)) <= 0.08 * 400


def test_planned_power_is_reached_with_a_look_at_every_event():
    rng = random.Random(4002)
    planned = round(pairs_needed(0.15, 0.3 * 0.7 + 0.45 * 0.55))
    assert sum(declared(rng, (0.3, 0.45), planned) for _ in range(300)) / 300 == pytest.approx(0.8, abs=0.07)


def test_interval_excludes_zero_exactly_when_the_bound_is_passed():
    for estimate in (0.05, 0.07, 0.09, 0.11, -0.11):
        found = Difference(estimate, 0.001, 100.0)
        interval = reflection.interval(found, 150.0, 0.05)
        passed = abs(reflection.score(found, 150.0)) > reflection.bound(0.05)
        assert passed == (interval.low > 0.0 or interval.high < 0.0)


@pytest.mark.parametrize("bad", [0.0, 1.0, float("nan"), -0.1])
def test_impossible_alpha_is_refused(bad):
    with pytest.raises(ValueError, match="alpha"):
        reflection.bound(bad)
