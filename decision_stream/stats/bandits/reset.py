"""A bandit that forgets an arm whose rewards have changed, at once, besides forgetting slowly.

Each reward is a bet against "this arm still earns what is believed of it, or as much": a capital grows by the factor
1 + l (m - r) while rewards r fall short of m, and by 1 + l (r - m) while they exceed it. For rewards in a known range
that is fair whatever their distribution, so that the Shiryaev-Roberts statistic over the bets keeps its promise: the
mean number of an arm's rewards between two false alarms is at least `patience`, as far as m is known (Shin, Ramdas &
Rinaldo 2022, "E-detectors: a nonparametric framework for sequential change detection"). Restarting an arm on
its alarm is after Liu, Lee & Shroff (2018), "A change-detection based framework for piecewise-stationary multi-armed
bandit problem". What is believed carries an error of its own: m is taken one standard deviation further away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..shiryaev_roberts import advanced, level
from .choice import Choice
from .protocol import Bandit
from .rules import Belief

State = TypeVar("State")

STAKES = (0.05, 0.12, 0.3)
"""Shares of the capital that the worst reward would cost, one bet for each, in both directions."""
_EDGE = 0.02


def bets(reward: float, low: float, high: float) -> tuple[float, ...]:
    """What one reward makes of each bet: those that it falls below `low`, then those that it exceeds `high`.

    `reward` in [0, 1]; ends closer to 0 or 1 than .02 count as .02 or .98, so that one reward cannot decide.

    >>> [round(factor, 3) for factor in bets(0.0, 0.9, 0.9)]
    [1.45, 2.08, 3.7, 0.95, 0.88, 0.7]
    """
    low, high = min(max(low, _EDGE), 1.0 - _EDGE), min(max(high, _EDGE), 1.0 - _EDGE)
    falls = [1.0 + stake * (low - reward) / (1.0 - low) for stake in STAKES]
    return (*falls, *(1.0 + stake * (reward - high) / high for stake in STAKES))


@dataclass(frozen=True, slots=True)
class Watched(Generic[State]):
    """What the inner bandit has learnt, and the statistics of each arm's bets: 48 bytes an arm."""

    learnt: State
    alarms: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resetting(Generic[State]):
    """A `protocol.Bandit` around another whose rewards lie in [0, `ceiling`].

    `patience` is the mean number of an arm's rewards from one false alarm to the next, at least.

    >>> from .linear_bandit import LinearBandit
    >>> bandit, state = Resetting(bandit=LinearBandit()), Watched(LinearBandit().fresh())
    >>> for event in range(360):
    ...     state = bandit.learn(state, "a", [1.0], float(event < 300), propensity=1.0)
    >>> state.learnt.arms["a"].weight < 60.0
    True
    """

    bandit: Bandit[State]
    patience: float = 2_000.0
    ceiling: float = 1.0

    def __post_init__(self) -> None:
        if self.patience < 1.0 or self.ceiling <= 0.0:
            raise ValueError(f"a patience of at least 1 and a positive ceiling are needed, found {self}")

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
        self, state: Watched[State], name: str, context: Sequence[float], reward: float, propensity: float
    ) -> Watched[State]:
        """As the inner bandit; on an alarm the arm is forgotten, and this reward is the first of the new one."""
        belief = self.bandit.believe(state.learnt, context, [name])
        mean, error = float(belief.means[0]) / self.ceiling, float(belief.deviations[0]) / self.ceiling
        share = min(1.0, max(0.0, reward / self.ceiling))
        statistics = advanced(state.alarms.get(name, ()), bets(share, mean - error, mean + error))
        learnt = state.learnt
        if level(statistics) >= self.patience:
            learnt, statistics = self.bandit.without(learnt, name), ()
        return Watched(self.bandit.learn(learnt, name, context, reward, propensity), {**state.alarms, name: statistics})

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
