"""Goal 18, the bandit: CPU time of one choice and one reward, 16 features and 5 arms."""

import time

import numpy as np

from decision_stream.stats.bandits.shipped import contextual

from . import peers
from .figure import Figure

ROUNDS = 300
NAMES = [f"arm-{i}" for i in range(5)]


def run(quick: bool) -> list[Figure]:
    """The bandit beside the peers."""
    best, runs = spent_us(quick)
    theirs = peers.microseconds(_contexts(), len(NAMES))
    told = f"best of {runs}; 16 features, 5 arms"
    return [Figure("18 a bandit's choice and reward", best, told, "<= 60 us", best <= 60.0, theirs, "us", "-")]


def spent_us(quick: bool) -> tuple[float, int]:
    """The best of short runs, for a machine is seldom alone, and their number; scipy.special is loaded before."""
    runs = 3 if quick else 30
    contexts, bandit = _contexts().tolist(), contextual(16)
    # Evenly spread draws: every arm is known after a few choices.
    draws = [(0.5 + 0.618034 * number) % 1.0 for number in range(ROUNDS)]
    best = float("inf")
    for _ in range(runs):
        state, started = bandit.fresh(), time.process_time_ns()
        for context, draw in zip(contexts, draws, strict=True):
            choice = bandit.select(state, context, NAMES, draw)
            state = bandit.learn(state, choice.arm, context, 0.5, choice.propensity).state
        best = min(best, (time.process_time_ns() - started) / ROUNDS / 1_000)
    return best, runs


def _contexts() -> np.ndarray:
    return np.random.default_rng(18_100).standard_normal((ROUNDS, 16))
