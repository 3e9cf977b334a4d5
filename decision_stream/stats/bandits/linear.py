"""Linear bandits: the reward of an arm is linear in the context, with forgetting, and one state for three rules.

State per arm is the discounted sum of x x^T and of x (r - ceiling), without the prior. The prior is added when the
state is read, so forgetting never un-regularises a direction that is no longer seen (D-LinUCB: Russac, Vernade & Cappe
2019, equation 6). Rewards are regressed below their `ceiling`, an optimistic start: regressed at 0 with rewards near
.9, the first arm tried is never left. With the context [1.0] all of them are context-free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import hypot, isfinite, sqrt
from struct import Struct as Layout
from typing import NamedTuple, NoReturn

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from . import setting
from .protocol import Expected, Learnt
from .rules import Belief, offered

_LITTLE = np.dtype("<f8")
_NUMBER = Layout("<d")
_LEAST_SPREAD = 1e-18
_TRACE = 1e-100
"""What is kept of evidence that has faded to nothing, for it is divided by."""
_LONGEST = 1e100
_LARGE = 1e300


class Arm(Struct, frozen=True, gc=False):
    """What is known of one arm.

    `information` is the upper triangle, by rows, of the discounted sum of x x^T and `response` the discounted sum of
    x (r - ceiling), both little-endian float64; `weight` the discounted number of rewards; `touched` the clock then.
    """

    information: bytes
    response: bytes
    weight: float
    touched: int


class LinearState(Struct, frozen=True, gc=False):
    """All arms by name. `clock` counts rewards learnt; `residual` is their discounted summed squared surprise."""

    arms: Mapping[str, Arm] = {}
    clock: int = 0
    residual: float = 0.0
    residual_weight: float = 0.0

    def without(self, name: str) -> LinearState:
        """The arm forgotten: it left, or what it was has changed. It starts again from the prior when offered.

        >>> LinearModel().learn(LinearState(), "a", [1.0], 0.5).state.without("a").arms
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
    >>> state = model.learn(LinearState(), "a", [1.0], 0.5).state
    >>> model.believe(state, [1.0], ["a", "new"]).means
    (0.75, 1.0)
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

        >>> LinearModel(dimension=2).believe(LinearState(), [1.0, 2.0], ["new"]).deviations[0] / 0.1
        2.23606797749979
        """
        means, spreads = self._expected(state, self._context(context), offered(names))
        noise = self.deviation(state)
        return Belief(tuple(names), tuple(means), tuple([noise * sqrt(spread) for spread in spreads]))

    def learn(
        self, state: LinearState, name: str, context: Sequence[float], reward: float, weight: float = 1.0
    ) -> Learnt[LinearState]:
        """With one more reward of an arm, at most `ceiling` by convention; ValueError for one that is no number.

        `weight`, above 0, is what it counts for: a mean of few rewards says less than one of many.

        >>> learnt = LinearModel().learn(LinearState(), "a", [1.0], 0.5)
        >>> learnt.state.arms["a"].weight, learnt.expected
        (1.0, Expected(mean=1.0, error=0.1, noise=0.1, rewards=0.0))
        """
        if not isfinite(reward) or not 0.0 < weight < float("inf"):
            raise ValueError(f"a reward must be a finite number and its weight positive, found {reward} and {weight}")
        plan, call, noise = _plan(self.dimension), _routines(), self.deviation(state)
        arm = state.arms.get(name, plan.unknown)
        kept = self.forgetting ** (state.clock - arm.touched) + _TRACE
        parts = (arm.information, arm.response, self._context(context), _NUMBER.pack(reward - self.ceiling))
        known = _numbers(b"".join(parts))
        solution = self._solved(known[: plan.triangle], self.ridge / kept, known[plan.sums : -1], name)
        mean = self.ceiling + call.dot(known, solution, self.dimension, plan.triangle)
        spread = call.dot(known, solution, self.dimension, plan.sums) / kept + _LEAST_SPREAD
        sums, products = known[: plan.sums].copy(), known.take(plan.one)
        products *= known.take(plan.other)
        call.scale(self.forgetting * kept, sums)
        call.scale(weight, products)
        call.add(products, sums)
        data, end = _bytes(sums), _NUMBER.size * plan.triangle
        after = Arm(data[:end], data[end:], self.forgetting * kept * arm.weight + weight, state.clock + 1)
        surprise = weight * (reward - mean) ** 2 / (1.0 + weight * spread)
        learnt = LinearState(
            {**state.arms, name: after},
            after.touched,
            self.noise_forgetting * state.residual + surprise,
            self.noise_forgetting * state.residual_weight + weight,
        )
        return Learnt(learnt, Expected(mean, noise * sqrt(spread), noise / sqrt(weight), kept * arm.weight))

    def terms(self, state: LinearState, context: Sequence[float], name: str) -> tuple[float, ...]:
        """What each feature adds to an arm's expected reward below the ceiling; with the ceiling they sum to the mean.

        Exact, for the model is a sum: these are its Shapley values against a context of zeros (Lundberg & Lee 2017,
        corollary 1).

        >>> model = LinearModel()
        >>> (term,) = model.terms(model.learn(LinearState(), "a", [1.0], 0.5).state, [1.0], "a")
        >>> round(term, 12)
        -0.25
        """
        information, response, _ = self._faded(state, name)
        x = _numbers(self._context(context))
        return tuple((self._solved(information, self.ridge, response, name) * x).tolist())

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
        >>> one = model.learn(LinearState(), "a", [1.0], 0.5).state
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
        >>> parent = model.learn(LinearState(), "a", [1.0], 0.5).state
        >>> model.warmed(LinearState(), parent, worth=0.5).arms["a"].weight
        0.5
        """
        arms = dict(state.arms)
        for name in sorted(set(parent.arms) - set(state.arms)):
            information, response, weight = self._faded(parent, name)
            share = min(1.0, worth / weight) if weight > 0.0 else 0.0
            arms[name] = Arm(_bytes(share * information), _bytes(share * response), share * weight, state.clock)
        return replace(state, arms=arms)

    def _expected(self, state: LinearState, context: bytes, names: Sequence[str]) -> tuple[list[float], list[float]]:
        """Expected reward of each arm in a context, and its variance in units of a reward's.

        Written out, for it is what a choice costs. Sums S and b that have faded to a part make the precision
        part * A with A = S + ridge / part I = L L'; so the arm expects the ceiling + (L^-1 b)' (L^-1 x) with the
        variance |L^-1 x|^2 / part. Both vectors are the last rows of the factor of [[A, x, b], [x', *, 0],
        [b', 0, *]] with large numbers for the stars: no equation is left to be solved.
        """
        plan, (add, _, dot, factor, _) = _plan(self.dimension), _routines()
        parts: list[bytes] = []
        faded, ends = [], context + plan.corner
        for name in names:
            arm = state.arms.get(name, plan.unknown)
            parts += (arm.information, arm.response, ends)
            faded.append(self.forgetting ** (state.clock - arm.touched) + _TRACE)
        matrices = _numbers(b"".join(parts)).reshape(len(faded), -1).take(plan.places, axis=1)
        numbers, dimension, size, ones = matrices.ravel(), self.dimension, plan.size, plan.ones
        first, ceiling, ridge = 0, self.ceiling, self.ridge
        means, spreads = [], []
        # Upper triangles by columns, overwritten by their factors; the rest is left as it is.
        for name, matrix, part in zip(names, matrices.transpose(0, 2, 1), faded, strict=True):
            add(ones, numbers, size, ridge / part, 0, 1, first, size + 1)
            if factor(matrix, 0, 0, 1)[1]:
                _refuse(name)
            last = first + dimension * size
            means.append(ceiling + dot(numbers, numbers, dimension, last, 1, last + size))
            spreads.append(dot(numbers, numbers, dimension, last, 1, last) / part + _LEAST_SPREAD)
            first += size * size
        return means, spreads

    def _solved(self, information: np.ndarray, prior: float, right: np.ndarray, name: str) -> np.ndarray:
        """The solution of an arm's packed information and a prior for a right-hand side, shape (d,)."""
        call, precision = _routines(), information.copy()
        call.add(_plan(self.dimension).identity, precision, len(precision), prior)
        # Cholesky on the packed triangle: the upper one by rows is the lower one by columns. It overwrites `precision`.
        solution, failed = call.solve(self.dimension, precision, right, 1)
        if failed:
            _refuse(name)
        return solution

    def _faded(self, state: LinearState, name: str) -> tuple[np.ndarray, np.ndarray, float]:
        """Packed information, response and weight of an arm now; zeros for an unknown one."""
        arm = state.arms.get(name, _plan(self.dimension).unknown)
        kept = self.forgetting ** (state.clock - arm.touched)
        return (
            kept * _numbers(arm.information),
            kept * _numbers(arm.response),
            kept * arm.weight,
        )

    def _context(self, context: Sequence[float]) -> bytes:
        if len(context) != self.dimension or not hypot(*context) < _LONGEST:
            raise ValueError(f"a context of {self.dimension} finite numbers is needed, found {context}")
        return _plan(self.dimension).layout.pack(*context)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"the evidence of the arm {name} is not positive definite")


