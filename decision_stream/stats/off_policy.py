"""Off-policy evaluation: what another policy would have earned, judged from decisions whose propensities were logged.

A log of n decisions has rewards r, propensities p > 0 (the chance with which the logged action was taken) and the
target policy's probabilities pi of the same actions. The weight of a decision is w = pi / p.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, log, sqrt

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from . import normal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A policy's mean reward, in the unit of the rewards, with an interval that holds at one look.

    `effective_size` is Kish's (sum w)^2 / sum w^2: so many decisions of the target policy itself would say as much.
    Below a few dozen the interval, which is asymptotic, is too narrow to be believed.
    """

    value: float
    standard_error: float
    low: float
    high: float
    level: float
    count: int
    effective_size: float


class WeightedSums(Struct, frozen=True, gc=False):
    """A log kept as sums, so that a stream can carry it: 56 bytes for each policy that is judged; sums add up.

    `w`, `r` in the names of the fields are the weight and the reward that are multiplied before summing.

    >>> sums = WeightedSums().apply(1.0, reward=1.0, propensity=0.5).apply(0.0, reward=0.0, propensity=0.5)
    >>> sums.apply(1.0, reward=0.5, propensity=0.5).snips().value
    0.75
    """

    count: int = 0
    w: float = 0.0
    ww: float = 0.0
    wr: float = 0.0
    wwr: float = 0.0
    wwrr: float = 0.0

    def apply(self, probability: float, *, reward: float, propensity: float) -> WeightedSums:
        """With one more decision, whose action the judged policy takes with `probability`.

        Raises ValueError for a propensity outside (0, 1], a probability outside [0, 1] or a reward that is no number.
        """
        if not 0.0 < propensity <= 1.0 or not 0.0 <= probability <= 1.0 or not isfinite(reward):
            raise ValueError(f"no logged decision: probability {probability}, propensity {propensity}, reward {reward}")
        w = probability / propensity
        wr = w * reward
        return WeightedSums(
            self.count + 1,
            self.w + w,
            self.ww + w * w,
            self.wr + wr,
            self.wwr + w * wr,
            self.wwrr + wr * wr,
        )

    def merge(self, other: WeightedSums) -> WeightedSums:
        """Both logs together.

        >>> WeightedSums(1, 2.0, 4.0, 2.0, 4.0, 4.0).merge(WeightedSums(1)).count
        2
        """
        return WeightedSums(
            self.count + other.count,
            self.w + other.w,
            self.ww + other.ww,
            self.wr + other.wr,
            self.wwr + other.wwr,
            self.wwrr + other.wwrr,
        )

    def ips(self, level: float = 0.95) -> Estimate:
        """Inverse propensity score, mean of w r (Horvitz & Thompson 1952): unbiased; its variance grows with w.

        Raises ValueError below two decisions.
        """
        self._enough()
        value = self.wr / self.count
        variance = max(0.0, self.wwrr - self.count * value * value) / (self.count - 1)
        return _estimate(value, sqrt(variance / self.count), level, self.count, self.effective_size)

    def snips(self, level: float = 0.95) -> Estimate:
        """Self-normalised: sum w r / sum w (Swaminathan & Joachims 2015, eq. 8); never outside the rewards' range.

        The standard error is that of the ratio by the delta method (Hesterberg 1995): sqrt(sum w^2 (r - v)^2) /
        sum w. Raises ValueError below two decisions, or when the policy would have taken none of the logged actions.
        """
        self._enough()
        if self.w <= 0.0:
            raise ValueError("the target policy takes none of the logged actions: the log says nothing about it")
        value = self.wr / self.w
        squares = max(0.0, self.wwrr - 2.0 * value * self.wwr + value * value * self.ww)
        return _estimate(value, sqrt(squares) / self.w, level, self.count, self.effective_size)

    @property
    def effective_size(self) -> float:
        """Kish's effective number of decisions; 0 when none has weight.

        >>> WeightedSums(2, 2.0, 4.0).effective_size
        1.0
        """
        return self.w * self.w / self.ww if self.ww > 0.0 else 0.0

    @property
    def mean_weight(self) -> float:
        """Should be 1 within its noise: far from 1, the logged propensities are not those that acted."""
        return self.w / self.count if self.count else float("nan")

    def _enough(self) -> None:
        if self.count < 2:
            raise ValueError(f"an estimate needs at least 2 decisions, found {self.count}")


