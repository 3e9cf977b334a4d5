"""Bandits: exact propensities, learning, forgetting, arms that come and go, budgets, rewards that are late or lost."""

import random

import numpy as np
import pytest

from decision_stream.stats.bandits.beta import BetaArm, BetaState, BetaThompson
from decision_stream.stats.bandits.choice import chances_of_being_best, choose
from decision_stream.stats.bandits.linear import LinearModel, LinearState
from decision_stream.stats.bandits.linear_bandit import LinearBandit
from decision_stream.stats.bandits.pacing import Pacer
from decision_stream.stats.bandits.pending import Pending, Waiting
from decision_stream.stats.bandits.rules import EpsilonGreedy, ThompsonSampling, UpperConfidence

RULES = [ThompsonSampling(), UpperConfidence(), EpsilonGreedy()]
RATES = {"a": 0.8, "b": 0.6, "c": 0.3}


def played(rule, model: LinearModel, seed: int, events: int = 600, rates: dict[str, float] = RATES) -> tuple:
    """Final state and share of draws that went to each arm in the last third."""
    rng, state, taken = random.Random(seed), LinearState(), []
    for _ in range(events):
        choice = rule.select(model.believe(state, [1.0], sorted(rates)), rng.random())
        taken.append(choice.arm)
        state = model.learn(state, choice.arm, [1.0], float(rng.random() < rates[choice.arm])).state
    last = taken[-events // 3 :]
    return state, {name: last.count(name) / len(last) for name in rates}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_the_best_arm_gets_most_of_the_traffic(rule):
    shares = [played(rule, LinearModel(), seed)[1]["a"] for seed in range(6)]
    assert sorted(shares)[2] > 0.75


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_every_arm_keeps_a_known_and_positive_chance(rule):
    model = LinearModel()
    state, _ = played(rule, model, 7)
    choice = rule.select(model.believe(state, [1.0], sorted(RATES)), 0.5)
    assert all(chance > 0.0 for _, chance in choice.propensities)
    assert sum(chance for _, chance in choice.propensities) == pytest.approx(1.0, abs=1e-6)
    assert dict(choice.propensities)[choice.arm] == choice.propensity


def test_chances_of_being_best_agree_with_drawing():
    means, deviations = np.array([0.1, 0.2, 0.15]), np.array([0.01, 0.2, 0.05])
    draws = means + deviations * np.random.default_rng(5001).standard_normal((200_000, 3))
    shares = np.bincount(draws.argmax(axis=1), minlength=3) / len(draws)
    assert chances_of_being_best(means.tolist(), deviations.tolist()) == pytest.approx(shares, abs=0.005)


def test_beta_chances_agree_with_drawing():
    arms = {"a": BetaArm(3, 5), "b": BetaArm(299, 599), "c": BetaArm()}
    rng = np.random.default_rng(5002)
    draws = np.stack([rng.beta(1 + arm.successes, 1 + arm.failures, 200_000) for arm in arms.values()], axis=1)
    shares = np.bincount(draws.argmax(axis=1), minlength=3) / len(draws)
    assert BetaThompson().chances(BetaState(arms), list(arms)) == pytest.approx(shares, abs=0.005)


def test_beta_rewards_fade_at_the_same_rate_whether_or_not_the_arm_is_taken():
    bandit, state = BetaThompson(forgetting=0.9), BetaState()
    for name in ("a", "b", "b", "b"):
        state = bandit.learn(state, name, [], 1.0, 1.0).state
    assert state.arms["a"] == BetaArm(1.0, 0.0, 1)
    assert bandit.believe(state, [], ["a"]).means[0] == pytest.approx((1 + 0.9**3) / (2 + 0.9**3))
    assert bandit.believe(state, [], ["b"]).means[0] == pytest.approx((1 + 2.71) / (2 + 2.71))


def test_without_forgetting_the_state_is_least_squares():
    rng = np.random.default_rng(5004)
    x = rng.standard_normal((50, 3))
    y = x @ [0.3, -0.2, 0.1] + 0.05 * rng.standard_normal(50)
    model, state = LinearModel(dimension=3, forgetting=1.0), LinearState()
    for context, reward in zip(x, y, strict=True):
        state = model.learn(state, "a", context, float(reward)).state
    expected = 1.0 + np.linalg.solve(x.T @ x + np.eye(3), x.T @ (y - 1.0)) @ x[0]
    assert model.believe(state, x[0], ["a"]).means[0] == pytest.approx(expected)


def test_a_reward_of_weight_two_counts_as_two():
    model = LinearModel(forgetting=1.0)
    twice = model.learn(model.learn(LinearState(), "a", [1.0], 0.4).state, "a", [1.0], 0.4).state
    once = model.learn(LinearState(), "a", [1.0], 0.4, weight=2.0).state
    assert once.arms["a"].information == twice.arms["a"].information
    assert once.arms["a"].weight == twice.arms["a"].weight


def test_terms_of_a_prediction_sum_to_it():
    rng, model, state = np.random.default_rng(5005), LinearModel(dimension=3), LinearState()
    for _ in range(50):
        state = model.learn(state, "a", rng.standard_normal(3), float(rng.random())).state
    x = rng.standard_normal(3)
    assert 1.0 + sum(model.terms(state, x, "a")) == pytest.approx(model.believe(state, x, ["a"]).means[0])


def test_an_idle_arm_returns_to_the_prior_and_writes_nothing():
    model, state = LinearModel(forgetting=0.99), LinearState()
    state = model.learn(state, "idle", [1.0], 0.0).state
    before = state.arms["idle"]
    for _ in range(2000):
        state = model.learn(state, "busy", [1.0], 0.5).state
    belief = model.believe(state, [1.0], ["idle", "unknown"])
    assert state.arms["idle"] is before
    assert belief.means[0] == pytest.approx(belief.means[1], abs=1e-6)


def test_dead_inputs_do_not_blow_up_under_forgetting():
    model, state = LinearModel(dimension=4, forgetting=0.99), LinearState()
    for _ in range(3000):
        state = model.learn(state, "a", [1.0, 0.5, 0.0, 0.0], 0.7).state
    belief = model.believe(state, [1.0, 0.5, 1.0, 1.0], ["a"])
    assert belief.deviations[0] <= 1.5 * model.deviation(state)


def test_an_arm_that_changed_can_be_forgotten():
    state, _ = played(RULES[0], LinearModel(), 9)
    assert "a" not in state.without("a").arms
    assert state.without("a").arms["b"] == state.arms["b"]


def test_a_new_scope_starts_from_its_parent_and_soon_trusts_itself():
    model = LinearModel(forgetting=1.0)
    parent, _ = played(RULES[0], model, 10)
    child = model.warmed(LinearState(), parent, worth=10.0)
    assert model.believe(child, [1.0], ["a"]).means[0] == pytest.approx(0.8, abs=0.1)
    for _ in range(200):
        child = model.learn(child, "a", [1.0], 0.2).state
    assert model.believe(child, [1.0], ["a"]).means[0] == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("bad", [[1.0, 2.0], [float("nan")]])
def test_a_context_of_another_shape_is_refused(bad):
    with pytest.raises(ValueError, match="context"):
        LinearModel().believe(LinearState(), bad, ["a"])


def test_bad_rewards_and_chances_are_refused():
    with pytest.raises(ValueError, match="reward"):
        LinearModel().learn(LinearState(), "a", [1.0], float("nan"))
    with pytest.raises(ValueError, match="reward"):
        BetaThompson().learn(BetaState(), "a", [], 1.5, 1.0)
    with pytest.raises(ValueError, match="weight"):
        LinearModel().learn(LinearState(), "a", [1.0], 0.5, weight=0.0)
    with pytest.raises(ValueError, match="distribution"):
        choose(["a"], [0.0], 0.1)


def test_spending_stays_within_the_budget_although_the_dear_arm_is_better():
    pacer, spent = Pacer(budget=0.01), 0.0
    for _ in range(2000):
        costs, rewards = (0.001, 0.05), (0.7, 0.9)
        offered = pacer.affordable(costs)
        best = max((i for i in (0, 1) if offered[i]), key=lambda i: rewards[i] - pacer.penalty(costs[i]))
        spent, pacer = spent + costs[best], pacer.paid(costs[best])
    assert 0.9 <= spent / 20.0 <= 1.02


def test_late_lost_and_doubled_rewards_each_have_one_answer():
    pending = Pending(limit=2)
    for number in range(3):
        pending = pending.made(f"d{number}", Waiting("a", (1.0,), 0.5, number))
    assert pending.rewarded("d0")[0] is None  # pushed out: lost
    found, pending = pending.rewarded("d1")
    assert found is not None
    assert pending.rewarded("d1") == (None, pending)
    late, pending = pending.expired(now_ms=100, patience_ms=50)
    assert [name for name, _ in late] == ["d2"]
    assert not pending.waiting


def test_silence_may_count_as_a_default_reward_and_a_reward_after_that_counts_for_nothing():
    bandit, pending = LinearBandit(), Pending().made("d0", Waiting("a", (1.0,), 0.5, 0))
    state = bandit.fresh()
    late, pending = pending.expired(now_ms=100, patience_ms=50)
    for _, choice in late:
        state = bandit.learn(state, choice.arm, choice.context, 0.0, choice.propensity).state
    assert bandit.believe(state, [1.0], ["a"]).means[0] == pytest.approx(0.5)
    assert pending.rewarded("d0") == (None, pending)
