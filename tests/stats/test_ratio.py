"""Ratios of sums over units: their errors hold where units hold several dependent events."""

from random import Random

import pytest

from decision_stream.stats import reflection
from decision_stream.stats.adjustment import CoMoments
from decision_stream.stats.moments import Moments
from decision_stream.stats.ratio import difference_of_ratios, linearised


def sessions(draw: Random, count: int, rate: float) -> CoMoments:
    """Requests (x) and successes (y) per session; a session has its own rate, so its events depend on each other."""
    found = CoMoments()
    for _ in range(count):
        events = draw.randint(1, 12)
        own = min(1.0, max(0.0, rate + draw.gauss(0.0, 0.15)))
        found = found.apply(events, sum(draw.random() < own for _ in range(events)))
    return found


def test_the_ratio_is_that_of_the_sums_and_its_error_that_of_simulation():
    arms = [linearised(sessions(Random(seed), 200, 0.6)) for seed in range(300)]
    means = Moments()
    for arm in arms:
        means = means.apply(arm.mean)
    stated = sum(arm.standard_error for arm in arms) / len(arms)
    assert means.mean == pytest.approx(0.6, abs=0.01)
    assert stated == pytest.approx(means.variance**0.5, rel=0.12)


def test_with_one_event_a_unit_it_is_the_mean():
    draw, plain, units = Random(4), Moments(), CoMoments()
    for _ in range(50):
        value = draw.random()
        plain, units = plain.apply(value), units.apply(1.0, value)
    found = linearised(units)
    assert (found.count, found.mean, found.m2) == pytest.approx((plain.count, plain.mean, plain.m2))


def test_equal_arms_are_declared_different_as_rarely_as_promised_at_every_look():
    false = 0
    for seed in range(200):
        draw, control, treatment = Random(f"ratio {seed}"), CoMoments(), CoMoments()
        for _ in range(20):
            control = control.merge(sessions(draw, 20, 0.6))
            treatment = treatment.merge(sessions(draw, 20, 0.6))
            found = difference_of_ratios(control, treatment)
            if found is not None and abs(reflection.score(found, 400.0)) > reflection.bound(0.05):
                false += 1
                break
    assert false / 200 <= 0.05 + 0.03


def test_little_data_says_nothing_and_a_denominator_of_zero_is_refused():
    assert difference_of_ratios(sessions(Random(1), 10, 0.6), sessions(Random(2), 10, 0.6)) is None
    assert linearised(CoMoments()) == Moments()
    with pytest.raises(ValueError, match="denominator"):
        linearised(CoMoments(3, 0.0, 1.0))
