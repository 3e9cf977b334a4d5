"""Four challengers against one control, each looked at after every unit: the chance of any false winner."""

import random

from decision_stream.stats import reflection
from decision_stream.stats.difference import difference
from decision_stream.stats.family import shared
from decision_stream.stats.moments import Moments

from .figure import Figure


def run(quick: bool) -> list[Figure]:
    runs, planned = (40, 600) if quick else (300, 3839)
    rng, false = random.Random(64000), 0
    for _ in range(runs):
        false += _any_declared(rng, planned)
    share = false / runs
    return [
        Figure(
            f"4 family-wise error, 4 challengers, {planned}/arm",
            share,
            f"sd {(0.05 * 0.95 / runs) ** 0.5:.3f} over {runs} runs",
            "<= .05 true (gate .08)",
            share <= 0.08,
            "peeking .84, Bonferroni alone .41",
            seeds="judging 64000; nothing to choose",
        )
    ]


def _any_declared(rng: random.Random, planned: int) -> bool:
    bound = reflection.bound(shared(0.05, 4))
    arms = [Moments()] * 5
    for n in range(1, planned + 1):
        arms = [arm.apply(float(rng.random() < 0.1)) for arm in arms]
        if n < 30:
            continue
        for challenger in arms[1:]:
            found = difference(arms[0], challenger)
            if found is not None and abs(reflection.score(found, planned)) >= bound:
                return True
    return False
