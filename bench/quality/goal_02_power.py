"""Power and length of an experiment of .10 against .12, looked at after every pair."""

import random
from statistics import mean

from . import coins
from .figure import Figure

FIXED = 3839  # units per arm for a power of .80 with one look
GATES = {1.0: (0.72, 0.85, "fixed .80, mSPRT .56"), 1.5: (0.87, 1.13, "fixed .94, mSPRT .78")}


def run(quick: bool) -> list[Figure]:
    runs = 40 if quick else 400
    figures = []
    for offset, (factor, (least, longest, anchor)) in enumerate(GATES.items()):
        rng, planned = random.Random(62000 + offset), round(FIXED * factor)
        stops = [coins.judged(rng, coins.yes(0.1), coins.yes(0.12), planned, planned) for _ in range(runs)]
        power, length = mean(stop.declared for stop in stops), mean(stop.pairs for stop in stops) / FIXED
        seeds, spread = (
            "judging 62000+; nothing to choose",
            f"sd {(power * (1 - power) / runs) ** 0.5:.3f}, {runs} runs",
        )
        name = f"planned {factor:g} n80"
        figures += [
            Figure(f"2 power, {name}", power, spread, f">= {least} (gate)", power >= least, anchor, seeds=seeds),
            Figure(
                f"2 mean stop, {name}", length, "", f"<= {longest} n80", length <= longest, "1 look: all", "n80", seeds
            ),
        ]
    return figures
