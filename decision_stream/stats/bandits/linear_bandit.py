"""A linear model of rewards and a rule of choice, together one bandit; its defaults are those of `setting`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from . import setting
from .choice import Choice, checked_propensity
from .linear import LinearModel, LinearState
from .protocol import Learnt
from .rules import Belief, Rule, ThompsonSampling


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearBandit:
    """A `protocol.Bandit`: what `model` believes, chosen from by `rule`.

    `balance`, in (0, 1]: a reward counts 1 / max(propensity, balance) times. Below 1 the fit is for all contexts, and
    not for those in which the arm was taken: better where rewards are not linear, and dearer in variance (Dimakopoulou,
    Zhou, Athey & Imbens 2019, "Balanced linear contextual bandits").

    >>> bandit = LinearBandit()
    >>> bandit.select(bandit.fresh(), [1.0], ["a", "b"], draw=0.7).arm
    'b'
    """

    model: LinearModel = field(default_factory=LinearModel)
    rule: Rule = field(default_factory=ThompsonSampling)
    balance: float = setting.BALANCE

    def __post_init__(self) -> None:
        if not 0.0 < self.balance <= 1.0:
            raise ValueError(f"a balance lies in (0, 1], found {self.balance}")

    def fresh(self) -> LinearState:
        """Nothing learnt yet."""
        return LinearState()

    def believe(self, state: LinearState, context: Sequence[float], names: Sequence[str]) -> Belief:
        """As the model."""
        return self.model.believe(state, context, names)

    def select(self, state: LinearState, context: Sequence[float], names: Sequence[str], draw: float) -> Choice:
        """By the rule, on what the model believes."""
        return self.rule.select(self.model.believe(state, context, names), draw)

    def learn(
        self,
        state: LinearState,
        name: str,
        context: Sequence[float],
        reward: float,
        propensity: float,
        weight: float = 1.0,
    ) -> Learnt[LinearState]:
        """As the model, with the weight that balances."""
        balanced = weight / max(checked_propensity(propensity), self.balance)
        return self.model.learn(state, name, context, reward, balanced)

    def merged(self, ours: LinearState, theirs: LinearState) -> LinearState:
        """As the model."""
        return self.model.merged(ours, theirs)

    def warmed(self, state: LinearState, parent: LinearState, worth: float) -> LinearState:
        """As the model."""
        return self.model.warmed(state, parent, worth)

    def without(self, state: LinearState, name: str) -> LinearState:
        """The arm forgotten."""
        return state.without(name)
