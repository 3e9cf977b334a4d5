"""Linear bandits: the reward of an arm is linear in the context, with forgetting, and one state for three rules.

State per arm is the discounted sum of x x^T and of x (r - ceiling), without the prior. The prior is added when the
state is read, so forgetting never un-regularises a direction that is no longer seen (D-LinUCB: Russac, Vernade & Cappe
2019, equation 6). Rewards are regressed below their `ceiling`, an optimistic start: regressed at 0 with rewards near
.9, the first arm tried is never left. With the context [1.0] all of them are context-free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isfinite, sqrt

import numpy as np

from . import setting
from .protocol import Expected
from .rules import Belief, offered


@dataclass(frozen=True, slots=True)
class Arm:
    """What is known of one arm.

    `information` is the upper triangle, by rows, of the discounted sum of x x^T and `response` the discounted sum of
    x (r - ceiling), both little-endian float64; `weight` the discounted number of rewards; `touched` the clock then.
    """

    information: bytes
    response: bytes
    weight: float
    touched: int


@dataclass(frozen=True, slots=True)
class LinearState:
    """All arms by name. `clock` counts rewards learnt; `residual` is their discounted summed squared surprise."""

    arms: Mapping[str, Arm] = field(default_factory=dict)
    clock: int = 0
    residual: float = 0.0
    residual_weight: float = 0.0

    def without(self, name: str) -> LinearState:
        """The arm forgotten: it left, or what it was has changed. It starts again from the prior when offered.

        >>> LinearModel().learn(LinearState(), "a", [1.0], 0.5).without("a").arms
        {}
        """
        return replace(self, arms={key: arm for key, arm in self.arms.items() if key != name})


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearModel:
    """How rewards are believed to come about.

    `dimension`: length of a context, the intercept included. `forgetting`: share of the evidence kept per reward
    learnt, in (0, 1]; .9999 halves it in 6,931 rewards. `ridge`: prior precision of each coefficient. `ceiling`: the
    largest possible reward. `noise` and `noise_weight`: what the noise's standard deviation is guessed to be and how
    many rewards the guess is worth; the estimate takes over.

    >>> model = LinearModel()
    >>> state = model.learn(LinearState(), "a", [1.0], 0.5)
    >>> model.believe(state, [1.0], ["a", "new"]).means.tolist()
    [0.75, 1.0]
    """

    dimension: int = 1
    forgetting: float = setting.FORGETTING
    ridge: float = setting.RIDGE
    ceiling: float = setting.CEILING
    noise: float = setting.NOISE
    noise_weight: float = setting.NOISE_WEIGHT
    noise_forgetting: float = setting.NOISE_FORGETTING

    def __post_init__(self) -> None:
        if self.dimension < 1 or not 0.0 < self.forgetting <= 1.0 or not 0.0 < self.noise_forgetting <= 1.0:
            raise ValueError(f"a dimension of at least 1 and forgetting in (0, 1] are needed, found {self}")
        if min(self.ridge, self.noise, self.noise_weight) <= 0.0:
            raise ValueError(f"ridge, noise and its weight must be positive, found {self}")

    def believe(self, state: LinearState, context: Sequence[float], names: Sequence[str]) -> Belief:
        """The posterior of each named arm's expected reward; an unknown arm has the prior's.

        >>> model = LinearModel(dimension=2)
        >>> model.believe(LinearState(), [1.0, 1.0], ["new"]).deviations.round(3).tolist()
        [0.141]
        """
        x = self._context(context)
        noise, means, deviations = self.deviation(state), [], []
        for name in offered(names):
            mean, spread = self._expected(state, name, x)
            means.append(mean)
            deviations.append(noise * sqrt(spread))
        return Belief(tuple(names), np.array(means), np.array(deviations))

    def learn(
        self, state: LinearState, name: str, context: Sequence[float], reward: float, weight: float = 1.0
    ) -> LinearState:
        """With one more reward of an arm, at most `ceiling` by convention; ValueError for one that is no number.

        `weight`, above 0, is what it counts for: a mean of few rewards says less than one of many.

        >>> LinearModel().learn(LinearState(), "a", [1.0], 0.5).arms["a"].weight
        1.0
        """
        return self.heard(state, name, context, reward, weight)[0]

    def heard(
        self, state: LinearState, name: str, context: Sequence[float], reward: float, weight: float = 1.0
    ) -> tuple[LinearState, Expected]:
        """As `learn`, and what was expected of this reward.

        >>> LinearModel().heard(LinearState(), "a", [1.0], 0.5)[1]
        Expected(mean=1.0, error=0.1, noise=0.1, rewards=0.0)
        """
        if not isfinite(reward) or not 0.0 < weight < float("inf"):
            raise ValueError(f"a reward must be a finite number and its weight positive, found {reward} and {weight}")
        x = self._context(context)
        (mean, spread), noise = self._expected(state, name, x), self.deviation(state)
        information, response, rewards = self._faded(state, name)
        rows, columns = _triangle(self.dimension)
        arm = Arm(
            information=_bytes(self.forgetting * information + weight * x.take(rows) * x.take(columns)),
            response=_bytes(self.forgetting * response + weight * (reward - self.ceiling) * x),
            weight=self.forgetting * rewards + weight,
            touched=state.clock + 1,
        )
        after = LinearState(
            arms={**state.arms, name: arm},
            clock=state.clock + 1,
            residual=self.noise_forgetting * state.residual + weight * (reward - mean) ** 2 / (1.0 + weight * spread),
            residual_weight=self.noise_forgetting * state.residual_weight + weight,
        )
        return after, Expected(mean, noise * sqrt(spread), noise / sqrt(weight), rewards)

    def terms(self, state: LinearState, context: Sequence[float], name: str) -> tuple[float, ...]:
        """What each feature adds to an arm's expected reward below the ceiling; with the ceiling they sum to the mean.

        Exact, for the model is a sum: these are its Shapley values against a context of zeros (Lundberg & Lee 2017,
        corollary 1).

        >>> model = LinearModel()
        >>> (term,) = model.terms(model.learn(LinearState(), "a", [1.0], 0.5), [1.0], "a")
        >>> round(term, 12)
        -0.25
        """
        x = self._context(context)
        information, response, _ = self._faded(state, name)
        return tuple((self._solved(information, response, name) * x).tolist())

    def deviation(self, state: LinearState) -> float:
        """Estimated standard deviation of a reward around its expectation.

        >>> LinearModel().deviation(LinearState())
        0.1
        """
        known = self.noise_weight * self.noise**2 + state.residual
        return sqrt(known / (self.noise_weight + state.residual_weight))

    def merged(self, ours: LinearState, theirs: LinearState) -> LinearState:
        """Evidence of both, at the later clock: rewards learnt in two places about the same arms.

        >>> model = LinearModel()
        >>> one = model.learn(LinearState(), "a", [1.0], 0.5)
        >>> model.merged(one, one).arms["a"].weight
        2.0
        """
        clock, names = max(ours.clock, theirs.clock), sorted({*ours.arms, *theirs.arms})
        arms = {}
        for name in names:
            one, other = self._faded(ours, name), self._faded(theirs, name)
            arms[name] = Arm(_bytes(one[0] + other[0]), _bytes(one[1] + other[1]), one[2] + other[2], clock)
        return LinearState(arms, clock, ours.residual + theirs.residual, ours.residual_weight + theirs.residual_weight)

    def warmed(self, state: LinearState, parent: LinearState, worth: float) -> LinearState:
        """Arms that are new here start from a parent scope's evidence, scaled to `worth` rewards at most.

        Partial pooling: the parent's mean counts like so many own rewards, and own rewards soon outweigh it.

        >>> model = LinearModel()
        >>> parent = model.learn(LinearState(), "a", [1.0], 0.5)
        >>> model.warmed(LinearState(), parent, worth=0.5).arms["a"].weight
        0.5
        """
        arms = dict(state.arms)
        for name in sorted(set(parent.arms) - set(state.arms)):
            information, response, weight = self._faded(parent, name)
            share = min(1.0, worth / weight) if weight > 0.0 else 0.0
            arms[name] = Arm(_bytes(share * information), _bytes(share * response), share * weight, state.clock)
        return replace(state, arms=arms)

    def _expected(self, state: LinearState, name: str, x: np.ndarray) -> tuple[float, float]:
        """Expected reward of an arm in a context, and its variance in units of a reward's.

        Written out, for it is what a choice costs: the factor by which the evidence has faded is taken out of the sums.
        """
        arm = state.arms.get(name)
        if arm is None:
            return self.ceiling, max(float(x.dot(x)) / self.ridge, 1e-18)
        kept = self.forgetting ** (state.clock - arm.touched)
        # The precision is symmetric, so that one solution for x serves mean and variance.
        spread = self._solved(kept * np.frombuffer(arm.information, "<f8"), x, name)
        below = kept * float(np.frombuffer(arm.response, "<f8").dot(spread))
        return self.ceiling + below, max(float(spread.dot(x)), 1e-18)

    def _solved(self, precision: np.ndarray, right: np.ndarray, name: str) -> np.ndarray:
        """The solution of an arm's information and the prior for a right-hand side, shape (d,); it is overwritten."""
        precision += _prior(self.dimension, self.ridge)
        # Cholesky on the packed triangle: the upper one by rows is the lower one by columns. It overwrites `precision`.
        solution, failed = _cholesky()(self.dimension, precision, right, lower=1)
        if failed:
            raise ValueError(f"the evidence of the arm {name} is not positive definite")
        return solution

    def _faded(self, state: LinearState, name: str) -> tuple[np.ndarray, np.ndarray, float]:
        """Packed information, response and weight of an arm now; zeros for an unknown one."""
        arm = state.arms.get(name)
        if arm is None:
            return np.zeros(self.dimension * (self.dimension + 1) // 2), np.zeros(self.dimension), 0.0
        kept = self.forgetting ** (state.clock - arm.touched)
        return (
            kept * np.frombuffer(arm.information, "<f8"),
            kept * np.frombuffer(arm.response, "<f8"),
            kept * arm.weight,
        )

    def _context(self, context: Sequence[float]) -> np.ndarray:
        x = np.asarray(context, dtype=np.float64)
        if x.shape != (self.dimension,) or not isfinite(x @ x):
            raise ValueError(f"a context of {self.dimension} finite numbers is needed, found {context}")
        return x


def _bytes(values: np.ndarray) -> bytes:
    return values.astype("<f8", copy=False).tobytes()


@lru_cache(maxsize=1)
def _cholesky() -> Callable[..., tuple[np.ndarray, int]]:
    from scipy.linalg.lapack import dppsv  # type: ignore[import-untyped]  # a worker without bandits does without it

    return dppsv


@lru_cache(maxsize=16)
def _triangle(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each element of the packed triangle."""
    return np.triu_indices(dimension)


@lru_cache(maxsize=16)
def _prior(dimension: int, ridge: float) -> np.ndarray:
    """The packed triangle of the prior's precision."""
    rows, columns = _triangle(dimension)
    return ridge * (rows == columns)
