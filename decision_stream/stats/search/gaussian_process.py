"""Gaussian process regression: what noisy outcomes at some points say about the whole surface.

Sized for at most a few hundred observations and recomputed from them each time, so that nothing but the
observations needs keeping. Sums run in the order of the observations. The last bits of a prediction may still
differ between linear algebra libraries; whoever ranks predictions should round before comparing.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Kernel:
    """Prior over surfaces: a level for each context plus a smooth shape that contexts partly share.

    cov(f_c(x), f_c'(x')) = level_sd² [c = c'] + amplitude² k(x, x') (1 if c = c' else context_correlation)
    with k the Matérn 5/2 correlation, Rasmussen & Williams (2006) eq. 4.17, and one length scale per axis.
    `amplitude` and `level_sd` are in the unit of the outcomes, `scales` in unit coordinates.

    >>> Kernel(scales=(0.5,), amplitude=2.0).variance
    5.0
    """

    scales: tuple[float, ...]
    amplitude: float
    level_sd: float = 1.0
    context_correlation: float = 0.5

    def __post_init__(self) -> None:
        if not self.scales or not all(math.isfinite(scale) and scale > 0 for scale in self.scales):
            raise ValueError(f"length scales {self.scales!r}, expected at least one and all above 0")
        if not (math.isfinite(self.amplitude) and self.amplitude > 0):
            raise ValueError(f"amplitude {self.amplitude!r}, expected above 0")
        if not (math.isfinite(self.level_sd) and self.level_sd >= 0):
            raise ValueError(f"level_sd {self.level_sd!r}, expected 0 or more")
        if not 0.0 <= self.context_correlation <= 1.0:
            raise ValueError(f"context_correlation {self.context_correlation!r}, expected 0 to 1")

    def covariance(self, left: "Inputs", right: "Inputs") -> Floats:
        """Prior covariance of the surface between two sets of inputs, shape (len(left), len(right))."""
        same = left.contexts[:, None] == right.contexts[None, :]
        shape = self.amplitude**2 * matern52(left.points, right.points, self.scales)
        return np.where(same, self.level_sd**2 + shape, self.context_correlation * shape)

    @property
    def variance(self) -> float:
        """Prior variance of the surface at any one input."""
        return self.level_sd**2 + self.amplitude**2


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """Where a surface is looked at: `points`, shape (n, d), unit coordinates; `contexts`, shape (n,), codes."""

    points: Floats
    contexts: Codes

    def __post_init__(self) -> None:
        if self.points.ndim != 2 or self.contexts.shape != (len(self.points),):
            raise ValueError(f"points {self.points.shape}, contexts {self.contexts.shape}, expected (n, d) and (n,)")
        if not np.all(np.isfinite(self.points)):
            raise ValueError("points hold a value that is not finite")

    def __len__(self) -> int:
        return len(self.points)


def matern52(left: Floats, right: Floats, scales: tuple[float, ...]) -> Floats:
    """Matérn 5/2 correlation, shape (n, m), between points of shape (n, d) and (m, d).

    Rasmussen & Williams (2006) eq. 4.17 with r the distance after dividing each axis by its scale.

    >>> matern52(np.array([[0.0]]), np.array([[0.0], [1.0]]), (1.0,)).round(4).tolist()
    [[1.0, 0.524]]
    """
    squared = np.zeros((len(left), len(right)))
    for axis, scale in enumerate(scales):
        gap = (left[:, axis, None] - right[None, :, axis]) / scale
        squared += gap * gap
    stretched = np.sqrt(5.0 * squared)
    return (1.0 + stretched + (5.0 / 3.0) * squared) * np.exp(-stretched)


@dataclass(frozen=True, slots=True, eq=False)
class Posterior:
    """The surface after some outcomes; made by `condition`, used at once, never stored.

    >>> nowhere = Inputs(np.empty((0, 1)), np.empty(0, np.int64))
    >>> condition(Kernel((0.5,), 1.0, 0.0), nowhere, np.empty(0), np.empty(0)).log_evidence
    -0.0
    """

    kernel: Kernel
    inputs: Inputs
    factor: Floats
    whitened: Floats

    @property
    def log_evidence(self) -> float:
        """Log marginal likelihood of the outcomes, Rasmussen & Williams (2006) eq. 2.30."""
        return float(
            -0.5 * (self.whitened @ self.whitened)
            - np.log(np.diag(self.factor)).sum()
            - 0.5 * len(self.inputs) * math.log(2.0 * math.pi)
        )

    def predict(self, at: Inputs) -> "Prediction":
        """Mean and uncertainty of the surface at the given inputs, eqs. 2.25 and 2.26."""
        cross = self.kernel.covariance(self.inputs, at)
        explained: Floats = _forward(self.factor, cross) if len(self.inputs) else cross
        return Prediction(self.kernel, at, explained.T @ self.whitened, explained)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Posterior of the surface at some inputs: `mean`, shape (m,), and what is needed for covariances.

    >>> at = Inputs(np.array([[0.2], [0.7]]), np.array([0, 0]))
    >>> seen = condition(Kernel((0.5,), 1.0, 0.0), at, np.array([1.0, 0.0]), np.array([0.01, 0.01])).predict(at)
    >>> seen.sd.round(2).tolist(), seen.gain_over(0)[0].round(2).tolist()
    ([0.1, 0.1], [0.0, -0.98])
    """

    kernel: Kernel
    at: Inputs
    mean: Floats
    explained: Floats

    @property
    def sd(self) -> Floats:
        """Posterior standard deviation of the surface itself, shape (m,), without outcome noise."""
        variance = self.kernel.variance - np.einsum("nm,nm->m", self.explained, self.explained)
        return np.sqrt(np.maximum(variance, 0.0))

    def gain_over(self, index: int) -> tuple[Floats, Floats]:
        """Mean and standard deviation of f(x) - f(x_index) for every input x, both of shape (m,).

        Narrower than the two separate uncertainties suggest: neighbours are wrong in the same direction.
        """
        anchor = Inputs(self.at.points[[index]], self.at.contexts[[index]])
        shared = self.kernel.covariance(self.at, anchor)[:, 0] - self.explained.T @ self.explained[:, index]
        variance = self.sd**2
        gap = variance + variance[index] - 2.0 * shared
        gap[index] = 0.0
        return self.mean - self.mean[index], np.sqrt(np.maximum(gap, 0.0))


def condition(kernel: Kernel, inputs: Inputs, outcomes: Floats, noise_variances: Floats) -> Posterior:
    """Posterior given `outcomes`, shape (n,), each with its own known noise variance, shape (n,), above 0.

    Rasmussen & Williams (2006) algorithm 2.1 with a diagonal in place of one noise level; n = 0 gives the prior.
    Raises ValueError for shapes that do not match, values that are not finite, or a variance not above 0.

    >>> twice = Inputs(np.array([[0.2], [0.2]]), np.array([0, 0]))
    >>> seen = condition(Kernel((0.5,), 1.0, 0.0), twice, np.array([1.0, 1.0]), np.array([0.5, 0.5]))
    >>> seen.predict(twice).mean.round(3).tolist()
    [0.8, 0.8]
    """
    if outcomes.shape != (len(inputs),) or noise_variances.shape != (len(inputs),):
        raise ValueError(f"{outcomes.shape} outcomes and {noise_variances.shape} variances for {len(inputs)} inputs")
    if not np.all(np.isfinite(outcomes)):
        raise ValueError("outcomes hold a value that is not finite")
    if not np.all(np.isfinite(noise_variances) & (noise_variances > 0)):
        raise ValueError("noise variances hold a value that is not finite and above 0")
    covariance = kernel.covariance(inputs, inputs)
    covariance[np.diag_indices(len(inputs))] += noise_variances
    factor = np.asarray(np.linalg.cholesky(covariance), np.float64)
    return Posterior(kernel, inputs, factor, _forward(factor, outcomes) if len(inputs) else outcomes)


def _forward(factor: Floats, right: Floats) -> Floats:
    """Solution of factor x = right; numpy's solver, since scipy's triangular one takes three times as long here."""
    return np.asarray(np.linalg.solve(factor, right), np.float64)
