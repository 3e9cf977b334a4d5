"""Contextual reward of the shipped bandit: real routing data, the same with a failing model, and a linear world."""

from collections.abc import Callable, Sequence
from statistics import mean, stdev

import numpy as np

from . import bandit_streams as streams
from . import peers, routing_table
from .figure import Figure

SEEDS = "chosen on 0-2, judged on 68000+"


def run(quick: bool) -> list[Figure]:
    """Regret in the linear world, rewards on the routing table; every peer that is installed on the same streams."""
    seeds = range(68000, 68001 if quick else 68010)
    figures = [_judged("8 regret, linear d=16, 4,000", streams.linear, seeds, "regret", 110.0, "")]
    table = routing_table.load()
    if table is None:
        return [*figures, Figure.unmeasured("8 reward on the routing table", ">= .894 / .879", routing_table.MISSING)]
    for name, degraded, gate, anchor in (
        ("routing", False, 0.894, "; best single .900, reference measured ParetoBandit .863"),
        ("routing, best model -.25 for a third", True, 0.879, "; reference measured ParetoBandit .841"),
    ):

        def shuffled(seed: int, degraded: bool = degraded) -> streams.Stream:
            return _shuffled(table, seed, degraded)

        figures.append(_judged(f"8 {name}", shuffled, seeds, "reward", gate, anchor))
    return figures


def _judged(
    goal: str, stream: Callable[[int], streams.Stream], seeds: Sequence[int], measure: str, gate: float, anchor: str
) -> Figure:
    """The shipped bandit beside the peers, by its mean reward or regret."""
    regret = measure == "regret"
    text, unit = (f"<= {gate:g}", "rewards") if regret else (f">= {gate:g}", "")
    values = [getattr(streams.play(stream(seed), seed), measure) for seed in seeds]
    value = mean(values)
    spread = f"sd {stdev(values) if len(values) > 1 else 0:.{0 if regret else 4}f}, {len(values)} seeds"
    met = value <= gate if regret else value >= gate
    return Figure(goal, value, spread, text, met, peers.compared(stream, seeds, measure) + anchor, unit, SEEDS)


def _shuffled(table: routing_table.RoutingTable, seed: int, degraded: bool) -> streams.Stream:
    order = np.random.default_rng(seed).permutation(len(table.rewards))
    rewards = table.rewards[order].copy()
    if degraded:
        third = len(rewards) // 3
        rewards[third : 2 * third, table.rewards.mean(axis=0).argmax()] -= 0.25
    return streams.Stream(table.contexts[order], rewards, 0.0)
