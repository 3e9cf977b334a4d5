"""Sample ratio mismatch: clean experiments left alone, lost units found."""

import random
from statistics import median

from decision_stream.stats.sample_ratio import SampleRatio

from .figure import Figure


def run(quick: bool) -> list[Figure]:
    runs, units = (40, 4000) if quick else (400, 20_000)
    rng = random.Random(66000)
    clean = sum(_alarm(rng, 0.5, units) is not None for _ in range(runs)) / runs
    found = [_alarm(rng, 0.55, units) or units for _ in range(runs // 2)]
    seeds = "judging 66000; concentration 100 from the literature"
    return [
        Figure(
            "6 false mismatch, alpha .001", clean, f"{runs} runs", "<= .005", clean <= 0.005,
            "chi2 peeking .029", "", seeds,
        ),
        Figure(
            "6 55/45 found after", median(found), f"median of {len(found)}", "<= 2000", median(found) <= 2000,
            "1,455", "units", seeds,
        ),
    ]  # fmt: skip


def _alarm(rng: random.Random, share: float, units: int) -> int | None:
    """Units until the alarm, looked at every 5 units."""
    watch = SampleRatio(weights=(0.5, 0.5))
    for seen in range(5, units + 1, 5):
        hits = sum(rng.random() < share for _ in range(5))
        watch = watch.counted((5 - hits, hits))
        if watch.p_value() <= 0.001:
            return seen
    return None
