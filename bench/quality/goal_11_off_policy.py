"""Goal 11: how far off-policy estimates lie from the truth on simulated logs, and the bound that gates a switch."""

import json
from math import sqrt
from pathlib import Path

import numpy as np

from decision_stream.stats import off_policy

from .figure import Figure

EVENTS = 4_000
ROWS = Path(__file__).parents[2] / "tests" / "stats" / "fixtures" / "off_policy.json"
# Mean rewards of five arms in two kinds of context, and two policies: one that wrote the log, one that is judged.
MEANS = np.array([[0.80, 0.82, 0.85, 0.78, 0.70], [0.75, 0.86, 0.80, 0.72, 0.74]])
LOGGING = np.array([[0.40, 0.25, 0.15, 0.12, 0.08], [0.25, 0.15, 0.30, 0.20, 0.10]])
TARGET = np.array([[0.05, 0.05, 0.80, 0.05, 0.05], [0.05, 0.80, 0.05, 0.05, 0.05]])
TRUTH = float((MEANS * TARGET).sum() / 2.0)
SEEDS = "choosing: none; judging 11000-"


def run(quick: bool) -> list[Figure]:
    """Relative root mean square errors, coverage of the intervals, and misses of the lower bound."""
    runs = 30 if quick else 300
    found = [_estimates(11_000 + seed) for seed in range(runs)]
    seeds = f"{SEEDS}{11_000 + runs - 1}"
    figures = []
    for at, (name, gate, measured) in enumerate(
        [("IPS", 0.040, ".030"), ("SNIPS", 0.020, ".014"), ("DR", 0.022, ".0165")]
    ):
        errors = np.array([row[at].value / TRUTH - 1.0 for row in found])
        rmse = sqrt(float((errors**2).mean()))
        noise = float((errors**2).std()) / (2.0 * rmse * sqrt(runs))
        goal = f"11 relative RMSE of {name}, {EVENTS} events, 5 arms"
        anchor = f"reference measured {measured} on 30 logs of its own"
        spread = f"se {noise:.4f} over {runs} logs"
        figures.append(Figure(goal, rmse, spread, f"<= {gate}", rmse <= gate, anchor, seeds=seeds))
    covered = float(np.mean([row[1].low <= TRUTH <= row[1].high for row in found]))
    goal = "11 coverage of the 95 % interval of SNIPS"
    spread = f"se {sqrt(0.05 * 0.95 / runs):.3f}"
    figures.append(Figure(goal, covered, spread, ">= 0.92 (gate 0.90)", covered >= 0.90, "-", seeds=seeds))
    missed = float(np.mean([row[3] > TRUTH for row in found]))
    goal = "11 lower bound above the truth at any of its looks"
    figures.append(Figure(goal, missed, spread, "<= 0.05 (gate 0.075)", missed <= 0.075, "-", seeds=seeds))
    return [*figures, _beside_the_pipeline()]


def _beside_the_pipeline() -> Figure:
    """The three estimates beside those of the Open Bandit Pipeline, which needs torch and so was recorded."""
    row = json.loads(ROWS.read_text())
    log = [np.array(row[name]) for name in ("rewards", "propensities", "actions", "policy", "predicted")]
    rewards, propensities, actions, policy, _ = log
    chances = policy[np.arange(len(actions)), actions]
    found = {
        "ips": off_policy.ips(rewards, propensities, chances),
        "snips": off_policy.snips(rewards, propensities, chances),
        "doubly_robust": off_policy.doubly_robust(*log),
    }
    gap = max(abs(estimate.value - row[name]) for name, estimate in found.items())
    goal, anchor = "11 IPS, SNIPS and DR against the Open Bandit Pipeline", f"{row['source']}, recorded"
    return Figure(goal, gap, "largest gap", "<= 1e-9", gap <= 1e-9, anchor, seeds="-")


def _estimates(seed: int):
    draw = np.random.default_rng(seed)
    kinds = draw.integers(2, size=EVENTS)
    actions = (draw.random(EVENTS)[:, None] > LOGGING[kinds].cumsum(axis=1)).sum(axis=1)
    rewards = (draw.random(EVENTS) < MEANS[kinds, actions]).astype(float)
    propensities, probabilities = LOGGING[kinds, actions], TARGET[kinds, actions]
    predicted = off_policy.cross_fitted_means(rewards, actions, 5)
    return (
        off_policy.ips(rewards, propensities, probabilities),
        off_policy.snips(rewards, propensities, probabilities),
        off_policy.doubly_robust(rewards, propensities, actions, TARGET[kinds], predicted),
        off_policy.lower_bound(rewards, propensities, probabilities),
    )
