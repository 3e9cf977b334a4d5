"""Safe search for better parameters on live traffic: each trial is paid by users, so none may be much worse than today.

A Gaussian process learns from noisy outcomes. Only points whose gain over the running configuration is above
-tolerance with some certainty are tried, and of those the one with the highest upper bound: the idea of safe
optimisation (Sui, Gotovos, Burdick & Krause 2015, SafeOpt) with the choice of GP-UCB (Srinivas et al. 2010, eq. 6). The
trial log is the whole state. What is safe rests on the kernel's assumptions, so guards must watch each trial besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import numpy as np

from .gaussian_process import Floats, Inputs, Kernel, Prediction, condition
from .space import Space

MAX_TRIALS = 200
"""Older trials are forgotten: the world moves, and the work of a proposal grows with their cube."""

Why = Literal["reference", "explore", "exploit", "best"]
_NEARBY = 0.15
_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was tried, in the space's own units, and the mean utility it had (higher is better).

    `variance` is that of the mean, above 0: the spread of one outcome over their number. `context` is the code of what
    was asked, such as a task type; contexts share a part of what is learnt.
    """

    values: tuple[float, ...]
    outcome: float
    variance: float
    context: int = 0

    def __post_init__(self) -> None:
        if not all(map(isfinite, (*self.values, self.outcome, self.variance))) or self.variance <= 0.0:
            raise ValueError(f"a trial needs finite numbers and a variance above 0, found {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to search. Utilities are in the unit of outcomes, lengths in shares of each axis.

    `start` is the running configuration; it is tried `references` times before anything else. `tolerance` is the loss
    against it that a trial may risk, `caution` the standard deviations of certainty asked for, `curiosity` those that
    make a point attractive. `length` and `amplitude` say how far and how much utility varies over the space: too long
    or too small, and what is called safe is not.
    """

    start: tuple[float, ...]
    tolerance: float = 0.05
    caution: float = 2.5
    curiosity: float = 1.0
    references: int = 3
    length: float = 0.5
    amplitude: float = 0.25
    level_sd: float = 1.0
    context_correlation: float = 0.5
    candidates: int = 200

    def __post_init__(self) -> None:
        if min(self.tolerance, self.caution, self.curiosity) < 0.0 or self.references < 1 or self.candidates < 1:
            raise ValueError(f"tolerance, caution and curiosity from 0 on, references and candidates from 1: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What to try next, and what is expected there: mean and standard deviation of the utility and of its gain.

    The gain is that over the start. `why`: "reference" (the start must be known first), "explore" (it may be better),
    "exploit" (it is also the best as far as is known), "best" (the answer of `best`).
    """

    values: tuple[float, ...]
    mean: float
    sd: float
    gain: float
    gain_sd: float
    why: Why


def propose(trials: Sequence[Trial], space: Space, settings: Settings, chance: float, context: int = 0) -> Suggestion:
    """The next trial; always inside the bounds unless it is the start itself. The same inputs give the same answer.

    `trials` are the log in its order, of which the newest 200 count; `chance` is a uniform draw in [0, 1) that places
    the candidates. Raises ValueError for a start or trials that do not fit the space, or another `chance`.

    >>> from .space import Dimension
    >>> box = Space((Dimension(name="temperature", low=0.0, high=2.0),))
    >>> settings = Settings(start=(1.0,))
    >>> propose((), box, settings, 0.5).why
    'reference'
    >>> known = [Trial(values=(1.0,), outcome=0.7, variance=0.0001)] * 3
    >>> suggestion = propose(known, box, settings, 0.5)
    >>> suggestion.why, suggestion.gain - settings.caution * suggestion.gain_sd >= -0.05
    ('explore', True)
    """
    if not 0.0 <= chance < 1.0:
        raise ValueError(f"chance lies inside [0, 1), found {chance}")
    trials = kept(trials)
    start = settings.start
    known = sum(trial.context == context and trial.values == start for trial in trials)
    points, prediction, gain, gain_sd = _look(trials, space, settings, chance, context)
    if known < settings.references:
        return _suggestion(0, points, prediction, gain, gain_sd, trials, start, "reference")
    safe = gain - settings.caution * gain_sd >= -settings.tolerance
    upper = np.where(safe, np.round(gain + settings.curiosity * gain_sd, _DIGITS), -np.inf)
    index = int(np.argmax(upper))
    likely = int(np.argmax(np.where(safe, np.round(gain, _DIGITS), -np.inf)))
    why: Why = "exploit" if index == likely else "explore"
    return _suggestion(index, points, prediction, gain, gain_sd, trials, start, why)


def best(trials: Sequence[Trial], space: Space, settings: Settings, context: int = 0) -> Suggestion:
    """Where the search would settle now: of all points that are safe, the one with the highest mean.

    The start itself when nothing is known. Errors as in `propose`.

    >>> from .space import Dimension
    >>> box = Space((Dimension(name="temperature", low=0.0, high=2.0),))
    >>> best((), box, Settings(start=(1.0,))).values
    (1.0,)
    """
    trials = kept(trials)
    points, prediction, gain, gain_sd = _look(trials, space, settings, 0.5, context)
    safe = gain - settings.caution * gain_sd >= -settings.tolerance
    index = int(np.argmax(np.where(safe, np.round(gain, _DIGITS), -np.inf))) if trials else 0
    return _suggestion(index, points, prediction, gain, gain_sd, trials, settings.start, "best")


def kept(trials: Sequence[Trial]) -> tuple[Trial, ...]:
    """The part of a log that counts: its newest 200 trials.

    >>> len(kept([Trial(values=(0.0,), outcome=0.0, variance=1.0)] * 300))
    200
    """
    return tuple(trials[-MAX_TRIALS:])


def _look(
    trials: tuple[Trial, ...], space: Space, settings: Settings, chance: float, context: int
) -> tuple[list[tuple[float, ...]], Prediction, Floats, Floats]:
    """Candidates in the space's units (the start first), what is expected of them, and their gain over the start."""
    kernel = Kernel(
        (settings.length,) * len(space), settings.amplitude, settings.level_sd, settings.context_correlation
    )
    tried = Inputs(
        np.array([space.to_unit(trial.values) for trial in trials]).reshape(len(trials), len(space)),
        np.array([trial.context for trial in trials], np.int64),
    )
    posterior = condition(
        kernel,
        tried,
        np.array([trial.outcome for trial in trials]) - _level(trials),
        np.array([trial.variance for trial in trials]),
    )
    points = _candidates(trials, space, settings, chance, context)
    units = np.array([space.to_unit(point) for point in points])
    prediction = posterior.predict(Inputs(units, np.full(len(points), context, np.int64)))
    gain, gain_sd = prediction.gain_over(0)
    return points, prediction, gain, gain_sd


def _candidates(
    trials: tuple[Trial, ...], space: Space, settings: Settings, chance: float, context: int
) -> list[tuple[float, ...]]:
    """The start, what was tried, points spread over the space, and points round the best trial so far, all distinct."""
    spread = _spread(settings.candidates, len(space), chance)
    here = [trial for trial in trials if trial.context == context] or list(trials)
    centre = space.to_unit(max(here, key=lambda trial: trial.outcome).values if here else settings.start)
    nearby = np.array(centre) + _NEARBY * (2.0 * spread - 1.0)
    points = [settings.start, *(trial.values for trial in trials if space.contains(trial.values))]
    points += [space.from_unit(row) for row in (*spread.tolist(), *nearby.tolist())]
    return list(dict.fromkeys(tuple(point) for point in points))


def _spread(count: int, width: int, chance: float) -> Floats:
    """Points of an additive recurrence on the generalised golden ratio (Roberts 2018), shifted by the draw."""
    ratio = 2.0
    for _ in range(60):
        ratio = (1.0 + ratio) ** (1.0 / (width + 1))
    steps = ratio ** -np.arange(1.0, width + 1.0)
    # The shift of each axis takes other digits of the draw.
    shifts = np.modf(chance * 997.0 ** np.arange(width))[0]
    return np.modf(shifts + np.arange(1, count + 1)[:, None] * steps)[0]


def _level(trials: tuple[Trial, ...]) -> float:
    """The outcomes' weighted mean, which is what the surface is expected to be far from any trial."""
    if not trials:
        return 0.0
    weights = [1.0 / trial.variance for trial in trials]
    return sum(w * trial.outcome for w, trial in zip(weights, trials, strict=True)) / sum(weights)


def _suggestion(
    index: int,
    points: list[tuple[float, ...]],
    prediction: Prediction,
    gain: Floats,
    gain_sd: Floats,
    trials: tuple[Trial, ...],
    start: tuple[float, ...],
    why: Why,
) -> Suggestion:
    assert index > 0 or points[0] == start
    mean, sd = float(prediction.mean[index]) + _level(trials), float(prediction.sd[index])
    values = points[index]
    return Suggestion(values=values, mean=mean, sd=sd, gain=float(gain[index]), gain_sd=float(gain_sd[index]), why=why)
