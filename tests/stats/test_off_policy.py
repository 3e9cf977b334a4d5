"""Off-policy estimates: equal to the Open Bandit Pipeline's, honest intervals, a bound that may be looked at always."""

import json
from pathlib import Path

import numpy as np
import pytest

from decision_stream.stats import off_policy

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "off_policy.json").read_text())
MEANS = np.array([0.3, 0.5, 0.7])
LOGGING = np.array([0.6, 0.3, 0.1])
TARGET = np.array([0.1, 0.2, 0.7])
TRUTH = float(MEANS @ TARGET)


def log_of(seed: int, count: int):
    draw = np.random.default_rng(seed)
    actions = draw.choice(3, size=count, p=LOGGING)
    rewards = (draw.random(count) < MEANS[actions]).astype(float)
    return rewards, LOGGING[actions], TARGET[actions], actions


def taken() -> tuple:
    actions = np.array(FIXTURE["actions"])
    policy = np.array(FIXTURE["policy"])
    return FIXTURE["rewards"], FIXTURE["propensities"], policy[np.arange(len(actions)), actions]


def test_estimates_equal_those_of_the_open_bandit_pipeline():
    assert off_policy.ips(*taken()).value == pytest.approx(FIXTURE["ips"], rel=1e-9)
    assert off_policy.snips(*taken()).value == pytest.approx(FIXTURE["snips"], rel=1e-9)
    robust = off_policy.doubly_robust(
        *(FIXTURE[name] for name in ("rewards", "propensities", "actions", "policy", "predicted"))
    )
    assert robust.value == pytest.approx(FIXTURE["doubly_robust"], rel=1e-9)


@pytest.mark.parametrize("method", ["ips", "snips", "doubly_robust"])
def test_intervals_cover_the_truth_as_often_as_they_say(method):
    covered = 0
    for seed in range(300):
        rewards, propensities, probabilities, actions = log_of(seed, 1_000)
        if method == "doubly_robust":
            q = off_policy.cross_fitted_means(rewards, actions, 3)
            policy = np.tile(TARGET, (1_000, 1))
            found = off_policy.doubly_robust(rewards, propensities, actions, policy, q)
        else:
            found = getattr(off_policy, method)(rewards, propensities, probabilities)
        covered += found.low <= TRUTH <= found.high
    assert 0.91 <= covered / 300 <= 0.99, covered / 300


def test_the_lower_bound_holds_at_every_look():
    broken = 0
    for seed in range(200):
        rewards, propensities, probabilities, _ = log_of(seed, 1_500)
        broken += off_policy.lower_bound(rewards, propensities, probabilities, alpha=0.05) > TRUTH
    assert broken / 200 <= 0.05 + 0.03, broken / 200


def test_the_lower_bound_comes_near_the_truth():
    assert off_policy.lower_bound(*log_of(1, 20_000)[:3]) > TRUTH - 0.08


def test_a_logged_policy_judged_by_itself_is_its_mean_reward():
    rewards, propensities, _, _ = log_of(3, 500)
    same = off_policy.weighted_sums(rewards, propensities, propensities)
    assert same.ips().value == same.snips().value == pytest.approx(rewards.mean())
    assert same.effective_size == pytest.approx(500) and same.mean_weight == 1.0


def test_snips_stays_inside_the_rewards_where_ips_does_not():
    log = ([1.0, 1.0, 0.9], [0.05, 0.9, 0.9], [1.0, 1.0, 1.0])
    assert off_policy.ips(*log).value > 1.0
    assert 0.9 <= off_policy.snips(*log).value <= 1.0


def test_a_stream_says_the_same_as_the_whole_log_and_parts_add_up():
    rewards, propensities, probabilities, _ = log_of(4, 200)
    sums = [off_policy.WeightedSums(), off_policy.WeightedSums()]
    for row, (reward, propensity, probability) in enumerate(zip(rewards, propensities, probabilities, strict=True)):
        sums[row % 2] = sums[row % 2].apply(probability, reward=reward, propensity=propensity)
    whole = off_policy.weighted_sums(rewards, propensities, probabilities)
    assert sums[0].merge(sums[1]).snips().high == pytest.approx(whole.snips().high)


@pytest.mark.parametrize(
    ("rewards", "propensities", "probabilities"),
    [
        ([1.0, 1.0], [0.0, 0.5], [1.0, 1.0]),
        ([1.0, float("nan")], [0.5, 0.5], [1.0, 1.0]),
        ([1.0, 1.0], [0.5, 0.5], [1.0, 1.5]),
        ([1.0], [0.5], [1.0]),
        ([1.0, 1.0], [0.5, 0.5], [0.0, 0.0]),
    ],
    ids=["no propensity", "no reward", "no probability", "too few", "no overlap"],
)
def test_logs_that_say_nothing_are_refused(rewards, propensities, probabilities):
    with pytest.raises(ValueError, match=r"propensities|at least 2|takes none"):
        off_policy.snips(rewards, propensities, probabilities)


def test_a_policy_that_is_no_distribution_is_refused():
    with pytest.raises(ValueError, match="sum to 1"):
        off_policy.doubly_robust([1.0, 0.0], [0.5, 0.5], [0, 1], [[0.5, 0.2]] * 2, [[0.5, 0.5]] * 2)
