"""Spending against a budget through a model's failure, on the routing table: three phases of 608 prompts."""

from statistics import mean

import numpy as np

from decision_stream.stats.bandits.pacing import Pacer
from decision_stream.stats.bandits.rules import Belief
from decision_stream.stats.bandits.shipped import contextual, linear

from . import routing_table
from .figure import Figure

PHASE = 608
BUDGETS = (3.0e-4, 6.6e-4, 1.9e-3)
ANCHOR = "ParetoBandit .95-1.00, without a pacer 1.5-6.9"


def run(quick: bool) -> list[Figure]:
    table = routing_table.load()
    if table is None:
        return [Figure.unmeasured("9 spend / budget", "<= 1.05", routing_table.MISSING)]
    figures = []
    for budget in BUDGETS:
        runs = [_phases(table, budget, seed) for seed in range(69000, 69001 if quick else 69008)]
        worst = [mean(run[0][phase] for run in runs) for phase in range(3)]
        reward = mean(run[1] for run in runs)
        figures.append(
            Figure(
                f"9 spend / budget ${budget:g}, worst phase",
                max(worst),
                f"phases {', '.join(f'{value:.2f}' for value in worst)}; mean score {reward:.3f}; {len(runs)} seeds",
                "<= 1.05",
                max(worst) <= 1.05,
                ANCHOR,
                seeds="chosen on 0-2, judged on 69000+",
            )
        )
    return figures


def _phases(table: routing_table.RoutingTable, budget: float, seed: int) -> tuple[list[float], float]:
    """Spend over budget in each phase, and the mean score. In the second phase the middle model fails at .75."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(table.scores))[: 3 * PHASE]
    scores = table.scores[rows].copy()
    scores[PHASE : 2 * PHASE, 2] = 0.75
    bandit, rule = contextual(table.contexts.shape[1]), linear(table.contexts.shape[1]).rule
    state, pacer, expected = bandit.fresh(), Pacer(budget=budget), table.costs[:50].mean(axis=0)
    spent, total = [0.0, 0.0, 0.0], 0.0
    for event, row in enumerate(rows):
        offered = [i for i, fits in enumerate(pacer.affordable(expected.tolist())) if fits]
        belief = bandit.believe(state, table.contexts[row], [table.models[i] for i in offered])
        means = tuple(mean - pacer.penalty(expected[i]) for mean, i in zip(belief.means, offered, strict=True))
        choice = rule.select(Belief(belief.names, means, belief.deviations), rng.random())
        arm = table.models.index(choice.arm)
        cost = table.costs[row, arm]
        expected[arm] += 0.05 * (cost - expected[arm])
        pacer, state = (
            pacer.paid(cost),
            bandit.learn(state, choice.arm, table.contexts[row], scores[event, arm], choice.propensity).state,
        )
        spent[event // PHASE] += cost / (budget * PHASE)
        total += scores[event, arm]
    return spent, total / len(rows)
