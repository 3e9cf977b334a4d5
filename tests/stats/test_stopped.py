"""Estimates at the stop."""

import random
from statistics import mean

import pytest

from decision_stream.stats import reflection
from decision_stream.stats.difference import Difference
from decision_stream.stats.stopped import interval, median_unbiased, shrunken

PLAN = 400


def stop(rng: random.Random, effect: float) -> Difference:
    """A test of unit-variance pairs, looked at after each, at its stop."""
    total, bound = 0.0, reflection.bound(0.05)
    for n in range(1, PLAN + 1):
        total += rng.gauss(effect, 2**0.5)
        found = Difference(total / n, 2.0 / n, float(n))
        if n >= 5 and abs(reflection.score(found, PLAN)) >= bound:
            break
    return found


@pytest.mark.parametrize("effect", [0.1, 0.2, 0.3])
def test_the_estimate_at_a_stop_lies_above_the_truth_half_the_time(effect):
    rng = random.Random(4501)
    stops = [stop(rng, effect) for _ in range(500)]
    above = mean(median_unbiased(found, PLAN) > effect for found in stops)
    raw = mean(found.estimate > effect for found in stops)
    assert above == pytest.approx(0.5, abs=0.07)
    assert raw > above


def test_the_interval_covers_the_effect_at_the_stop():
    rng, hits = random.Random(4502), 0
    for _ in range(400):
        found = interval(stop(rng, 0.2), PLAN)
        hits += found.low <= 0.2 <= found.high
    assert hits / 400 == pytest.approx(0.95, abs=0.03)


def test_beliefs_are_calibrated_when_effects_are_spread_as_assumed_whatever_the_stop():
    rng, claims = random.Random(4503), []
    for _ in range(1500):
        effect = rng.gauss(0.0, 0.15)
        claims.append((shrunken(stop(rng, effect), 0.15).above(), effect > 0.0))
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 0.99), (0.99, 1.01)):
        chosen = [(claim, truth) for claim, truth in claims if low <= claim < high]
        assert mean(claim for claim, _ in chosen) == pytest.approx(mean(truth for _, truth in chosen), abs=0.06)


def test_mirrored_evidence_gives_the_mirrored_estimate():
    up, down = (median_unbiased(Difference(sign * 0.05, 0.0004, 700.0), 1000.0) for sign in (1, -1))
    assert up == pytest.approx(-down)


def test_a_prior_without_spread_is_refused():
    with pytest.raises(ValueError, match="prior"):
        shrunken(Difference(0.1, 0.01, 10.0), 0.0)


def test_expected_loss_falls_with_evidence():
    weak, strong = (shrunken(Difference(0.1, variance, 100.0), 1.0).loss() for variance in (0.01, 0.001))
    assert 0.0 <= strong < weak
