"""Samples that strata save: scores of real prompts compared within the kind of task, known before the answer."""

from itertools import combinations
from math import sqrt

import numpy as np

from decision_stream.stats.adjustment import stratified
from decision_stream.stats.difference import Difference, difference
from decision_stream.stats.moments import Moments

from . import routing_table
from .figure import Figure

PROMPTS = 3_000
SEEDS = "judging 62100+; nothing to choose"


def run(quick: bool) -> list[Figure]:
    """Each pair of models on prompts drawn and dealt to two arms at random, with and without strata."""
    table = routing_table.load()
    if table is None:
        return [Figure.unmeasured("2 samples saved by strata", ">= .15", routing_table.MISSING)]
    runs, saved, pairs = 10 if quick else 200, [], list(combinations(range(len(table.models)), 2))
    covered = [0, 0]
    for seed in range(62_100, 62_100 + runs):
        draw = np.random.default_rng(seed)
        for one, other in pairs:
            rows = draw.integers(len(table.scores), size=PROMPTS)
            plain, found = _compared(table, rows, draw.random(PROMPTS) < 0.5, one, other)
            truth = float(np.mean(table.scores[:, other] - table.scores[:, one]))
            saved.append(1.0 - found.variance / plain.variance)
            for place, one_of in enumerate((plain, found)):
                covered[place] += abs(one_of.estimate - truth) <= 1.96 * one_of.standard_error
    count = runs * len(pairs)
    (without, share), value = (hits / count for hits in covered), float(np.mean(saved))
    told = f"sd {np.std(saved):.3f} over {runs} deals of each of {len(pairs)} pairs of models"
    anchor = "reference measured 15-21 % of the variance of a score explained by the task"
    spread = f"se {sqrt(0.05 * 0.95 / count):.3f}"
    beside, sure = f"without strata {without:.3f}", "2 coverage of the 95 % interval with strata"
    return [
        Figure("2 samples saved by strata of the task", value, told, ">= .15", value >= 0.15, anchor, seeds=SEEDS),
        Figure(sure, share, spread, ">= .93", share >= 0.93, beside, seeds=SEEDS),
    ]


def _compared(
    table: routing_table.RoutingTable, rows: np.ndarray, treated: np.ndarray, one: int, other: int
) -> tuple[Difference, Difference]:
    """The second model against the first on these prompts, each answered by one of them: without strata and with."""
    control, treatment = table.scores[rows[~treated], one], table.scores[rows[treated], other]
    tasks = np.array(table.tasks)[rows]
    strata = {
        task: (_moments(control[tasks[~treated] == task]), _moments(treatment[tasks[treated] == task]))
        for task in set(table.tasks)
    }
    plain, found = difference(_moments(control), _moments(treatment)), stratified(strata)
    assert plain is not None and found is not None, "scored prompts have a spread"
    return plain, found


def _moments(values: np.ndarray) -> Moments:
    if not len(values):
        return Moments()
    return Moments(len(values), float(values.mean()), float(((values - values.mean()) ** 2).sum()))
