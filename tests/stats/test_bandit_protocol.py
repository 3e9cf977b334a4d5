"""Every bandit holds to the same claims, whatever it believes about rewards."""

import os
import random
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stats.bandits.beta import BetaState, BetaThompson
from decision_stream.stats.bandits.linear import LinearModel, LinearState
from decision_stream.stats.bandits.linear_bandit import LinearBandit
from decision_stream.stats.bandits.protocol import Bandit
from decision_stream.stats.bandits.reset import Resetting, Watched
from decision_stream.stats.bandits.rules import EpsilonGreedy, ThompsonSampling, UpperConfidence
from decision_stream.stats.bandits.shipped import contextual


@dataclass(frozen=True)
class Case:
    """A bandit without forgetting, the type of its state, and how long its contexts are."""

    bandit: Bandit
    state: object
    dimension: int = 1

    def context(self, rng: random.Random) -> list[float]:
        return [1.0, *(rng.gauss(0.0, 1.0) for _ in range(self.dimension - 1))]


def linear(rule, dimension: int = 1, balance: float = 1.0) -> LinearBandit:
    return LinearBandit(model=LinearModel(dimension=dimension, forgetting=1.0), rule=rule, balance=balance)


CASES = {
    "beta": Case(BetaThompson(forgetting=1.0), BetaState),
    "thompson": Case(linear(ThompsonSampling()), LinearState),
    "contextual_thompson": Case(linear(ThompsonSampling(), 4), LinearState, 4),
    "lin_ucb": Case(linear(UpperConfidence(), 4), LinearState, 4),
    "epsilon_greedy": Case(linear(EpsilonGreedy(), 4), LinearState, 4),
    "balanced": Case(linear(ThompsonSampling(), 4, balance=0.1), LinearState, 4),
    "resetting_linear": Case(Resetting(bandit=linear(ThompsonSampling(), 4)), Watched[LinearState], 4),
    "resetting_beta": Case(Resetting(bandit=BetaThompson(forgetting=1.0)), Watched[BetaState]),
}
RATES = {"a": 0.9, "b": 0.6, "c": 0.2}


def played(case: Case, seed: int, events: int = 300, rates: dict[str, float] = RATES):
    """The last state, and every choice made."""
    rng, state, made = random.Random(seed), case.bandit.fresh(), []
    for _ in range(events):
        context = case.context(rng)
        choice = case.bandit.select(state, context, sorted(rates), rng.random())
        made.append(choice)
        reward = float(rng.random() < rates[choice.arm])
        state = case.bandit.learn(state, choice.arm, context, reward, choice.propensity).state
    return state, made


@pytest.fixture(params=CASES, ids=str)
def case(request) -> Case:
    return CASES[request.param]


def test_the_best_arm_gets_most_of_the_choices(case):
    shares = []
    for seed in range(5):
        last = [choice.arm for choice in played(case, seed)[1][-100:]]
        shares.append(last.count("a") / 100.0)
    assert sorted(shares)[2] > 0.7


def test_each_choice_tells_the_chance_of_every_arm(case):
    for choice in played(case, 11)[1]:
        chances = dict(choice.propensities)
        assert list(chances) == sorted(RATES)
        assert min(chances.values()) > 0.0
        assert sum(chances.values()) == pytest.approx(1.0, abs=1e-6)
        assert chances[choice.arm] == choice.propensity


def test_arms_are_taken_as_often_as_told(case):
    state, _ = played(case, 12, events=40)
    rng = random.Random(13)
    context = case.context(rng)
    told = dict(case.bandit.select(state, context, sorted(RATES), 0.0).propensities)
    taken = [case.bandit.select(state, context, sorted(RATES), (i + 0.5) / 1_000.0).arm for i in range(1_000)]
    assert {arm: taken.count(arm) / 1_000.0 for arm in RATES} == pytest.approx(told, abs=0.002)


def test_the_state_comes_back_bit_by_bit(case):
    state, _ = played(case, 14)
    for codec in (msgspec.msgpack, msgspec.json):
        written = codec.encode(state)
        assert codec.decode(written, type=case.state) == state
        assert codec.encode(codec.decode(written, type=case.state)) == written
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(case.bandit.fresh()), type=case.state) == case.bandit.fresh()


def test_the_same_events_give_the_same_bytes(case):
    assert msgspec.msgpack.encode(played(case, 15)) == msgspec.msgpack.encode(played(case, 15))


def test_neither_choosing_nor_learning_alters_a_state(case):
    state, _ = played(case, 16, events=30)
    before, context = deepcopy(state), case.context(random.Random(17))
    case.bandit.select(state, context, ["a", "new"], 0.5)
    case.bandit.learn(state, "a", context, 1.0, 0.5)
    case.bandit.merged(state, state)
    case.bandit.warmed(case.bandit.fresh(), state, 5.0)
    case.bandit.without(state, "a")
    assert state == before


def test_an_arm_that_comes_is_tried_and_one_that_leaves_is_not_missed(case):
    state, _ = played(case, 18)
    rng = random.Random(19)
    taken = []
    for _ in range(400):
        context = case.context(rng)
        choice = case.bandit.select(state, context, ["b", "c", "new"], rng.random())
        taken.append(choice.arm)
        reward = float(rng.random() < {"b": 0.6, "c": 0.2, "new": 0.95}[choice.arm])
        state = case.bandit.learn(state, choice.arm, context, reward, choice.propensity).state
    assert taken[-100:].count("new") > 70


def test_a_forgotten_arm_is_believed_as_a_new_one(case):
    state, _ = played(case, 20)
    context = case.context(random.Random(21))
    belief = case.bandit.believe(case.bandit.without(state, "a"), context, ["a", "unknown", "b"])
    assert belief.means[0] == belief.means[1] and belief.deviations[0] == belief.deviations[1]
    assert belief.means[2] == case.bandit.believe(state, context, ["b"]).means[0]


