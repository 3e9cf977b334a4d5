"""Regret of the shipped setting on a steady stream and on one whose best arm falls; the same with change-point resets.

Resets are an option of the library (`bandit_streams.resetting`), held to the stretch goals.
"""

from statistics import mean, stdev

from . import bandit_streams as streams
from . import peers
from .figure import Figure

SEEDS = "chosen on 0-19, judged on 67000+"
CASES = {
    "steady, 6,000 events": (streams.steady, 85.0, 65.0, "Thompson 57, discounted .9995 80"),
    "best arm falls, 8,000 events": (streams.switching, 200.0, 140.0, "Thompson 237, discounted .9995 179"),
}


def run(quick: bool) -> list[Figure]:
    """Mean regret on each stream, beside that of every peer that is installed."""
    seeds = range(67000, 67002 if quick else 67050)
    figures = []
    for name, (stream, gate, stretch, reference) in CASES.items():
        anchor = f"{peers.compared(stream, seeds, 'regret')}; reference measured {reference}"
        plain = [streams.play(stream(seed), seed).regret for seed in seeds]
        figures.append(_figure(f"7 regret, {name}", plain, gate, anchor, SEEDS))
        resetting = [streams.play(stream(seed), seed, bandit=streams.resetting(1)).regret for seed in seeds]
        goal = f"7 regret with resets (option), {name}"
        figures.append(_figure(goal, resetting, stretch, "the row above", "chosen on 0-9, judged on 67000+"))
    return figures


def _figure(goal: str, regrets: list[float], gate: float, anchor: str, seeds: str) -> Figure:
    value = mean(regrets)
    spread = f"sd {stdev(regrets):.0f} over {len(regrets)} seeds, worst {max(regrets):.0f}"
    return Figure(goal, value, spread, f"<= {gate:g}", value <= gate, anchor, "rewards", seeds)
