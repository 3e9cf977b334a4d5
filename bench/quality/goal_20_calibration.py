"""Are stated probabilities right, and is the effect found at the stop as large as stated?"""

import random
from statistics import mean

from decision_stream.stats.stopped import median_unbiased, shrunken

from . import coins
from .figure import Figure

PLANNED, PRIOR_SD = 1500, 0.012
SEEDS = "judging 80000+; nothing chosen"


def run(quick: bool) -> list[Figure]:
    runs = 80 if quick else 1000
    rng = random.Random(80000)
    claims, winners = [], []
    for _ in range(runs):
        effect = rng.gauss(0.0, PRIOR_SD)
        stop = coins.judged(rng, coins.score(0.7), coins.score(0.7 + effect), PLANNED, PLANNED)
        belief = shrunken(stop.found, PRIOR_SD)
        claims.append((belief.above(), effect > 0.0))
        if stop.declared and stop.found.estimate > 0.0:
            unbiased = median_unbiased(stop.found, PLANNED)
            winners.append((belief.mean, stop.found.estimate, unbiased, effect))
    gaps = []
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        bin_ = [(claim, truth) for claim, truth in claims if low <= claim < low + 0.2 or (low == 0.8 and claim >= 1.0)]
        if len(bin_) >= 20:
            gaps.append(abs(mean(c for c, _ in bin_) - mean(t for _, t in bin_)))
    shrunk, raw, unbiased, truth = (mean(values) for values in zip(*winners, strict=True))
    return [
        Figure("20 stated against true share, worst bin", max(gaps), f"{runs} experiments", "<= .05 (gate .09)",
               max(gaps) <= 0.09, "1 - p fails", "", SEEDS),
        Figure("20 effect at the stop / truth, shrunken", shrunk / truth, f"{len(winners)} winners", "<= 1.15",
               shrunk / truth <= 1.15, f"raw {raw / truth:.2f}, median-unbiased {unbiased / truth:.2f}", "", SEEDS),
    ]  # fmt: skip
