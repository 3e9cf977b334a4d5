"""Thompson sampling for rewards in [0, 1]: a Beta posterior per arm, with forgetting. Contexts are not looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from . import setting
from .choice import Choice, checked_propensity, choose
from .protocol import Expected, Learnt
from .rules import Belief, offered

_POINTS = 48
_REACH = 6.0


class BetaArm(Struct, frozen=True, gc=False):
    """Discounted successes and failures, and the clock then. A reward between 0 and 1 counts in part to both."""

    successes: float = 0.0
    failures: float = 0.0
    touched: int = 0


class BetaState(Struct, frozen=True, gc=False):
    """All arms by name. `clock` counts the rewards learnt, so that an idle arm fades without being written.

    `residual` is their discounted summed squared surprise, over `residual_weight` rewards.
    """

    arms: Mapping[str, BetaArm] = {}
    clock: int = 0
    residual: float = 0.0
    residual_weight: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BetaThompson:
    """A `protocol.Bandit` after Thompson (1933); Chapelle & Li (2011), algorithm 2, with forgetting.

    The prior Beta(`prior_alpha`, `prior_beta`) does not fade; with an alpha above beta it is optimistic. `forgetting`
    is the share of the evidence kept for each reward learnt, in (0, 1].

    >>> bandit = BetaThompson()
    >>> state = bandit.learn(bandit.fresh(), "a", [], 1.0, propensity=0.5).state
    >>> state.arms["a"]
    BetaArm(successes=1.0, failures=0.0, touched=1)
    """

    prior_alpha: float = 1.0
    prior_beta: float = 1.0
    forgetting: float = setting.FORGETTING
    floor: float = setting.FLOOR

    def __post_init__(self) -> None:
        if min(self.prior_alpha, self.prior_beta) <= 0.0 or not 0.0 < self.forgetting <= 1.0:
            raise ValueError(f"a positive prior and forgetting in (0, 1] are needed, found {self}")

    def fresh(self) -> BetaState:
        """Nothing learnt yet."""
        return BetaState()

    def believe(self, state: BetaState, context: Sequence[float], names: Sequence[str]) -> Belief:
        """Mean and standard deviation of each posterior.

        >>> BetaThompson().believe(BetaState({"a": BetaArm(2.0, 0.0)}), [], ["a"]).means
        (0.75,)
        """
        a, b = self._posteriors(state, names)
        deviations = np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1.0)))
        return Belief(tuple(names), tuple((a / (a + b)).tolist()), tuple(deviations.tolist()))

    def select(self, state: BetaState, context: Sequence[float], names: Sequence[str], draw: float) -> Choice:
        """Each arm with its chance of having the highest rate.

        >>> BetaThompson().select(BetaState({"a": BetaArm(9.0, 1.0)}), [], ["a", "new"], draw=0.5).arm
        'a'
        """
        return choose(names, self.chances(state, names).tolist(), draw, self.floor)

    def chances(self, state: BetaState, names: Sequence[str]) -> np.ndarray:
        """Probability of each arm to have the highest rate, by quadrature over the range where any may be best.

        >>> BetaThompson().chances(BetaState(), ["a", "b"]).round(6).tolist()
        [0.5, 0.5]
        """
        a, b = (part[:, None] for part in self._posteriors(state, names))
        belief = self.believe(state, (), names)
        # Every posterior gets points of its own, else a narrow one falls between those of a wide one.
        places = np.array(belief.means)[:, None] + np.outer(belief.deviations, np.linspace(-_REACH, _REACH, _POINTS))
        places = np.sort(np.clip(places, 1e-9, 1.0 - 1e-9), axis=None)
        steps = np.diff(places)
        logs = (a - 1.0) * np.log(places) + (b - 1.0) * np.log1p(-places)
        density = np.exp(logs - logs.max(axis=1, keepdims=True))
        below = np.zeros_like(density)
        np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]) * steps, axis=1, out=below[:, 1:])
        total = below[:, -1:].copy()
        below, density = below / total, density / total
        # Density of the one, times the distribution functions of the others, for each one.
        others = np.repeat(below[None], len(names), axis=0)
        own = np.arange(len(names))
        others[own, own] = density
        products = np.multiply.reduce(others, axis=1)
        best = (products[:, 1:] + products[:, :-1]) @ steps
        return best / best.sum()

    def learn(
        self,
        state: BetaState,
        name: str,
        context: Sequence[float],
        reward: float,
        propensity: float,
        weight: float = 1.0,
    ) -> Learnt[BetaState]:
        """With one more reward in [0, 1]; ValueError outside. It counts for `weight`, however likely it was.

        The posterior takes every reward for a yes or a no. How far they really stray is estimated beside it, from the
        same first guess as of `linear.LinearModel`.

        >>> state = BetaState({"a": BetaArm(2.0, 4.0)})
        >>> BetaThompson(forgetting=0.5).learn(state, "a", [], 0.5, propensity=1.0).state.arms
        {'a': BetaArm(successes=1.5, failures=2.5, touched=1)}
        """
        checked_propensity(propensity)
        if not 0.0 <= reward <= 1.0:
            raise ValueError(f"a reward must lie in [0, 1], found {reward}")
        if not 0.0 < weight < float("inf"):
            raise ValueError(f"the weight of a reward must be positive, found {weight}")
        clock = state.clock + 1
        before = self._faded(state, name, clock)
        after = BetaArm(before.successes + weight * reward, before.failures + weight * (1.0 - reward), clock)
        rewards = before.successes + before.failures
        total = self.prior_alpha + self.prior_beta + rewards
        mean = (self.prior_alpha + before.successes) / total
        error = sqrt(mean * (1.0 - mean) / (total + 1.0))
        noise = self.deviation(state) / sqrt(weight)
        kept = setting.NOISE_FORGETTING
        learnt = BetaState(
            {**state.arms, name: after},
            clock,
            kept * state.residual + weight * (reward - mean) ** 2 * total / (total + weight),
            kept * state.residual_weight + weight,
        )
        return Learnt(learnt, Expected(mean, error, noise, rewards))

    def deviation(self, state: BetaState) -> float:
        """Estimated standard deviation of a reward around its expectation.

        >>> BetaThompson().deviation(BetaState())
        0.1
        """
        known = setting.NOISE_WEIGHT * setting.NOISE**2 + state.residual
        return sqrt(known / (setting.NOISE_WEIGHT + state.residual_weight))

    def merged(self, ours: BetaState, theirs: BetaState) -> BetaState:
        """Evidence of both, at the later clock.

        >>> one = BetaState({"a": BetaArm(1.0, 0.0)})
        >>> BetaThompson().merged(one, one).arms
        {'a': BetaArm(successes=2.0, failures=0.0, touched=0)}
        """
        clock, arms = max(ours.clock, theirs.clock), {}
        for name in sorted({*ours.arms, *theirs.arms}):
            one, other = self._faded(ours, name, ours.clock), self._faded(theirs, name, theirs.clock)
            arms[name] = BetaArm(one.successes + other.successes, one.failures + other.failures, clock)
        return BetaState(arms, clock, ours.residual + theirs.residual, ours.residual_weight + theirs.residual_weight)

    def warmed(self, state: BetaState, parent: BetaState, worth: float) -> BetaState:
        """Arms that are unknown here begin with the parent's rate, as if from `worth` rewards at most.

        >>> BetaThompson().warmed(BetaState(), BetaState({"a": BetaArm(30.0, 10.0)}), worth=4.0).arms
        {'a': BetaArm(successes=3.0, failures=1.0, touched=0)}
        """
        arms = dict(state.arms)
        for name in sorted(set(parent.arms) - set(state.arms)):
            known = self._faded(parent, name, parent.clock)
            weight = known.successes + known.failures
            share = min(1.0, worth / weight) if weight > 0.0 else 0.0
            arms[name] = BetaArm(share * known.successes, share * known.failures, state.clock)
        return replace(state, arms=arms)

    def without(self, state: BetaState, name: str) -> BetaState:
        """The arm forgotten.

        >>> BetaThompson().without(BetaState({"a": BetaArm(1.0, 0.0)}), "a").arms
        {}
        """
        return replace(state, arms={key: arm for key, arm in state.arms.items() if key != name})

    def _posteriors(self, state: BetaState, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        arms = [self._faded(state, name, state.clock) for name in offered(names)]
        alphas = np.array([self.prior_alpha + arm.successes for arm in arms])
        return alphas, np.array([self.prior_beta + arm.failures for arm in arms])

    def _faded(self, state: BetaState, name: str, clock: int) -> BetaArm:
        """The arm's evidence at a clock; none for an unknown one."""
        arm = state.arms.get(name, BetaArm())
        kept = self.forgetting ** (clock - arm.touched)
        return BetaArm(kept * arm.successes, kept * arm.failures, clock)
