"""Contextual reward of the same setting: real routing data, the same with a failing model, and a linear world."""

from statistics import mean, stdev

import numpy as np

from . import bandit_streams as streams
from . import routing_table
from .figure import Figure

SEEDS = "chosen on 0-2 (+999), judged on 68000+"


def run(quick: bool) -> list[Figure]:
    seeds = range(68000, 68001 if quick else 68010)
    regrets = [streams.play(streams.linear(seed), seed).regret for seed in seeds]
    value = mean(regrets)
    spread = f"sd {stdev(regrets) if len(regrets) > 1 else 0:.0f}, {len(regrets)} seeds"
    figures = [
        Figure("8 regret, linear d=16, 4,000", value, spread, "<= 110", value <= 110, "VW about 580", "rewards", SEEDS)
    ]
    table = routing_table.load()
    if table is None:
        missing = "not installed: pip install --no-deps paretobandit==0.1.1"
        return [*figures, Figure("8 routing table", float("nan"), "", ">= .894 / .879", False, missing, seeds=SEEDS)]
    for name, degraded, gate, anchor in (
        ("routing", False, 0.894, "best single .900, VW .8926, ParetoBandit .863"),
        ("routing, best model -.25 for a third", True, 0.879, "VW .8826, ParetoBandit .841"),
    ):
        rewards = [streams.play(_shuffled(table, seed, degraded), seed).reward for seed in seeds]
        value = mean(rewards)
        spread = f"sd {stdev(rewards) if len(rewards) > 1 else 0:.4f}, {len(rewards)} seeds"
        figures.append(Figure(f"8 {name}", value, spread, f">= {gate}", value >= gate, anchor, seeds=SEEDS))
    return figures


def _shuffled(table: routing_table.RoutingTable, seed: int, degraded: bool) -> streams.Stream:
    order = np.random.default_rng(seed).permutation(len(table.rewards))
    rewards = table.rewards[order].copy()
    if degraded:
        third = len(rewards) // 3
        rewards[third : 2 * third, table.rewards.mean(axis=0).argmax()] -= 0.25
    return streams.Stream(table.contexts[order], rewards, 0.0)
