"""The scoreboard: the engine and simpler engines in a world with a known truth."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from ..sim.scoreboard.scenarios import MEANING, ScenarioName
from .common import AsJson, Config, settings_of

if TYPE_CHECKING:
    from ..sim.scoreboard.card import Scorecard

app = typer.Typer()
SCENARIOS = "; ".join(f"{name}: {meaning}" for name, meaning in MEANING.items())


@app.command()
def simulate(
    seeds: Annotated[int, typer.Option(help="Seeds of each scenario, from 6001 on.", min=1, max=10_000)] = 20,
    days: Annotated[
        int | None, typer.Option(help="Days of each seed.", min=1, max=366, show_default="as the scenario is")
    ] = None,
    scopes: Annotated[int, typer.Option(help="Routes of each seed.", min=1, max=1_000)] = 8,
    scenario: Annotated[
        list[ScenarioName] | None, typer.Option(help=f"May be repeated; all by default. {SCENARIOS}.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes, each with a seed.", min=1, max=256)] = min(
        2, os.cpu_count() or 1
    ),
    config: Config = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write the report with plots.")] = None,
    page: Annotated[Path | None, typer.Option(metavar="FILE.md", help="Write the scorecard as Markdown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge the engine against a known truth and simpler engines: no broker, a virtual clock, the same from a seed."""
    from ..settings import parse
    from ..sim.policy import SIMULATED_SETTINGS
    from ..sim.scoreboard.card import Scorecard
    from ..sim.scoreboard.page import document, markdown
    from ..sim.scoreboard.report import html
    from ..sim.scoreboard.run import run
    from ..sim.scoreboard.season import ENGINE, Season

    for target in (report, page):
        if target is not None and not target.parent.is_dir():
            raise typer.BadParameter(f"{target.parent} is no directory")
    policy = (settings_of(config) if config else parse(SIMULATED_SETTINGS, {})).policy
    chosen = list(dict.fromkeys(scenario or ScenarioName))
    began, done, scope_days = time.monotonic(), 0, 0.0

    def progress(season: Season) -> None:
        nonlocal done, scope_days
        done, scope_days = done + 1, scope_days + season.verdicts[ENGINE].scope_days
        rate = scope_days / max(1e-9, time.monotonic() - began) * 60.0
        print(
            f"{done}/{len(chosen) * seeds} {season.scenario} {season.seed}, {rate:,.0f} scope-days a minute",
            file=sys.stderr,
            flush=True,
        )

    card = Scorecard(run(chosen, seeds, policy, days=days, scopes=scopes, jobs=jobs, on_done=progress))
    command = _command(seeds, days, scopes, scenario, config)
    if report is not None:
        report.write_text(html(card, command))
    if page is not None:
        page.write_text(markdown(card, command))
    if as_json:
        print(document(card))
    else:
        _show(card)


def _command(
    seeds: int, days: int | None, scopes: int, scenario: list[ScenarioName] | None, config: Path | None
) -> str:
    """What gives the same result: how many processes it took is no part of it."""
    parts = ["decision-stream simulate", f"--seeds {seeds}"]
    parts += [f"--days {days}"] if days else []
    parts += [f"--scopes {scopes}"] if scopes != 8 else []
    parts += [f"--scenario {name}" for name in scenario or ()]
    parts += [f"--config {config}"] if config else []
    return " ".join(parts)


def _show(card: "Scorecard") -> None:
    table = Table("bar", "wanted", "found", "met", title="what must be shown")
    for bar in card.bars():
        met = "–" if bar.met is None else "[green]yes[/green]" if bar.met else "[red]NO[/red]"
        table.add_row(bar.name, bar.wanted, bar.found, met)
    Console().print(table)