def test_a_new_arm_looks_good_and_uncertain(case):
    state, _ = played(case, 22)
    context = case.context(random.Random(23))
    belief = case.bandit.believe(state, context, ["b", "new"])
    assert belief.means[1] + belief.deviations[1] > belief.means[0]
    assert belief.deviations[1] > belief.deviations[0]


def test_a_child_starts_from_its_parent_and_soon_trusts_itself(case):
    parent, _ = played(case, 24, events=600)
    child = case.bandit.warmed(case.bandit.fresh(), parent, worth=20.0)
    rng = random.Random(25)
    plain = [1.0] + [0.0] * (case.dimension - 1)
    assert case.bandit.believe(child, plain, ["a"]).means[0] == pytest.approx(0.9, abs=0.12)
    for _ in range(400):
        context = case.context(rng)
        child = case.bandit.learn(child, "a", context, float(rng.random() < 0.3), 1.0).state
    assert case.bandit.believe(child, plain, ["a"]).means[0] == pytest.approx(0.3, abs=0.1)


@given(rewards=st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 1.0)), max_size=10))
@pytest.mark.parametrize("name", CASES)
def test_what_two_places_learn_is_what_one_would_have(name, rewards):
    bandit, rng = CASES[name].bandit, random.Random(26)
    places, whole = [bandit.fresh(), bandit.fresh()], bandit.fresh()
    context = CASES[name].context(rng)
    for number, (arm, reward) in enumerate(rewards):
        context = CASES[name].context(rng)
        places[number % 2] = bandit.learn(places[number % 2], arm, context, reward, 0.5).state
        whole = bandit.learn(whole, arm, context, reward, 0.5).state
    both = bandit.merged(*places)
    assert bandit.believe(both, context, "ab").means == pytest.approx(bandit.believe(whole, context, "ab").means)


def test_nonsense_is_refused(case):
    bandit, context = case.bandit, [1.0] * case.dimension
    for draw in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="draw"):
            bandit.select(bandit.fresh(), context, ["a", "b"], draw)
    for arms in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="arms"):
            bandit.select(bandit.fresh(), context, arms, 0.5)
    with pytest.raises(ValueError, match="reward"):
        bandit.learn(bandit.fresh(), "a", context, float("nan"), 0.5)
    for propensity in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(ValueError, match="propensity"):
            bandit.learn(bandit.fresh(), "a", context, 1.0, propensity)


def test_late_rewards_may_come_in_any_order(case):
    """Without forgetting the order of rewards does not matter to what is believed."""
    rng = random.Random(27)
    events = [(rng.choice("ab"), case.context(rng), rng.random()) for _ in range(12)]
    beliefs = []
    for order in (events, events[::-1]):
        state = case.bandit.fresh()
        for arm, context, reward in order:
            state = case.bandit.learn(state, arm, context, reward, 0.5).state
        beliefs.append(case.bandit.believe(state, events[0][1], "ab").means)
    assert beliefs[0] == pytest.approx(beliefs[1])


def test_balance_fits_all_contexts_and_not_those_in_which_the_arm_was_taken():
    """Rewards bend where a line cannot: with the arm taken mostly at the left, only the balanced fit sees the right."""
    rng = np.random.default_rng(28)
    errors = {}
    for balance in (1.0, 0.05):
        bandit = linear(ThompsonSampling(), 2, balance)
        state = bandit.fresh()
        for _ in range(4_000):
            x = rng.uniform(-1.0, 1.0)
            propensity = 0.9 if x < 0.0 else 0.1
            if rng.random() < propensity:
                state = bandit.learn(state, "a", [1.0, x], max(0.0, x), propensity).state
        best = np.polynomial.Polynomial.fit(np.linspace(-1, 1, 2001), np.maximum(0.0, np.linspace(-1, 1, 2001)), 1)
        found = bandit.believe(state, [1.0, 0.5], ["a"]).means[0]
        errors[balance] = abs(found - best(0.5))
    assert errors[0.05] < 0.03 < errors[1.0]


CHILD = """
import sys
import msgspec
from decision_stream.stats.bandits.linear import LinearState
from decision_stream.stats.bandits.reset import Watched
from decision_stream.stats.bandits.shipped import contextual
from tests.stats.test_bandit_protocol import lived
shift = [bytearray(8 * number + 1) for number in range(int(sys.argv[1]), 900)]
state = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Watched[LinearState])
sys.stdout.buffer.write(lived(contextual(16), state, 40))
"""


def lived(bandit: Bandit, state, events: int) -> bytes:
    """Everything that is believed, chosen and learnt in some events, bit by bit."""
    rng, told = random.Random(29), []
    for _ in range(events):
        context = [1.0, *(rng.gauss(0.0, 1.0) for _ in range(15))]
        told.append(bandit.believe(state, context, sorted(RATES)))
        told.append(choice := bandit.select(state, context, sorted(RATES), rng.random()))
        state = bandit.learn(state, choice.arm, context, rng.gauss(RATES[choice.arm], 0.1), choice.propensity).state
    return msgspec.msgpack.encode([told, state])


def test_another_process_goes_on_bit_by_bit_wherever_its_memory_lies():
    """From the same bytes, with another heap and another order of hashes."""
    bandit = contextual(16)
    state = msgspec.msgpack.decode(lived(bandit, bandit.fresh(), 200), type=tuple[list, Watched[LinearState]])[1]
    here = lived(bandit, state, 40)
    for hash_seed in ("1", "77", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, hash_seed[:2]],
            input=msgspec.msgpack.encode(state),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        assert done.stdout == here
