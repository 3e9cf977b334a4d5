"""Scores and dollars of three models on 3,609 real prompts, from the wheel `paretobandit` 0.1.1 (Apache-2.0).

The wheel is one of the peers in `requirements-oracles.lock`, which `make quality` installs; or PARETOBANDIT_DATA names
the folder with `val.jsonl` and `test_holdout.jsonl`, unpacked from `pip download --no-deps paretobandit==0.1.1`.
Contexts: intercept, task
family (one of nine), log length of the prompt. The reward takes .055 times the log-scaled cost from the judge's score,
which makes the middle model the best single one at .900.
"""

import importlib.util
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MISSING = "the routing table: make quality installs it, or set PARETOBANDIT_DATA (bench/quality/routing_table.py)"
FILES = ("val.jsonl", "test_holdout.jsonl")


@dataclass(frozen=True)
class RoutingTable:
    """Rows are prompts: `contexts` (3609, 11), `scores`, `costs` (dollars) and `rewards`, each (3609, 3).

    `tasks` names the data set that each prompt is from, one of 31.
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    contexts: np.ndarray
    scores: np.ndarray
    costs: np.ndarray
    rewards: np.ndarray


def folder() -> Path | None:
    """Where the table should be; None when the wheel is not installed."""
    if named := os.environ.get("PARETOBANDIT_DATA"):
        return Path(named)
    spec = importlib.util.find_spec("pareto_bandit")
    return Path(spec.origin).parent / "data" / "examples" if spec and spec.origin else None


def load() -> RoutingTable | None:
    """The table; None when it is not there."""
    where = folder()
    if where is None or not all((where / name).is_file() for name in FILES):
        return None
    rows = [json.loads(line) for name in FILES for line in (where / name).read_text().split("\n") if line]
    models = tuple(sorted(rows[0]["arms"]))
    scores = np.array([[row["arms"][model]["reward"] for model in models] for row in rows])
    costs = np.array([[row["arms"][model]["cost"] for model in models] for row in rows])
    logs = np.log(costs)
    rewards = scores - 0.055 * (logs - logs.min()) / (logs.max() - logs.min())
    families = [row["source"].split("/")[0] for row in rows]
    kinds = sorted(set(families))
    contexts = np.array(
        [
            [1.0, *(float(family == kind) for kind in kinds), np.log1p(len(row["prompt"])) / 10.0]
            for family, row in zip(families, rows, strict=True)
        ]
    )
    return RoutingTable(models, tuple(row["source"] for row in rows), contexts, scores, costs, rewards)