def weighted_sums(rewards: ArrayLike, propensities: ArrayLike, probabilities: ArrayLike) -> WeightedSums:
    """Sums of a whole log; all three of shape (n,). See `WeightedSums` for what may not be.

    >>> weighted_sums([1.0, 0.0, 0.5], [0.5, 0.5, 0.5], [1.0, 0.0, 1.0]).ips().value
    1.0
    """
    r, p, pi = _log(rewards, propensities, probabilities)
    w = pi / p
    wr = w * r
    return WeightedSums(
        len(r), float(w.sum()), float((w * w).sum()), float(wr.sum()), float((w * wr).sum()), float((wr * wr).sum())
    )


def ips(rewards: ArrayLike, propensities: ArrayLike, probabilities: ArrayLike, level: float = 0.95) -> Estimate:
    """`WeightedSums.ips` of a log given as arrays of shape (n,).

    >>> ips([1.0, 0.0, 1.0, 1.0], [0.5] * 4, [0.5] * 4).value
    0.75
    """
    return weighted_sums(rewards, propensities, probabilities).ips(level)


def snips(rewards: ArrayLike, propensities: ArrayLike, probabilities: ArrayLike, level: float = 0.95) -> Estimate:
    """`WeightedSums.snips` of a log given as arrays of shape (n,).

    >>> snips([1.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.25, 0.25], [0.5] * 4).value
    0.8333333333333334
    """
    return weighted_sums(rewards, propensities, probabilities).snips(level)


def doubly_robust(
    rewards: ArrayLike,
    propensities: ArrayLike,
    actions: ArrayLike,
    policy: ArrayLike,
    predicted: ArrayLike,
    level: float = 0.95,
) -> Estimate:
    """Mean of sum_a pi(a) q(a) + w (r - q(taken)): Dudik, Langford & Li (2011), eq. 1.

    Right when either the propensities or the predictions are. `actions`, shape (n,), are the indices of the logged
    actions; `policy`, the target's probabilities, and `predicted`, expected rewards from a model that did not learn
    from the same decision (see `cross_fitted_means`), have the shape (n, actions). Raises ValueError for other shapes,
    rows of `policy` that do not sum to 1, and values as in `WeightedSums`.

    >>> doubly_robust([1.0, 0.0], [0.5, 0.5], [0, 1], [[1.0, 0.0]] * 2, [[0.75, 0.5]] * 2).value
    1.0
    """
    pi, q, taken = np.asarray(policy, np.float64), np.asarray(predicted, np.float64), np.asarray(actions)
    if pi.ndim != 2 or pi.shape != q.shape or taken.shape != pi.shape[:1]:
        raise ValueError(
            f"policy {pi.shape}, predictions {q.shape}, actions {taken.shape}: expected (n, k) twice, (n,)"
        )
    if len(taken) and not (taken.min() >= 0 and taken.max() < pi.shape[1]):
        raise ValueError(f"actions must be indices below {pi.shape[1]}")
    if np.abs(pi.sum(axis=1) - 1.0).max(initial=0.0) > 1e-6 or not np.isfinite(q).all():
        raise ValueError("each row of the policy must sum to 1, and each prediction be finite")
    rows = np.arange(len(taken))
    r, p, chance = _log(rewards, propensities, pi[rows, taken])
    if len(r) < 2:
        raise ValueError(f"an estimate needs at least 2 decisions, found {len(r)}")
    w = chance / p
    scores = (pi * q).sum(axis=1) + w * (r - q[rows, taken])
    size = float(w.sum() ** 2 / (w * w).sum()) if w.any() else 0.0
    return _estimate(float(scores.mean()), float(scores.std(ddof=1)) / sqrt(len(r)), level, len(r), size)


