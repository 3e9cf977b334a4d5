"""Goal 16: tuning three parameters in 60 noisy trials on live traffic: what is found, what it costs, whom it harms."""

import time
from collections.abc import Callable
from dataclasses import replace
from math import exp
from random import Random

import numpy as np

from decision_stream.stats.search.safe import Settings, Trial, best, propose
from decision_stream.stats.search.space import Dimension, Space

from .figure import Figure

try:
    import optuna
except ImportError:
    optuna = None

BOX = Space(
    (
        Dimension(name="temperature", low=0.0, high=2.0),
        Dimension(name="top_p", low=0.1, high=1.0),
        Dimension(name="max_tokens", low=64, high=4096, scale="log", is_integer=True),
    )
)
TRIALS = 60
NOISE = 0.05
TOLERANCE = 0.05
SEEDS = "choosing 0-9; judging 16000-"
SETTINGS = Settings(start=())
"""The defaults; the start is each surface's own."""


class Surface:
    """Utility over the unit cube with one best point, of one of three kinds, all drawn from a seed."""

    def __init__(self, seed: int) -> None:
        draw = Random(f"surface {seed}")
        self.kind = seed % 3
        self.top = 0.9
        self.best = [0.25 + 0.5 * draw.random() for _ in range(3)]
        self.steep = [0.6 + 0.6 * draw.random() for _ in range(3)]
        way = [draw.gauss(0.0, 1.0) for _ in range(3)]
        length = sum(part * part for part in way) ** 0.5
        place = [min(0.95, max(0.05, b + 0.35 * part / length)) for b, part in zip(self.best, way, strict=True)]
        self.start = BOX.from_unit(place)

    def __call__(self, values: tuple[float, ...]) -> float:
        gaps = [unit - b for unit, b in zip(BOX.to_unit(values), self.best, strict=True)]
        squares = sum(steep * gap * gap for steep, gap in zip(self.steep, gaps, strict=True))
        if self.kind == 0:  # a bowl
            return self.top - squares
        if self.kind == 1:  # a hill on a plain
            return self.top - 0.6 * (1.0 - exp(-2.5 * squares))
        # a bowl whose answers are cut off when there are too few tokens
        return self.top - 0.8 * squares - 0.2 / (1.0 + exp(20.0 * (gaps[2] + 0.25)))


def run(quick: bool) -> list[Figure]:
    """Simple and cumulative regret, share of harmful trials, milliseconds; Optuna's TPE on the same surfaces."""
    runs = 6 if quick else 45
    rows = np.array([measured(16_000 + seed, _safely) for seed in range(runs)])
    peers = "Optuna is not installed"
    theirs = None
    if optuna is not None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        theirs = np.array([measured(16_000 + seed, _with_optuna) for seed in range(min(runs, 15))])
        peers = f"Optuna {optuna.__version__} TPE"
    figures = []
    goals = (
        ("simple regret", 0, 0.03, "", 1.0),
        ("cumulative regret", 1, 5.0, "", 1.0),
        ("trials worse than the start by more than .05", 2, 0.03, "", 1.0),
        ("trials out of bounds", 3, 0.0, "", 1.0),
        ("time of a proposal", 4, 5.0, "ms", 1_000.0),
    )
    for name, column, limit, unit, factor in goals:
        value = float(rows[:, column].mean()) * factor
        noise = float(rows[:, column].std()) * factor / runs**0.5
        anchor = peers if theirs is None else f"{peers} {theirs[:, column].mean() * factor:.3g}"
        spread = f"se {noise:.2g} over {runs} surfaces of 3 kinds"
        seeds = f"{SEEDS}{16_000 + runs - 1}"
        goal = f"16 {name}, {TRIALS} trials"
        figures.append(Figure(goal, value, spread, f"<= {limit:g} {unit}", value <= limit, anchor, unit, seeds))
    return figures


def measured(seed: int, search: Callable, settings: Settings = SETTINGS) -> tuple[float, ...]:
    """Simple regret, summed regret, share of harmful trials, share out of bounds, seconds for each trial."""
    surface, draw = Surface(seed), Random(seed)
    started_s = time.process_time()
    tried, found = search(surface, draw, replace(settings, start=surface.start))
    spent_s = time.process_time() - started_s
    harmful = sum(surface(values) < surface(surface.start) - TOLERANCE for values in tried)
    outside = sum(not BOX.contains(values) for values in (*tried, found))
    highest = surface.top - (0.2 / (1.0 + exp(5.0)) if surface.kind == 2 else 0.0)
    regrets = [highest - surface(values) for values in tried]
    return highest - surface(found), sum(regrets), harmful / TRIALS, outside / TRIALS, spent_s / TRIALS


def _safely(surface: Surface, draw: Random, settings: Settings):
    trials: list[Trial] = []
    for _ in range(TRIALS):
        values = propose(trials, BOX, settings, draw.random()).values
        trials.append(Trial(values=values, outcome=surface(values) + draw.gauss(0.0, NOISE), variance=NOISE**2))
    return [trial.values for trial in trials], best(trials, BOX, settings).values


def _with_optuna(surface: Surface, draw: Random, settings: Settings):
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=draw.randrange(2**31)))
    temperature, top_p, tokens = BOX.dimensions
    study.enqueue_trial(dict(zip(("temperature", "top_p", "max_tokens"), settings.start, strict=True)))
    tried = []
    for _ in range(TRIALS):
        trial = study.ask()
        values = (
            trial.suggest_float("temperature", temperature.low, temperature.high),
            trial.suggest_float("top_p", top_p.low, top_p.high),
            trial.suggest_int("max_tokens", int(tokens.low), int(tokens.high), log=True),
        )
        tried.append(values)
        study.tell(trial, surface(values) + draw.gauss(0.0, NOISE))
    return tried, tuple(study.best_params[name] for name in ("temperature", "top_p", "max_tokens"))
