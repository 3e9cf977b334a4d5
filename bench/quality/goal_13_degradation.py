"""Goal 13: how soon a rise of failures is found at a promised rate of false alarms, beside a CUSUM that knows it."""

from math import sqrt

import numpy as np

from decision_stream.stats import cusum, shiryaev_roberts

from .figure import Figure

GOOD = 0.05
PROMISE = 5_000.0
BEFORE = 300
SEEDS = "choosing: none, the multiples are the reference's; judging 13000-13003"
REFERENCE = {0.075: 1.16, 0.10: 1.11, 0.20: 1.15}


def run(quick: bool) -> list[Figure]:
    """Delay over the oracle's for three new rates, and the true mean time between false alarms."""
    runs = 200 if quick else 2_000
    figures = []
    for at, (bad, anchor) in enumerate(REFERENCE.items()):
        steps = cusum.bernoulli_steps(GOOD, bad)
        threshold = cusum.bernoulli_threshold(GOOD, steps, PROMISE)
        draw = np.random.default_rng(13_001 + at)
        ours, oracle = [], []
        for _ in range(runs):
            failed = np.concatenate((draw.random(BEFORE) < GOOD, draw.random(6_000) < bad)).tolist()
            ours.append(_mixture_stops(failed) - BEFORE)
            oracle.append(_cusum_stops(failed, steps, threshold) - BEFORE)
        delays = [np.array([delay for delay in found if delay > 0]) for found in (ours, oracle)]
        means = [found.mean() for found in delays]
        ratio = means[0] / means[1]
        noise = ratio * sqrt(sum(found.var() / len(found) / found.mean() ** 2 for found in delays))
        goal = f"13 delay over the oracle CUSUM's, {GOOD} to {bad}"
        spread = f"se at most {noise:.3f} over {runs} runs"
        peers = f"oracle {means[1]:.0f} events, this {means[0]:.0f}; reference measured x{anchor}"
        figures.append(Figure(goal, ratio, spread, "<= 1.25", ratio <= 1.25, peers, "x", SEEDS))
    draw = np.random.default_rng(13_000)
    lengths = np.array([_clean_length(draw) for _ in range(runs // 2)])
    share, noise = lengths.mean() / PROMISE, lengths.std() / sqrt(len(lengths)) / PROMISE
    goal = f"13 events between false alarms over the promised {PROMISE:.0f}"
    anchor = "reference measured x1.33"
    spread = f"se {noise:.3f} over {len(lengths)} runs"
    figures.append(Figure(goal, share, spread, ">= 0.85", share >= 0.85, anchor, "x", SEEDS))
    return figures


def _mixture_stops(failed: list[bool]) -> int:
    statistics: tuple[float, ...] = ()
    for place, one in enumerate(failed):
        statistics = shiryaev_roberts.updated(statistics, one, GOOD)
        if shiryaev_roberts.level(statistics) >= PROMISE:
            return place + 1
    return len(failed)


def _cusum_stops(failed: list[bool], steps: cusum.Steps, threshold: float) -> int:
    statistic = 0.0
    for place, one in enumerate(failed):
        statistic = cusum.updated(statistic, steps.failed if one else steps.passed)
        if statistic >= threshold:
            return place + 1
    return len(failed)


def _clean_length(draw: np.random.Generator) -> int:
    statistics: tuple[float, ...] = ()
    events = 0
    while True:
        for one in (draw.random(1_000) < GOOD).tolist():
            events += 1
            statistics = shiryaev_roberts.updated(statistics, one, GOOD)
            if shiryaev_roberts.level(statistics) >= PROMISE:
                return events
