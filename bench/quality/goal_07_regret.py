"""Regret of the shipped bandit on a steady stream and on one whose best arm falls, held to the stretch goals."""

from statistics import mean, stdev

from . import bandit_streams as streams
from . import peers
from .figure import Figure

SEEDS = "chosen on 0-19, judged on 67000+"
CASES = {
    "steady, 6,000 events": (streams.steady, 65.0, 85.0, "Thompson 57, discounted .9995 80"),
    "best arm falls, 8,000 events": (streams.switching, 140.0, 200.0, "Thompson 237, discounted .9995 179"),
}


def run(quick: bool) -> list[Figure]:
    """Mean regret on each stream, beside that of every peer that is installed."""
    seeds = range(67000, 67002 if quick else 67050)
    figures = []
    for name, (stream, stretch, goal, reference) in CASES.items():
        anchor = f"{peers.compared(stream, seeds, 'regret')}; reference measured {reference}"
        regrets = [streams.play(stream(seed), seed).regret for seed in seeds]
        value = mean(regrets)
        spread = f"sd {stdev(regrets):.0f} over {len(regrets)} seeds, worst {max(regrets):.0f}"
        told, met = f"<= {stretch:g} (goal {goal:g})", value <= stretch
        figures.append(Figure(f"7 regret, {name}", value, spread, told, met, anchor, "rewards", SEEDS))
    return figures
