"""Goal 18, the bandit: CPU time of one choice and one reward, 16 features and 5 arms."""

import time

import numpy as np

from decision_stream.stats.bandits.shipped import contextual

from . import peers
from .figure import Figure


def run(quick: bool) -> list[Figure]:
    """The best of short runs, for a machine is seldom alone; the import of scipy.special is paid before."""
    rounds, runs = 300, 3 if quick else 30
    draw = np.random.default_rng(18_100)
    contexts = draw.standard_normal((rounds, 16)).tolist()
    names = [f"arm-{i}" for i in range(5)]
    bandit = contextual(16)
    best = float("inf")
    for _ in range(runs):
        state, started = bandit.fresh(), time.process_time_ns()
        for context in contexts:
            choice = bandit.select(state, context, names, 0.5)
            state = bandit.learn(state, choice.arm, context, 0.5, choice.propensity)
        best = min(best, (time.process_time_ns() - started) / rounds / 1_000)
    theirs = peers.microseconds(np.array(contexts), len(names))
    told = f"best of {runs}; 16 features, 5 arms"
    return [Figure("18 a bandit's choice and reward", best, told, "<= 60 us", best <= 60.0, theirs, "us", "-")]
