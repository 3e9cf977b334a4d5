"""A change of an arm is noticed, and noise is not taken for one more often than promised."""

from math import comb, exp
from random import Random
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stats.bandits.beta import BetaThompson
from decision_stream.stats.bandits.linear_bandit import LinearBandit
from decision_stream.stats.bandits.reset import STAKES, Resetting, Watched, bets
from decision_stream.stats.shiryaev_roberts import advanced, level

PATIENCE = 500.0
LAWS = {
    "rare failures": lambda draw: float(draw.random() < 0.95),
    "even": lambda draw: draw.random(),
    "mostly nothing": lambda draw: float(draw.random() < 0.04),
}
MEANS = {"rare failures": 0.95, "even": 0.5, "mostly nothing": 0.04}


def delay(bandit: Resetting, draw: Random, before: float, after: float) -> int:
    """Rewards of the changed arm until it starts anew; 400 when it does not."""
    state = bandit.fresh()
    for _ in range(500):
        state = bandit.learn(state, "a", [1.0], float(draw.random() < before), 1.0).state
    for count in range(1, 400):
        state = bandit.learn(state, "a", [1.0], float(draw.random() < after), 1.0).state
        if not state.alarms["a"]:
            return count
    return 400


@pytest.mark.parametrize("law", LAWS)
def test_false_alarms_come_no_sooner_than_promised_whatever_the_law_of_rewards(law):
    """With the mean known: over 60 streams, the mean time to an alarm, cut off at four times the promise."""
    lengths = []
    for seed in range(60):
        draw, statistics, length = Random(f"{law} {seed}"), (), 0
        while level(statistics) < PATIENCE and length < 4 * PATIENCE:
            statistics = advanced(statistics, bets(LAWS[law](draw), MEANS[law], MEANS[law]))
            length += 1
        lengths.append(length)
    assert sum(lengths) / len(lengths) > PATIENCE


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_no_reward_ruins_a_bet(reward, one, other):
    factors = bets(reward, min(one, other), max(one, other))
    assert len(factors) == 2 * len(STAKES)
    assert all(factor >= 1.0 - max(STAKES) - 1e-9 for factor in factors)


def test_a_bet_is_fair_at_what_is_believed():
    """The mean factor over the two rewards of a coin with the believed rate is 1."""
    for rate in (0.1, 0.5, 0.9):
        won, lost = bets(1.0, rate, rate), bets(0.0, rate, rate)
        assert [rate * a + (1.0 - rate) * b for a, b in zip(won, lost, strict=True)] == pytest.approx([1.0] * len(won))


@pytest.mark.parametrize("coins", [1, 4, 7])
@pytest.mark.parametrize("rate", [0.4, 0.5, 0.6])
def test_a_mean_of_coins_bets_fairly_as_so_many_coins(coins, rate):
    """The mean factor over all ways that the coins can fall is 1."""
    means = [0.0] * (2 * len(STAKES))
    for heads in range(coins + 1):
        chance = comb(coins, heads) * rate**heads * (1.0 - rate) ** (coins - heads)
        factors = bets(heads / coins, rate, rate, coins / (rate * (1.0 - rate)))
        means = [mean + chance * factor for mean, factor in zip(means, factors, strict=True)]
    assert means == pytest.approx([1.0] * len(means))


@given(st.floats(0.05, 0.95), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_no_law_in_the_range_gains_by_a_bet_of_one_coin(mean, below, above):
    """Of two values round the mean, each with the chance that makes it the mean."""
    low, high = mean * (1.0 - below), mean + above * (1.0 - mean)
    chance = (mean - low) / (high - low) if high > low else 0.5
    factors = zip(bets(low, mean, mean), bets(high, mean, mean), strict=True)
    assert all((1.0 - chance) * a + chance * b <= 1.0 + 1e-9 for a, b in factors)


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1e8))
def test_one_reward_multiplies_a_capital_by_twenty_at_most(reward, mean, precision):
    assert all(0.0 <= factor <= exp(3.0) for factor in bets(reward, mean, mean, precision))


