"""Blocks of constant weights, and the guardrail read from them."""

import random
from functools import reduce

import pytest

from decision_stream.stats.blocks import Blocks
from decision_stream.stats.difference import difference
from decision_stream.stats.moments import Moments


def sample(rng: random.Random, mean: float, count: int) -> Moments:
    return reduce(Moments.apply, (rng.gauss(mean, 1.0) for _ in range(count)), Moments())


def test_one_block_is_the_ordinary_difference():
    rng = random.Random(4701)
    control, treatment = sample(rng, 0.0, 80), sample(rng, 0.2, 60)
    found, plain = Blocks().apply(control, treatment).difference(), difference(control, treatment)
    assert found.estimate == pytest.approx(plain.estimate)
    assert found.variance == pytest.approx(plain.variance)
    assert found.pairs == pytest.approx(plain.pairs)


def test_the_time_of_day_is_not_taken_for_an_effect():
    rng, blocks = random.Random(4702), Blocks()
    for base, weight in ((0.0, 5), (1.0, 20), (2.0, 50)):
        blocks = blocks.apply(sample(rng, base, 10 * (100 - weight)), sample(rng, base, 10 * weight)).closed()
    found = blocks.difference()
    assert abs(found.estimate) < 4 * found.standard_error < 0.3


def test_a_block_without_one_arm_says_nothing():
    assert Blocks().apply(Moments(100, 1.0, 90.0), Moments()).closed() == Blocks()
