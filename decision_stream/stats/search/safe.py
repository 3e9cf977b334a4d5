"""Where to try next when every trial is paid by users: the best upper bound among points that are surely not bad.

Safe optimisation after Sui, Gotovos, Burdick & Krause (2015), "Safe exploration for optimization with Gaussian
processes", with the whole posterior of the gain over the point in use instead of Lipschitz sets. The state is the log
of trials; nothing else is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .design import latin_hypercube
from .gaussian_process import Inputs, Kernel, condition
from .space import Space

_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class Observed:
    """A tried point: its values in the order of the space, its gain over the point in use then, and the gain's error.

    `gain` and `error` are in units of the objective; `error` is a standard error and positive.
    """

    point: tuple[float, ...]
    gain: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`amplitude` is how much the objective usually varies over the whole space (standard deviation, its units);
    `scale` the distance, in shares of an axis, over which it does; `max_loss` the worst gain that is still safe, given
    as a positive number; `caution` and `curiosity` standard deviations below and above the mean; `candidates` how many
    points are weighed.
    """

    amplitude: float = 0.1
    scale: float = 0.4
    max_loss: float = 0.05
    caution: float = 2.0
    curiosity: float = 1.0
    candidates: int = 256


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The point to try, its predicted gain with standard deviation, and how many of the points weighed were safe."""

    point: tuple[float, ...]
    gain: float
    sd: float
    safe: int


def propose(
    current: Sequence[float], trials: Sequence[Observed], space: Space, settings: Settings, seed: int
) -> Suggestion | None:
    """The next trial near or far from `current` (values in the order of the space), or None when nothing is safe.

    Deterministic in its arguments: candidates are a Latin hypercube and a cloud around the present point, drawn from
    `seed`. A point is safe when its gain less `caution` deviations is no worse than `-max_loss`.

    >>> from decision_stream.stats.search.space import Dimension
    >>> box = Space((Dimension(name="temperature", low=0.0, high=2.0),))
    >>> tried = [Observed((0.8,), -0.02, 0.01), Observed((1.2,), 0.03, 0.01)]
    >>> found = propose((1.0,), tried, box, Settings(), seed=7)
    >>> found.point[0] > 1.0, found.safe > 0
    (True, True)
    """
    draw = np.random.Generator(np.random.Philox(seed))
    dimensions, here = len(space), np.array(space.to_unit(current))
    count = settings.candidates
    everywhere = latin_hypercube(draw.random((count, dimensions)), draw.random((count, dimensions)))
    nearby = np.clip(here + 0.15 * draw.standard_normal((count, dimensions)), 0.0, 1.0)
    points = np.vstack([here[None, :], everywhere, nearby])
    # Snap to what can really be set: integers, bounds.
    values = [space.from_unit(point) for point in points[1:]]
    points[1:] = [space.to_unit(value) for value in values]
    kernel = Kernel((settings.scale,) * dimensions, settings.amplitude, level_sd=1.0, context_correlation=1.0)
    # Gains are against the point in use, which is known to have none: an anchor with a tiny error.
    seen = [here, *(np.array(space.to_unit(trial.point)) for trial in trials)]
    outcomes = np.array([0.0, *(trial.gain for trial in trials)])
    noise = np.array([1e-8, *(max(trial.error, 1e-4) ** 2 for trial in trials)])
    posterior = condition(kernel, _inputs(np.array(seen)), outcomes, noise)
    gains, deviations = posterior.predict(_inputs(points)).gain_over(0)
    gains, deviations = gains.round(_DECIMALS), deviations.round(_DECIMALS)
    apart = np.abs(points - here).max(axis=1) > 0.02
    safe = np.flatnonzero(apart & (gains - settings.caution * deviations >= -settings.max_loss))
    if not len(safe):
        return None
    best = int(safe[np.argmax((gains + settings.curiosity * deviations)[safe])])
    return Suggestion(values[best - 1], float(gains[best]), float(deviations[best]), len(safe))


def _inputs(points: np.ndarray) -> Inputs:
    return Inputs(points, np.zeros(len(points), dtype=np.int64))
