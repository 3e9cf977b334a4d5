"""Regret of the shipped setting on a steady stream and on one whose best arm falls."""

from statistics import mean, stdev

from . import bandit_streams as streams
from .figure import Figure

SEEDS = "chosen on 0-19, judged on 67000+"
CASES = {
    "steady, 6,000 events": (streams.steady, 85.0, "Thompson 57, discounted .9995 80"),
    "best arm falls, 8,000 events": (streams.switching, 200.0, "Thompson 237, discounted .9995 179"),
}


def run(quick: bool) -> list[Figure]:
    seeds = range(67000, 67004 if quick else 67050)
    figures = []
    for name, (stream, gate, anchor) in CASES.items():
        regrets = [streams.play(stream(seed), seed).regret for seed in seeds]
        spread = f"sd {stdev(regrets):.0f} over {len(regrets)} seeds, worst {max(regrets):.0f}"
        value = mean(regrets)
        figures.append(
            Figure(f"7 regret, {name}", value, spread, f"<= {gate:g}", value <= gate, anchor, "rewards", SEEDS)
        )
    return figures
