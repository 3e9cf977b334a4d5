"""Rewards that come late, not at all, or twice, and what that costs the shipped bandit and its peers."""

from statistics import mean

from . import bandit_streams as streams
from . import peers
from .figure import Figure

SEEDS = "chosen on 0-13, judged on 70000+"


def run(quick: bool) -> list[Figure]:
    """By which share regret grows over that with prompt rewards; a doubled reward must change nothing at all."""
    seeds = range(70000, 70002 if quick else 70040)

    def regret(delay: int = 0, lost: float = 0.0) -> float:
        return mean(streams.play(streams.steady(seed), seed, delay, lost).regret for seed in seeds)

    def beside(delay: int, lost: float) -> str:
        faulty = peers.means(streams.steady, seeds, "regret", delay, lost)
        grown = {name: f"{value / theirs[name] - 1.0:+.2f} to {value:.3g}" for name, value in faulty.items()}
        return peers.told(grown, seeds)

    theirs = peers.means(streams.steady, seeds, "regret")
    clean = regret()
    doubled = [streams.play(streams.steady(seed, 500), seed, doubled=0.05) for seed in seeds]
    once = [streams.play(streams.steady(seed, 500), seed, doubled=0.0) for seed in seeds]
    same = mean(a == b for a, b in zip(doubled, once, strict=True))
    figures = []
    for name, delay, lost, most, reference in (("500 late", 500, 0.0, 0.5, "+.34"), (".30 lost", 0, 0.3, 0.45, "+.32")):
        value = regret(delay, lost)
        spread = f"from {clean:.0f} to {value:.0f}, {len(seeds)} seeds"
        anchor = f"{beside(delay, lost)}; reference measured {reference}"
        grown = value / clean - 1.0
        figures.append(Figure(f"10 regret, {name}", grown, spread, f"<= +{most:.2f}", grown <= most, anchor, "", SEEDS))
    return [*figures, Figure("10 same play with .05 doubled", same, "", "1", same == 1.0, "-", "", SEEDS)]
