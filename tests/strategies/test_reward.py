"""What a request is worth, and when its worth is unknown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.model.metrics import ArmSample
from decision_stream.model.policy import ReinforcementPolicy, Weights
from decision_stream.stats.moments import Moments
from decision_stream.strategies.reward import expected_reward, parts_of, reward_of
from tests.factories import arm, estimate

RULES = ReinforcementPolicy()


def test_a_request_is_worth_its_quality_and_what_it_leaves():
    reward, weight = reward_of(arm(30, quality=0.9, cost_usd=0.01), RULES)
    assert reward == pytest.approx(0.6 * 0.9 + 0.3 * (1 - 0.01 / 0.05) + 0.1 * (1 - 1_000 / 5_000))
    assert weight == 0.75


def test_without_a_score_the_reward_is_unknown_and_not_zero():
    assert reward_of(ArmSample(requests=50, cost_usd=Moments(50, 0.01, 0.0)), RULES) is None
    cheapest = ReinforcementPolicy(weights=Weights(quality=0.0, cost=1.0, latency=0.0))
    assert reward_of(ArmSample(requests=50, cost_usd=Moments(50, 0.01, 0.0)), cheapest) is not None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1e6), st.integers(1, 10**6))
def test_a_reward_stays_within_its_bounds(quality, cost_usd, count):
    sample = ArmSample(
        requests=count,
        quality=Moments(count, quality, 0.0),
        cost_usd=Moments(count, cost_usd, 0.0),
        latency_ms=Moments(count, 1e9, 0.0),
    )
    reward, weight = reward_of(sample, RULES)
    assert 0.0 <= reward <= 1.0
    assert 0.0 < weight < 1.0


def test_parts_of_a_report_add_up_to_the_difference_of_its_rewards():
    control, treatment = arm(100, quality=0.8, cost_usd=0.02), arm(50, quality=0.85, cost_usd=0.01)
    parts = parts_of(control, treatment, ArmSample(), ArmSample(), RULES)
    gain = sum(part.weight * (part.treatment.mean - part.control.mean) for part in parts)
    assert gain == pytest.approx(reward_of(treatment, RULES)[0] - reward_of(control, RULES)[0])


def test_the_catalogue_promises_on_the_same_scale():
    told = estimate("m", quality=0.8, cost_usd=0.02)
    assert expected_reward(told, RULES) == pytest.approx(reward_of(arm(10, quality=0.8, cost_usd=0.02), RULES)[0])
