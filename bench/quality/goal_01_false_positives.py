"""False positives of an A/A test that is looked at after every pair of units."""

import random

from . import coins
from .figure import Figure

SEEDS = "judging 61000+; the bound has nothing to choose"
ANCHOR = {"binary .10": "naive z, each event: .43", "score": "naive z: .47", "cost": "naive z: .43"}


def run(quick: bool) -> list[Figure]:
    runs, planned = (60, 800) if quick else (400, 5000)
    draws = {"binary .10": coins.yes(0.1), "score": coins.score(0.7), "cost": coins.cost(-6.0)}
    figures = []
    for offset, (name, draw) in enumerate(draws.items()):
        rng = random.Random(61000 + offset)
        share = sum(coins.judged(rng, draw, draw, planned, planned).declared for _ in range(runs)) / runs
        figures.append(
            Figure(
                f"1 A/A false positives, {name}, {planned}/arm",
                share,
                f"sd {(0.05 * 0.95 / runs) ** 0.5:.3f} over {runs} runs",
                "<= .05 true (gate .08)",
                share <= 0.08,
                ANCHOR[name],
                seeds=SEEDS,
            )
        )
    return figures
