"""The policy: its defaults hold together and its hash names it."""

import msgspec
import pytest
from msgspec.structs import replace

from decision_stream.model.policy import Policy, RampPolicy, ReferenceRange, Weights
from decision_stream.strategies.registry import STRATEGIES


def test_equal_policies_have_equal_hashes_and_any_knob_changes_it():
    assert Policy().hash == Policy().hash
    assert Policy().hash != replace(Policy(), ramp=RampPolicy(increment=0.2)).hash


def test_a_policy_survives_the_wire():
    assert msgspec.json.decode(msgspec.json.encode(Policy()), type=Policy) == Policy()


def test_weights_must_sum_to_one():
    with pytest.raises(ValueError, match="expected 1"):
        Weights(quality=0.5, cost=0.5, latency=0.5)


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="empty"):
        ReferenceRange(ideal=1.0, nadir=1.0)
    with pytest.raises(ValueError, match="positive"):
        ReferenceRange(ideal=0.0, nadir=1.0, log=True)


def test_the_priorities_are_those_asked_for():
    policy = Policy()
    priorities = {strategy.name: strategy.priority(policy) for strategy in STRATEGIES}
    assert list(priorities.values()) == [200, 100, 90, 80, 70]
    assert list(priorities) == ["threshold_based", "ab_testing", "pareto", "reinforcement", "adaptive_parameters"]
