"""The bandit's bookkeeping: known arms, new arms, arms that change, and shares that are a distribution."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_stream.model.policy import ReinforcementPolicy
from decision_stream.model.state import Bandit, BanditArm
from decision_stream.strategies import bandit as bandits
from decision_stream.strategies.bandit import LEAST_SHARE, MAX_ARMS, believed, learnt, prepared, primed, shares
from decision_stream.strategies.reward import expected_reward
from tests.factories import estimate

ALGORITHMS = ("thompson_sampling", "lin_ucb", "contextual_thompson", "epsilon_greedy")
RULES = ReinforcementPolicy(context_dimension=3)
CONTEXT = (1.0, 0.0, 1.0)


def taught(rules: ReinforcementPolicy, rewards: dict[str, float], times: int = 30) -> Bandit:
    bandit = prepared(Bandit(), rules)
    for _ in range(times):
        for arm, reward in rewards.items():
            bandit, _ = learnt(bandit, arm, CONTEXT, reward, 0.9, rules)
    return bandit


def rules_of(algorithm: str, **more) -> ReinforcementPolicy:
    return ReinforcementPolicy(algorithm=algorithm, context_dimension=3, **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_better_arm_gets_more_of_the_slice(algorithm):
    rules = rules_of(algorithm)
    bandit = taught(rules, {"now": 0.7, "good": 0.9, "poor": 0.6})
    now, good, poor = shares(bandit, CONTEXT, ("now", "good", "poor"), rules)
    assert good > poor >= LEAST_SHARE - 1e-9
    assert now + good + poor == pytest.approx(1.0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(ALGORITHMS),
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=8),
    st.floats(0.0, 5.0),
)
def test_shares_are_a_distribution_with_a_floor_whatever_was_learnt(algorithm, rewards, penalty):
    rules = rules_of(algorithm)
    arms = tuple(f"arm-{number}" for number in range(len(rewards)))
    bandit = taught(rules, dict(zip(arms, rewards, strict=True)), times=3)
    penalties = [0.0, *(penalty for _ in arms[1:])]
    found = shares(bandit, CONTEXT, arms, rules, penalties)
    assert sum(found) == pytest.approx(1.0, abs=1e-9)
    assert min(found) >= LEAST_SHARE - 1e-6
    assert 1.0 - found[0] <= max(rules.exploration_rate, LEAST_SHARE * (len(arms) - 1)) + 1e-6


def test_an_arm_that_may_be_terrible_gets_a_thinner_slice():
    bandit = taught(RULES, {"now": 0.9, "known": 0.88, "terrible": 0.1})
    careful = 1.0 - shares(bandit, CONTEXT, ("now", "terrible"), RULES)[0]
    assert careful <= RULES.max_regret / 0.7
    assert 1.0 - shares(bandit, CONTEXT, ("now", "known"), RULES)[0] > careful


def test_money_that_runs_out_makes_a_dear_arm_unlikely():
    bandit = taught(RULES, {"now": 0.7, "dear": 0.72, "cheap": 0.70})
    free = shares(bandit, CONTEXT, ("now", "cheap", "dear"), RULES)
    tight = shares(bandit, CONTEXT, ("now", "cheap", "dear"), RULES, (0.0, -0.1, 0.2))
    assert tight[2] < free[2]
    assert tight[1] > free[1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_new_arm_starts_from_what_is_said_of_it(algorithm):
    rules = rules_of(algorithm)
    told = estimate("m", quality=0.6, samples=100_000)
    bandit = primed(prepared(Bandit(), rules), {"told": told, "guessed": estimate("g", samples=0)}, rules)
    found = believed(bandit, CONTEXT, ("told", "guessed", "unknown"), rules)
    assert found.means[0] == pytest.approx(expected_reward(told, rules), abs=0.02)
    assert found.deviations[0] < found.deviations[1] == found.deviations[2]
    assert primed(bandit, {"told": estimate("m", quality=0.99)}, rules).arms["told"] == bandit.arms["told"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_arm_that_changes_starts_anew_and_one_that_does_not_stays(algorithm):
    rules = rules_of(algorithm)
    bandit, alarms = taught(rules, {"a": 0.8, "b": 0.8}, times=40), 0
    for _ in range(40):
        bandit, changed = learnt(bandit, "a", CONTEXT, 0.4, 0.9, rules)
        alarms += changed
    assert alarms == 1
    assert believed(bandit, CONTEXT, ("a",), rules).means[0] == pytest.approx(0.4, abs=0.05)
    assert believed(bandit, CONTEXT, ("b",), rules).means[0] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_arms_that_an_earlier_version_wrote_are_read_and_go_on(algorithm):
    """It kept two numbers at the end of an arm, where the statistics of the bets are now."""
    rules = rules_of(algorithm)
    bandit = taught(rules, {"a": 0.8})
    fields = msgspec.to_builtins(bandit.arms["a"], builtin_types=(bytes,))
    written = msgspec.msgpack.encode([*fields[:6], 1.5, 0.0])
    old = replace(bandit, arms={"a": msgspec.msgpack.decode(written, type=BanditArm)})
    assert believed(old, CONTEXT, ("a",), rules) == believed(bandit, CONTEXT, ("a",), rules)
    after, changed = learnt(old, "a", CONTEXT, 0.8, 0.9, rules)
    assert not changed and isinstance(after.arms["a"].suspicions, tuple)


def test_the_arms_are_bounded_and_those_served_are_kept():
    bandit = prepared(Bandit(), RULES)
    for number in range(20):
        bandit, _ = learnt(bandit, f"arm-{number:02}", CONTEXT, 0.5, 0.5, RULES)
    assert len(bandit.arms) == MAX_ARMS
    assert "arm-19" in bandit.arms
    assert "arm-00" not in bandit.arms


def test_other_features_start_anew_and_money_spent_is_not_forgotten():
    bandit = Bandit(shape="other", spent_usd=3.0, spent_day=7, explored_at_ms=9)
    fresh = prepared(bandit, RULES)
    assert fresh.arms == {}
    assert (fresh.spent_usd, fresh.spent_day, fresh.explored_at_ms) == (3.0, 7, 9)
    assert prepared(fresh, RULES) is fresh


def test_with_the_configuration_in_use_goes_the_evidence_against_it():
    from decision_stream.stats.empirical_bernstein import DifferenceEvidence

    known = {"a": DifferenceEvidence(blocks=1), "b": DifferenceEvidence(blocks=2)}
    bandit = Bandit(reference="now", evidence=known)
    assert bandits.without(bandit, "a").evidence == {"b": known["b"]}
    assert bandits.without(bandit, "now").evidence == {}
    assert bandits.compared_with(bandit, "now") is bandit
    assert bandits.compared_with(bandit, "new").evidence == {}


def test_contributions_are_the_terms_of_the_predicted_gain():
    bandit = taught(RULES, {"now": 0.7, "good": 0.9})
    terms = bandits.contributions(bandit, CONTEXT, "good", "now", RULES)
    means = believed(bandit, CONTEXT, ("now", "good"), RULES).means
    assert list(terms) == ["intercept", "hour_sin", "hour_cos"]
    assert sum(terms.values()) == pytest.approx(means[1] - means[0], abs=1e-12)
    assert terms["hour_sin"] == 0.0