def cross_fitted_means(rewards: ArrayLike, actions: ArrayLike, count: int, folds: int = 2) -> Floats:
    """Mean reward of each action over the decisions outside a row's own fold, shape (n, count): a first q.

    Decision i belongs to fold i mod `folds`. Each action starts from one imagined decision at the overall mean of
    the other folds, so that a rare one is not believed. Cross-fitting after Chernozhukov et al. (2018), section 3.

    >>> cross_fitted_means([1.0, 0.0, 0.0, 1.0], [0, 0, 1, 1], 2)[0].tolist()
    [0.25, 0.75]
    """
    r, taken = np.asarray(rewards, np.float64), np.asarray(actions)
    if r.ndim != 1 or taken.shape != r.shape or folds < 2 or len(r) < folds:
        raise ValueError(
            f"rewards {r.shape}, actions {taken.shape}, {folds} folds: expected (n,) twice, 2 <= folds <= n"
        )
    fold = np.arange(len(r)) % folds
    means = np.empty((folds, count))
    for this in range(folds):
        others = fold != this
        sums = np.bincount(taken[others], weights=r[others], minlength=count)
        counts = np.bincount(taken[others], minlength=count)
        means[this] = (sums + r[others].mean()) / (counts + 1.0)
    return means[fold]


def lower_bound(rewards: ArrayLike, propensities: ArrayLike, probabilities: ArrayLike, alpha: float = 0.05) -> float:
    """A value the target policy's mean reward exceeds with probability 1 - alpha, however often one has looked.

    A bet against each smaller value (Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2022, "Anytime-valid
    off-policy inference for contextual bandits", theorem 1): exact at every size and for any weights, as rewards lie
    in [0, 1] and the log is given in its order. The bets follow the variance seen so far (Waudby-Smith & Ramdas
    2024, eq. 26). 0 when nothing can be said. Raises ValueError for rewards outside [0, 1].

    >>> round(lower_bound([1.0] * 200, [0.5] * 200, [0.5] * 200), 2)
    0.97
    """
    r, p, pi = _log(rewards, propensities, probabilities)
    if not 0.0 < alpha < 1.0 or (len(r) and not (r.min() >= 0.0 and r.max() <= 1.0)):
        raise ValueError(f"rewards must lie inside [0, 1] and alpha inside (0, 1), found alpha {alpha}")
    if not len(r):
        return 0.0
    x = pi / p * r
    bets = _bets(x, alpha)
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        # A larger value loses more in every round, so what is beaten is an interval that starts at 0. The best moment
        # of the past counts, for the bound holds at all of them together.
        wealth = np.cumsum(np.log1p(np.minimum(bets, 0.5 / middle) * (x - middle)))
        low, high = (middle, high) if wealth.max() >= -log(alpha) else (low, middle)
    return low


def _bets(x: Floats, alpha: float) -> Floats:
    """How much to stake in each round, from the mean and variance of the rounds before it."""
    n = np.arange(1, len(x) + 1)
    means = (0.5 + np.cumsum(x)) / (n + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (n + 1)
    before = np.concatenate(([0.25], variances[:-1]))
    return np.sqrt(-2.0 * log(alpha) / (before * n * np.log1p(n)))


def _log(rewards: ArrayLike, propensities: ArrayLike, probabilities: ArrayLike) -> tuple[Floats, Floats, Floats]:
    r, p, pi = (np.asarray(values, np.float64) for values in (rewards, propensities, probabilities))
    if r.ndim != 1 or not r.shape == p.shape == pi.shape:
        raise ValueError(f"rewards {r.shape}, propensities {p.shape}, probabilities {pi.shape}: expected (n,) thrice")
    if not ((p > 0.0) & (p <= 1.0)).all() or not ((pi >= 0.0) & (pi <= 1.0)).all() or not np.isfinite(r).all():
        raise ValueError("propensities must lie inside (0, 1], probabilities inside [0, 1], and rewards be finite")
    return r, p, pi


def _estimate(value: float, error: float, level: float, count: int, size: float) -> Estimate:
    width = normal.quantile(0.5 + 0.5 * level) * error
    return Estimate(value, error, value - width, value + width, level, count, size)
