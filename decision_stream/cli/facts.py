"""Commands that tell: the strategies, the version."""

import json
from typing import Any

import typer
from rich.table import Table

from .. import ENGINE_VERSION
from .common import AsJson, answer
from .tables import show

app = typer.Typer()


@app.command()
def strategies(as_json: AsJson = False) -> None:
    """List the five strategies, their order, and which of them are complete."""
    from ..model.policy import Policy
    from ..strategies.registry import STRATEGIES

    rows: list[dict[str, Any]] = [
        {"name": strategy.name, "priority": strategy.priority(Policy()), "complete": strategy.complete}
        for strategy in STRATEGIES
    ]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("strategy", "priority", "state")
    for row in rows:
        table.add_row(row["name"], str(row["priority"]), "complete" if row["complete"] else "proposes nothing yet")
    show(table)


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    answer({"version": ENGINE_VERSION}, as_json, [ENGINE_VERSION])
