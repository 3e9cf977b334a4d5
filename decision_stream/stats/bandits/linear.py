"""Linear bandits: the reward of an arm is linear in the context, with forgetting, and one state for three rules.

State per arm is the discounted sum of x x^T and of x (r - ceiling), without the prior. The prior is added when the
state is read, so forgetting never un-regularises a direction that is no longer seen (D-LinUCB: Russac, Vernade & Cappe
2019, equation 6). Rewards are regressed below their `ceiling`, an optimistic start: regressed at 0 with rewards near
.9, the first arm tried is never left. With the context [1.0] all of them are context-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import isfinite, sqrt
from types import MappingProxyType

import numpy as np

from .choice import Choice, chances_of_being_best, choose


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

    arms: Mapping[str, Arm] = field(default_factory=lambda: MappingProxyType({}))
    clock: int = 0
    residual: float = 0.0
    residual_weight: float = 0.0

    def without(self, name: str) -> LinearState:
        """The arm forgotten: it left, or what it was has changed. It starts again from the prior when offered."""
        return replace(self, arms={key: arm for key, arm in self.arms.items() if key != name})


@dataclass(frozen=True, slots=True)
class Belief:
    """Mean and standard deviation of each arm's expected reward in a context, in the order of `names`."""

    names: tuple[str, ...]
    means: np.ndarray
    deviations: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearModel:
    """How rewards are believed to come about.

    `dimension`: length of a context, the intercept included. `forgetting`: share of the evidence kept per reward
    learnt, in (0, 1]; .9994 halves it in 1,155 rewards. `ridge`: prior precision of each coefficient. `ceiling`: the
    largest possible reward. `noise` and `noise_weight`: what the noise's standard deviation is guessed to be and how
    many rewards the guess is worth; the estimate takes over.
    """

    dimension: int = 1
    forgetting: float = 0.9994
    ridge: float = 1.0
    ceiling: float = 1.0
    noise: float = 0.3
    noise_weight: float = 10.0
    noise_forgetting: float = 0.999

    def __post_init__(self) -> None:
        if self.dimension < 1 or not 0.0 < self.forgetting <= 1.0 or not 0.0 < self.noise_forgetting <= 1.0:
            raise ValueError(f"a dimension of at least 1 and forgetting in (0, 1] are needed, found {self}")
        if min(self.ridge, self.noise, self.noise_weight) <= 0.0:
            raise ValueError(f"ridge, noise and its weight must be positive, found {self}")

    def believe(self, state: LinearState, context: Sequence[float], names: Sequence[str]) -> Belief:
        """The posterior of each named arm's expected reward; an unknown arm has the prior's.

        >>> model = LinearModel()
        >>> state = model.learn(LinearState(), "a", [1.0], 0.5)
        >>> model.believe(state, [1.0], ["a", "new"]).means.tolist()
        [0.75, 1.0]
        """
        x = self._context(context)
        precisions, responses = self._read(state, names)
        solved = np.linalg.solve(precisions, np.stack((responses, np.broadcast_to(x, responses.shape)), axis=2))
        means = self.ceiling + solved[:, :, 0] @ x
        deviations = self.deviation(state) * np.sqrt(np.maximum(solved[:, :, 1] @ x, 1e-18))
        return Belief(tuple(names), means, deviations)

    def learn(self, state: LinearState, name: str, context: Sequence[float], reward: float) -> LinearState:
        """With one more reward of an arm, at most `ceiling` by convention; ValueError for one that is no number."""
        if not isfinite(reward):
            raise ValueError(f"a reward must be a finite number, found {reward}")
        x = self._context(context)
        if name in state.arms:
            information, response, weight = self._at(state, name)
        else:
            information, response, weight = 0.0 * _identity(self.dimension), 0.0 * x, 0.0
        precision = information + self.ridge * _identity(self.dimension)
        below, spread = np.linalg.solve(precision, np.stack((response, x), axis=1)).T
        surprise = reward - self.ceiling - float(below @ x)
        arm = Arm(
            information=_packed(self.forgetting * information + x[:, None] * x),
            response=(self.forgetting * response + x * (reward - self.ceiling)).astype("<f8").tobytes(),
            weight=self.forgetting * weight + 1.0,
            touched=state.clock + 1,
        )
        return LinearState(
            arms={**state.arms, name: arm},
            clock=state.clock + 1,
            residual=self.noise_forgetting * state.residual + surprise**2 / (1.0 + float(spread @ x)),
            residual_weight=self.noise_forgetting * state.residual_weight + 1.0,
        )

    def deviation(self, state: LinearState) -> float:
        """Estimated standard deviation of a reward around its expectation."""
        known = self.noise_weight * self.noise**2 + state.residual
        return sqrt(known / (self.noise_weight + state.residual_weight))

    def merged(self, ours: LinearState, theirs: LinearState) -> LinearState:
        """Evidence of both, at the later clock: rewards learnt in two places about the same arms."""
        clock, arms = max(ours.clock, theirs.clock), {}
        for name in sorted({*ours.arms, *theirs.arms}):
            parts = [self._at(state, name) for state in (ours, theirs) if name in state.arms]
            information, response, weight = (sum(part[i] for part in parts) for i in range(3))
            arms[name] = Arm(_packed(information), np.asarray(response, "<f8").tobytes(), float(weight), clock)
        return LinearState(arms, clock, ours.residual + theirs.residual, ours.residual_weight + theirs.residual_weight)

    def warmed(self, state: LinearState, parent: LinearState, worth: float) -> LinearState:
        """Arms that are new here start from a parent scope's evidence, scaled to `worth` rewards at most.

        Partial pooling: the parent's mean counts like so many own rewards, and own rewards soon outweigh it.
        """
        arms = dict(state.arms)
        for name in sorted(set(parent.arms) - set(state.arms)):
            information, response, weight = self._at(parent, name)
            share = min(1.0, worth / weight) if weight > 0.0 else 0.0
            arms[name] = Arm(_packed(share * information), (share * response).tobytes(), share * weight, state.clock)
        return replace(state, arms=arms)

    def _at(self, state: LinearState, name: str) -> tuple[np.ndarray, np.ndarray, float]:
        arm = state.arms[name]
        kept = self.forgetting ** (state.clock - arm.touched)
        information = _unpacked(arm.information, self.dimension)
        return kept * information, kept * np.frombuffer(arm.response, "<f8"), kept * arm.weight

    def _read(self, state: LinearState, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        precisions = np.empty((len(names), self.dimension, self.dimension))
        precisions[:] = self.ridge * _identity(self.dimension)
        responses = np.zeros((len(names), self.dimension))
        for row, name in enumerate(names):
            if name in state.arms:
                information, response, _ = self._at(state, name)
                precisions[row] += information
                responses[row] = response
        return precisions, responses

    def _context(self, context: Sequence[float]) -> np.ndarray:
        x = np.asarray(context, dtype=np.float64)
        if x.shape != (self.dimension,) or not np.isfinite(x).all():
            raise ValueError(f"a context of {self.dimension} finite numbers is needed, found {context}")
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class ThompsonSampling:
    """Take each arm with the probability of being best (Agrawal & Goyal 2013, with an estimated noise).

    `scale` widens (above 1) or narrows the posterior. With `LinearModel`'s defaults, .6 is the one setting that is
    judged in all the benchmarks of decision quality.
    """

    scale: float = 0.6
    floor: float = 0.001

    def select(self, belief: Belief, draw: float) -> Choice:
        """
        >>> even = Belief(("a", "b"), np.array([0.5, 0.5]), np.array([0.1, 0.1]))
        >>> ThompsonSampling().select(even, draw=0.7).propensity
        0.5
        """
        chances = chances_of_being_best(belief.means, self.scale * belief.deviations)
        return choose(belief.names, chances.tolist(), draw, self.floor)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpperConfidence:
    """LinUCB (Li, Chu, Langford & Schapire 2010, equation 5), with a floor that makes it observable.

    `width` is alpha of the paper in standard deviations of the posterior.
    """

    width: float = 1.0
    floor: float = 0.001

    def select(self, belief: Belief, draw: float) -> Choice:
        return choose(
            belief.names, _all_on_best(belief, belief.means + self.width * belief.deviations), draw, self.floor
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """The best mean, and with probability `epsilon` any arm."""

    epsilon: float = 0.1

    def select(self, belief: Belief, draw: float) -> Choice:
        return choose(belief.names, _all_on_best(belief, belief.means), draw, self.epsilon / len(belief.names))


def _all_on_best(belief: Belief, scores: np.ndarray) -> list[float]:
    best = min(range(len(scores)), key=lambda i: (-scores[i], belief.names[i]))
    return [float(i == best) for i in range(len(scores))]


def _packed(matrix: np.ndarray) -> bytes:
    return matrix.ravel()[_layout(len(matrix))[0]].astype("<f8", copy=False).tobytes()


def _unpacked(packed: bytes, dimension: int) -> np.ndarray:
    return np.frombuffer(packed, "<f8")[_layout(dimension)[1]]


@lru_cache(maxsize=16)
def _layout(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of the packed triangle in the flat matrix, and of each matrix element in the packed triangle."""
    rows, columns = np.triu_indices(dimension)
    back = np.empty((dimension, dimension), dtype=np.intp)
    back[rows, columns] = back[columns, rows] = np.arange(len(rows))
    return rows * dimension + columns, back


@lru_cache(maxsize=16)
def _identity(dimension: int) -> np.ndarray:
    return np.eye(dimension)