def found(bandit: Resetting, seed: int, deviation: float) -> list[int]:
    """Events at which an arm is found changed, whose mean rewards fall from .75 to .69 after 300."""
    draw, state, events = Random(seed), bandit.fresh(), []
    for event in range(600):
        reward = draw.gauss(0.75 if event < 300 else 0.69, deviation)
        learnt = bandit.learn(state, "a", [1.0], reward, 1.0)
        state, events = learnt.state, events + [event] * learnt.changed
    return events


def test_rewards_that_stray_little_tell_of_a_small_change_soon():
    trusting, blind = Resetting(bandit=LinearBandit()), Resetting(bandit=LinearBandit(), trust=0.0)
    for seed in range(8):
        (event,) = found(trusting, seed, 0.03)
        assert 300 < event < 340
        assert not [event for event in found(blind, seed, 0.03) if event < 340]


def test_an_arm_is_not_watched_before_its_optimistic_start_is_over():
    bandit = Resetting(bandit=LinearBandit())
    state = bandit.fresh()
    for _ in range(10):
        state = bandit.learn(state, "a", [1.0], 0.1, 1.0).state
    assert state.alarms == {}
    watched = bandit.learn(state, "a", [1.0], 0.1, 1.0).state
    assert bandit.learn(watched, "a", [1.0], 0.1, 1.0).state.alarms["a"]


def test_a_report_of_few_requests_is_no_surprise():
    """The same fall, told by reports that count for a twentieth each, is not yet believed."""
    bandit, state = Resetting(bandit=LinearBandit()), Resetting(bandit=LinearBandit()).fresh()
    draw = Random(3)
    for _ in range(100):
        state = bandit.learn(state, "a", [1.0], draw.gauss(0.75, 0.03), 1.0).state
    heavy, light = state, state
    for _ in range(15):
        heavy = bandit.learn(heavy, "a", [1.0], 0.65, 1.0, weight=1.0).state
        light = bandit.learn(light, "a", [1.0], 0.65, 1.0, weight=0.05).state
    assert heavy.learnt.arms["a"].weight < 20.0 < light.learnt.arms["a"].weight


@pytest.mark.parametrize("inner", [LinearBandit(), BetaThompson()], ids=lambda inner: type(inner).__name__)
@pytest.mark.parametrize(("before", "after", "within"), [(0.9, 0.6, 80), (0.3, 0.7, 80), (0.85, 0.7, 300)])
def test_a_changed_arm_starts_anew_soon(inner, before, after, within):
    delays = [delay(Resetting(bandit=inner), Random(seed), before, after) for seed in range(9)]
    assert median(delays) <= within, delays


def test_other_arms_are_left_alone_by_a_reset():
    bandit, draw = Resetting(bandit=LinearBandit(), patience=50.0), Random(5)
    state = bandit.learn(bandit.fresh(), "b", [1.0], 0.7, 1.0).state
    b = state.learnt.arms["b"]
    for event in range(400):
        state = bandit.learn(state, "a", [1.0], float(draw.random() < (0.9 if event < 200 else 0.1)), 1.0).state
        assert state.learnt.arms["b"] is b


def test_a_forgotten_arm_is_no_longer_suspected():
    bandit = Resetting(bandit=LinearBandit())
    state = bandit.learn(bandit.fresh(), "a", [1.0], 0.0, 1.0).state
    assert bandit.without(state, "a") == Watched(LinearBandit().without(state.learnt, "a"))


def test_a_patience_below_one_is_refused():
    with pytest.raises(ValueError, match="patience"):
        Resetting(bandit=LinearBandit(), patience=0.5)


@pytest.mark.parametrize("wrong", [{"known": -1.0}, {"trust": 1.5}, {"trust": -0.1}], ids=str)
def test_a_watch_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="known rewards"):
        Resetting(bandit=LinearBandit(), **wrong)
