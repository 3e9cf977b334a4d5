"""A/A under Thompson allocation: what may be concluded while a bandit divides the traffic."""

import random

from decision_stream.stats.bandits.beta import BetaThompson
from decision_stream.stats.e_process import Counts, log_evidence, p_value

from .figure import Figure

EVENTS = 7678


def run(quick: bool) -> list[Figure]:
    runs, events = (20, 1500) if quick else (150, EVENTS)
    rng, false = random.Random(63000), 0
    for _ in range(runs):
        false += _fooled(rng, events)
    share = false / runs
    return [
        Figure(
            f"3 A/A under Thompson, floor .01, {events} events",
            share,
            f"{runs} runs",
            "<= .05",
            share <= 0.05,
            "naive z .31, AIPW sequence .137",
            seeds="judging 63000; nothing to choose",
        )
    ]


def _fooled(rng: random.Random, events: int) -> bool:
    """Whether the e-process declares a difference; allocation is renewed every 20 events as in production batches."""
    counts, bandit, chance = [[0, 0], [0, 0]], BetaThompson(forgetting=1.0, floor=0.01), 0.5
    state = bandit.fresh()
    for event in range(events):
        if event % 20 == 0:
            chance = bandit.select(state, [], ["a", "b"], 0.0).propensities[1][1]
        arm = int(rng.random() < chance)
        reward = float(rng.random() < 0.1)
        counts[arm][int(reward == 0.0)] += 1
        state = bandit.learn(state, "ab"[arm], [], reward, chance if arm else 1.0 - chance).state
        if p_value(log_evidence([Counts(*pair) for pair in counts])) <= 0.05:
            return True
    return False
