"""What a request is worth: quality, and what it leaves of the largest cost and latency, on fixed ranges (seed §4.2).

The ranges are the policy's and linear, so that the mean reward of many requests follows from the sums that arms
report, and so that a new model cannot change what another is worth. Errors and slow requests are the guards' business.
"""

from __future__ import annotations

from ..model.metrics import ArmSample, ModelEstimate
from ..model.policy import ReinforcementPolicy
from ..stats.empirical_bernstein import Part
from ..stats.moments import Moments

_RELIABLE = 10.0
"""Scored requests from which a report's mean is worth half a report: below, their own spread is most of it."""


def reward_of(sample: ArmSample, rules: ReinforcementPolicy) -> tuple[float, float] | None:
    """Mean reward of an arm in a report, in [0, 1], and what it counts for, in (0, 1).

    None when no request was scored, or the weighted cost or latency is missing: such a reward is lost, not zero.
    """
    parts = [(weight, scale) for weight, scale in _scaled(sample, rules) if weight > 0.0]
    if not parts or any(not moments.count for _, moments in parts):
        return None
    fewest = min(moments.count for _, moments in parts)
    reward = sum(weight * moments.mean for weight, moments in parts)
    return min(1.0, max(0.0, reward)), fewest / (fewest + _RELIABLE)


def expected_reward(estimate: ModelEstimate, rules: ReinforcementPolicy) -> float:
    """What the catalogue's word of a model promises, in [0, 1]."""
    weights = rules.weights
    return (
        weights.quality * estimate.quality
        + weights.cost * _left(estimate.cost_usd, rules.max_cost_usd)
        + weights.latency * _left(estimate.latency_p50_ms, rules.max_latency_ms)
    )


def parts_of(
    control: ArmSample,
    treatment: ArmSample,
    control_before: ArmSample,
    treatment_before: ArmSample,
    rules: ReinforcementPolicy,
) -> list[Part]:
    """A report of both arms as a block of evidence on the reward."""
    arms = zip(
        _scaled(control, rules),
        _scaled(treatment, rules),
        _scaled(control_before, rules),
        _scaled(treatment_before, rules),
        strict=True,
    )
    return [
        Part(weight=now[0], control=now[1], treatment=then[1], control_before=past[1], treatment_before=gone[1])
        for now, then, past, gone in arms
    ]


def _scaled(sample: ArmSample, rules: ReinforcementPolicy) -> tuple[tuple[float, Moments], ...]:
    """Weight and moments of each objective on its range, 1 being best."""
    return (
        (rules.weights.quality, sample.quality),
        (rules.weights.cost, _saved(sample.cost_usd, rules.max_cost_usd)),
        (rules.weights.latency, _saved(sample.latency_ms, rules.max_latency_ms)),
    )


def _saved(moments: Moments, largest: float) -> Moments:
    if not moments.count:
        return moments
    return Moments(moments.count, _left(moments.mean, largest), moments.m2 / largest**2)


def _left(value: float, largest: float) -> float:
    """Share of the range that a value leaves; none beyond it."""
    return max(0.0, 1.0 - value / largest)
