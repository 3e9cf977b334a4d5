"""The response surface: what a configuration earns and costs on each kind of task, known exactly.

A route serves a mix of tasks. Models differ by task, prompts help in proportion to the difficulty, temperature has an
optimum that depends on the task, and a limit on tokens trades quality for money and time.
"""

from dataclasses import dataclass

import numpy as np

from ...model.configuration import Configuration
from ..catalog import MODELS
from ..prompts import effect

DEFAULT_TEMPERATURE = 0.7
DEFAULT_MAX_TOKENS = 1_024
TEMPERATURE_LOSS = 0.03
"""Points of quality lost at this distance from the optimal temperature:"""
TEMPERATURE_REACH = 0.7
CUT_LOSS = 0.12
"""Points of quality that an answer loses when the limit on tokens cuts it off."""
USUAL_TOKENS = 300.0
"""Length of an answer to which the catalogue's prices and times belong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A kind of request: `difficulty` 1 is the leaderboard's, `tokens` the mean length of an uncut answer."""

    name: str
    difficulty: float
    tokens: float
    best_temperature: float


TASKS = (
    Task(name="classify", difficulty=0.15, tokens=80.0, best_temperature=0.0),
    Task(name="extract", difficulty=0.30, tokens=160.0, best_temperature=0.1),
    Task(name="chat", difficulty=0.45, tokens=300.0, best_temperature=0.8),
    Task(name="code", difficulty=1.00, tokens=520.0, best_temperature=0.3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ByTask:
    """Expected figures of one request by task, each of shape (tasks,)."""

    quality: np.ndarray
    cost_usd: np.ndarray
    slowness: np.ndarray


def by_task(configuration: Configuration, skill: dict[str, np.ndarray], flat: bool = False) -> ByTask:
    """The figures of a configuration.

    `skill` holds for each model a factor on its share of wrong answers by task; below 1 it is better than its
    leaderboard. On a `flat` surface prompts and parameters change nothing.
    """
    model = MODELS[configuration.model]
    difficulty = np.array([task.difficulty for task in TASKS])
    tokens = np.array([task.tokens for task in TASKS])
    quality = 1.0 - (1.0 - model.accuracy) * difficulty * skill[model.name]
    limit = float(DEFAULT_MAX_TOKENS)
    if not flat:
        quality = quality + np.array([effect(configuration.prompt, task.difficulty) for task in TASKS])
        temperature = _number(configuration, "temperature", DEFAULT_TEMPERATURE)
        limit = _number(configuration, "max_tokens", limit)
        optimum = np.array([task.best_temperature for task in TASKS])
        quality = quality - TEMPERATURE_LOSS * ((temperature - optimum) / TEMPERATURE_REACH) ** 2
    # Lengths are exponential: this share of the answers is cut, and this is what remains of their length.
    cut = np.exp(-limit / tokens)
    length = tokens * (1.0 - cut) / USUAL_TOKENS
    return ByTask(
        quality=np.clip(quality - CUT_LOSS * cut, 0.02, 0.99),
        cost_usd=model.cost_usd * (0.25 + 0.75 * length),
        slowness=0.5 + 0.5 * length,
    )


def _number(configuration: Configuration, name: str, default: float) -> float:
    value = configuration.parameters.get(name, default)
    return float(value) if isinstance(value, int | float) else default