def _numbers(data: bytes) -> np.ndarray:
    return np.frombuffer(data, _LITTLE).astype(np.float64, copy=False)


def _bytes(values: np.ndarray) -> bytes:
    return values.astype(_LITTLE, copy=False).tobytes()


class _Routines(NamedTuple):
    """Of BLAS and LAPACK: on so few numbers a call costs a third of an operation of numpy's, or less.

    `add` (y += a x), `scale` (x *= a) and `factor` overwrite what they are given.
    """

    add: Callable[..., np.ndarray]
    scale: Callable[..., np.ndarray]
    dot: Callable[..., float]
    factor: Callable[..., tuple[np.ndarray, int]]
    solve: Callable[..., tuple[np.ndarray, int]]


@lru_cache(maxsize=1)
def _routines() -> _Routines:
    # A worker without bandits does without scipy.
    from scipy.linalg.blas import daxpy, ddot, dscal  # type: ignore[import-untyped]
    from scipy.linalg.lapack import dpotrf, dppsv  # type: ignore[import-untyped]

    return _Routines(add=daxpy, scale=dscal, dot=ddot, factor=dpotrf, solve=dppsv)


class _Plan(NamedTuple):
    """Where the numbers are in the arrays that are made of an arm's, for contexts of one length.

    `sums` numbers, the first `triangle` of them its information. `one` and `other`: which two of them, the context and
    the reward are multiplied for each. `places`: where each element of a `size` by `size` matrix is found, with the
    context and the `corner` behind the numbers. `identity`: the packed triangle of one. `unknown` is an arm of zeros.
    """

    triangle: int
    sums: int
    size: int
    one: np.ndarray
    other: np.ndarray
    identity: np.ndarray
    ones: np.ndarray
    places: np.ndarray
    corner: bytes
    unknown: Arm
    layout: Layout


@lru_cache(maxsize=16)
def _plan(dimension: int) -> _Plan:
    rows, columns = np.triu_indices(dimension)
    triangle, size = len(rows), dimension + 2
    sums = triangle + dimension
    features = sums + np.arange(dimension)
    places = np.full((size, size), sums + dimension + 1)
    places[rows, columns] = places[columns, rows] = np.arange(triangle)
    places[dimension, :dimension] = features
    places[dimension + 1, :dimension] = features - dimension
    places[dimension, dimension] = places[dimension + 1, dimension + 1] = sums + dimension
    return _Plan(
        triangle=triangle,
        sums=sums,
        size=size,
        one=np.concatenate([features[rows], features]),
        other=np.concatenate([features[columns], np.full(dimension, sums + dimension)]),
        identity=(rows == columns).astype(np.float64),
        ones=np.ones(size),
        places=places,
        corner=_NUMBER.pack(_LARGE) + _NUMBER.pack(0.0),
        unknown=Arm(bytes(_NUMBER.size * triangle), bytes(_NUMBER.size * dimension), 0.0, 0),
        layout=Layout(f"<{dimension}d"),
    )
