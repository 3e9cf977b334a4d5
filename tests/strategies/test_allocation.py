"""Shares of an A/B experiment that follow its outcomes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.model.metrics import ArmSample
from decision_stream.model.outcome import CONTROL
from decision_stream.model.policy import EpsilonGreedy, FixedAllocation, ThompsonSampling, UpperConfidenceBound
from decision_stream.stats.moments import Moments
from decision_stream.strategies.allocation import next_shares

ARMS = (CONTROL, "new", "other")
RULES = [ThompsonSampling(), UpperConfidenceBound(exploration_param=0.1), EpsilonGreedy(epsilon=0.3)]


def samples(*scores: tuple[int, float]) -> dict[str, ArmSample]:
    return {arm: ArmSample(quality=Moments(count, mean, 0.0)) for arm, (count, mean) in zip(ARMS, scores, strict=False)}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_the_better_arm_gets_more_and_every_arm_its_floor(rule):
    found = next_shares(rule, samples((400, 0.7), (400, 0.9), (400, 0.6)), ARMS, 0.05)
    assert found[1] > 0.7
    assert min(found) >= 0.05 - 1e-6
    assert sum(found) == pytest.approx(1.0)


def test_fixed_shares_stay_and_nothing_follows_from_an_arm_without_scores():
    assert next_shares(FixedAllocation(), samples((9, 0.7), (9, 0.8), (9, 0.8)), ARMS, 0.1) is None
    assert next_shares(EpsilonGreedy(), samples((9, 0.7), (0, 0.0), (9, 0.8)), ARMS, 0.1) is None


def test_little_is_known_of_a_rare_arm_so_that_upper_bounds_try_it():
    found = next_shares(UpperConfidenceBound(), samples((5_000, 0.8), (20, 0.7), (5_000, 0.79)), ARMS, 0.05)
    assert found[1] > 0.8


def test_equal_arms_get_equal_shares_of_thompson():
    found = next_shares(ThompsonSampling(), samples((50, 0.8), (50, 0.8), (50, 0.8)), ARMS, 0.05)
    assert found == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-5)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.sampled_from(RULES),
    st.lists(st.tuples(st.integers(1, 10_000), st.floats(0.0, 1.0)), min_size=3, max_size=3),
    st.floats(0.01, 0.5),
)
def test_shares_are_a_distribution(rule, scores, floor):
    found = next_shares(rule, samples(*scores), ARMS, floor)
    assert sum(found) == pytest.approx(1.0, abs=1e-9)
    assert min(found) >= min(floor, 1 / 3) - 1e-5
