"""A bandit that forgets an arm whose rewards have changed, at once, besides forgetting slowly.

Each reward is a bet against "this arm still earns what is believed of it, or as much": against a mean m two coins are
set, one that shows heads less often, one more often, and a capital grows by the likelihood ratio of the coins. A reward
between tails and heads counts to both, which for any law of rewards in [0, 1] with mean m is worth at most what was
staked, by the convexity of the exponential (Hoeffding 1963). So the Shiryaev-Roberts statistic over the bets keeps
its promise whatever that law: the mean number of an arm's rewards between two false alarms is at least `patience`, as
far as m is known (Shin, Ramdas & Rinaldo 2022, "E-detectors: a nonparametric framework for sequential change
detection"). A mean of many requests strays less than a coin: it bets as many coins at once as would stray as it does,
in part (`trust`), and then the promise is that of the estimated noise. Restarting an arm on its alarm is after Liu, Lee
& Shroff (2018), "A change-detection based framework for piecewise-stationary multi-armed bandit problem". What is
believed carries an error of its own: m is taken one standard deviation further away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log1p
from typing import Generic, TypeVar

from msgspec import Struct

from ..shiryaev_roberts import advanced, level
from . import setting
from .choice import Choice
from .protocol import Bandit, Expected, Learnt
from .rules import Belief

State = TypeVar("State")

STAKES = (0.05, 0.12, 0.3)
"""Shares of the capital that the worst reward would cost, one bet for each, in both directions."""
_STAKED = tuple((stake, log1p(-stake)) for stake in STAKES)
_EDGE = 0.02
_LARGEST_GAIN = 3.0
"""Natural logarithm of the most by which one reward can multiply a capital: 20, so that one alone decides nothing."""


def bets(reward: float, low: float, high: float, precision: float = 0.0) -> tuple[float, ...]:
    """What one reward makes of each bet: those that it falls below `low`, then those that it exceeds `high`.

    `reward` in [0, 1]; ends closer to 0 or 1 than .02 count as .02 or .98, so that one reward cannot decide.
    `precision` is one over the variance that the reward is believed to have, and 0 when nothing is.

    >>> [round(factor, 3) for factor in bets(0.0, 0.9, 0.9)]
    [1.45, 2.08, 3.7, 0.95, 0.88, 0.7]
    """
    low, high = min(max(low, _EDGE), 1.0 - _EDGE), min(max(high, _EDGE), 1.0 - _EDGE)
    gains = _falls(reward, low, precision) + _falls(1.0 - reward, 1.0 - high, precision)
    return tuple([exp(gain if gain < _LARGEST_GAIN else _LARGEST_GAIN) for gain in gains])


def _falls(reward: float, mean: float, precision: float) -> list[float]:
    """Logarithms of the factors."""
    # The mean of k coins has the variance m (1 - m) / k; no law in [0, 1] has more than one coin's.
    coins = max(1.0, precision * mean * (1.0 - mean))
    kept, lost, odds = coins * reward, coins * (1.0 - reward), mean / (1.0 - mean)
    return [kept * less + lost * log1p(stake * odds) for stake, less in _STAKED]


class Watched(Struct, Generic[State], frozen=True, gc=False):
    """What the inner bandit has learnt, and the statistics of each arm's bets: 48 bytes an arm."""

    learnt: State
    alarms: Mapping[str, tuple[float, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resetting(Generic[State]):
    """A `protocol.Bandit` around another whose rewards lie in [0, `ceiling`].

    `patience` is the mean number of an arm's rewards from one false alarm to the next, at least. An arm is watched from
    `known` rewards on; `trust`, in [0, 1], is the share of a reward's estimated precision that its bets count on, and 0
    counts on nothing but its range.

    >>> from .linear_bandit import LinearBandit
    >>> bandit, state = Resetting(bandit=LinearBandit()), Watched(LinearBandit().fresh())
    >>> for event in range(360):
    ...     state = bandit.learn(state, "a", [1.0], float(event < 300), propensity=1.0).state
    >>> state.learnt.arms["a"].weight < 60.0
    True
    """

    bandit: Bandit[State]
    patience: float = setting.PATIENCE
    known: float = setting.KNOWN
    trust: float = setting.TRUST
    ceiling: float = setting.CEILING

    def __post_init__(self) -> None:
        if self.patience < 1.0 or self.ceiling <= 0.0:
            raise ValueError(f"a patience of at least 1 and a positive ceiling are needed, found {self}")
        if self.known < 0.0 or not 0.0 <= self.trust <= 1.0:
            raise ValueError(f"known rewards of at least 0 and trust in [0, 1] are needed, found {self}")

    def fresh(self) -> Watched[State]:
        """Nothing learnt yet, nothing suspected."""
        return Watched(self.bandit.fresh())

    def believe(self, state: Watched[State], context: Sequence[float], names: Sequence[str]) -> Belief:
        """As the inner bandit."""
        return self.bandit.believe(state.learnt, context, names)

    def select(self, state: Watched[State], context: Sequence[float], names: Sequence[str], draw: float) -> Choice:
        """As the inner bandit."""
        return self.bandit.select(state.learnt, context, names, draw)

    def learn(
        self,
        state: Watched[State],
        name: str,
        context: Sequence[float],
        reward: float,
        propensity: float,
        weight: float = 1.0,
    ) -> Learnt[Watched[State]]:
        """As the inner bandit; on an alarm the arm is forgotten, and this reward is the first of the new one.

        What was expected is of before the alarm.

        >>> from .beta import BetaThompson
        >>> bandit, found = Resetting(bandit=BetaThompson()), []
        >>> state = bandit.fresh()
        >>> for event in range(140):
        ...     learnt = bandit.learn(state, "a", [], float(event < 100), propensity=1.0)
        ...     state, found = learnt.state, found + [event] * learnt.changed
        >>> len(found)
        1
        """
        inner = self.bandit.learn(state.learnt, name, context, reward, propensity, weight)
        expected = inner.expected
        if expected.rewards < self.known:
            return Learnt(Watched(inner.state, state.alarms), expected)
        statistics = advanced(state.alarms.get(name, ()), self._bets(reward, expected))
        changed = level(statistics) >= self.patience
        if changed:
            anew = self.bandit.without(state.learnt, name)
            inner, statistics = self.bandit.learn(anew, name, context, reward, propensity, weight), ()
        return Learnt(Watched(inner.state, {**state.alarms, name: statistics}), expected, changed)

    def merged(self, ours: Watched[State], theirs: Watched[State]) -> Watched[State]:
        """Evidence of both. Suspicions begin anew: they were about two streams."""
        return Watched(self.bandit.merged(ours.learnt, theirs.learnt))

    def warmed(self, state: Watched[State], parent: Watched[State], worth: float) -> Watched[State]:
        """As the inner bandit."""
        return Watched(self.bandit.warmed(state.learnt, parent.learnt, worth), state.alarms)

    def without(self, state: Watched[State], name: str) -> Watched[State]:
        """The arm forgotten, with its suspicions."""
        kept = {key: statistics for key, statistics in state.alarms.items() if key != name}
        return Watched(self.bandit.without(state.learnt, name), kept)

    def _bets(self, reward: float, expected: Expected) -> tuple[float, ...]:
        scale = 1.0 / self.ceiling
        mean, error, noise = scale * expected.mean, scale * expected.error, scale * expected.noise
        told = min(1.0, max(0.0, scale * reward))
        return bets(told, mean - error, mean + error, self.trust / (noise * noise))
