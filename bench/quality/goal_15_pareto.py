"""Goal 15: exact fronts and volumes beside moocore, the time of one, and choices that nothing irrelevant moves."""

import time

import numpy as np

from decision_stream.stats import pareto
from decision_stream.stats.hypervolume import hypervolume

from .figure import Figure

try:
    import moocore
except ImportError:
    moocore = None

SEEDS = "choosing: none; judging 15000-15120"
FRONTS = 120


def run(quick: bool) -> list[Figure]:
    """Fronts that agree, largest difference of a volume, microseconds, and choices that moved."""
    figures = []
    draw = np.random.default_rng(15_000)
    if moocore is None:
        figures.append(Figure.unmeasured("15 fronts equal to moocore's", "all", "moocore: make quality installs it"))
    else:
        same, worst = 0, 0.0
        for front in range(FRONTS):
            count, width = int(draw.integers(1, 200)), int(draw.integers(1, 6))
            rows = np.round(draw.random((count, width)), int(draw.integers(1, 8)))
            signs = draw.integers(2, size=width).astype(bool)
            directions = ["max" if sign else "min" for sign in signs]
            theirs = moocore.is_nondominated(rows, maximise=signs.tolist(), keep_weakly=True)
            same += pareto.front(rows.tolist(), directions) == np.flatnonzero(theirs).tolist()
            if width > 1 and front < (30 if quick else FRONTS):
                few = rows[:30]
                ours = hypervolume(few.tolist(), [1.1] * width, ["min"] * width)
                worst = max(worst, abs(ours - float(moocore.hypervolume(few, ref=[1.1] * width))))
        anchor, goal = f"moocore {moocore.__version__}", "15 fronts equal to moocore's"
        spread = "1-200 rows, 1-5 objectives"
        figures.append(Figure(goal, same, spread, f"all {FRONTS}", same == FRONTS, anchor, "fronts", SEEDS))
        goal = "15 largest difference of a hypervolume"
        figures.append(Figure(goal, worst, "2-5 objectives, 30 rows", "<= 1e-9", worst <= 1e-9, anchor, "", SEEDS))
    rows = draw.random((20, 3)).tolist()
    repeats = 200 if quick else 2_000
    ours = _microseconds(lambda: pareto.front(rows, ("max", "min", "min")), repeats)
    table = np.array(rows)
    peer = "not installed"
    if moocore is not None:
        signs = [True, False, False]
        theirs = _microseconds(lambda: moocore.is_nondominated(table, maximise=signs), repeats)
        peer = f"moocore {theirs:.0f} us (C)"
    figures.append(Figure("15 front of 20 candidates", ours, "3 objectives", "<= 50 us", ours <= 50.0, peer, "us"))
    moved = _moved(np.random.default_rng(15_120), 200 if quick else 2_000)
    anchor = "min-max over the candidates reverses ranks"
    goal = "15 choices moved by units or a dominated addition"
    figures.append(Figure(goal, moved, "two scores", "0", moved == 0, anchor, "choices", SEEDS))
    return figures


def _microseconds(call, repeats: int) -> float:
    started_s = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started_s) / repeats * 1e6


def _moved(draw: np.random.Generator, trials: int) -> int:
    """Choices that change when latency is told in seconds, cost in cents, or someone hopeless joins."""
    moved = 0
    for _ in range(trials):
        rows = list(zip(draw.random(5), np.exp(draw.normal(-7, 2, 5)), np.exp(draw.normal(6, 1, 5)), strict=True))
        worst = (0.0, max(row[1] for row in rows) * 2.0, max(row[2] for row in rows) * 2.0)
        weights = draw.dirichlet((1.0, 1.0, 1.0)).tolist()
        scaled = [(quality, cost * 100.0, latency / 1_000.0) for quality, cost, latency in rows]
        for score in (pareto.weighted_sum, pareto.augmented_chebyshev):
            plain = _chosen(rows, score, weights, 1.0, 1.0)
            moved += plain != _chosen([*rows, worst], score, weights, 1.0, 1.0)
            moved += plain != _chosen(scaled, score, weights, 100.0, 0.001)
    return moved


def _chosen(rows, score, weights, cost_unit: float, latency_unit: float) -> int:
    references = (
        pareto.Reference(1.0, 0.0),
        pareto.Reference(1e-5 * cost_unit, 1.0 * cost_unit, "log"),
        pareto.Reference(50.0 * latency_unit, 20_000.0 * latency_unit, "log"),
    )
    return min(range(len(rows)), key=lambda index: round(score(pareto.losses(rows[index], references), weights), 12))
