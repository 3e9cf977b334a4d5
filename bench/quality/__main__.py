"""`python -m bench.quality [--quick] [--only N]...`: one table of decision quality; a full run writes its page.

`make quality` installs the peers that are compared first. One data set cannot be installed: see `nab_score`.
"""

import argparse
import importlib
import pkgutil
import re
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .figure import Figure

PAGE = Path(__file__).parents[2] / "docs" / "quality.md"
HEADINGS = ("goal", "measured", "required", "met", "spread", "compared with", "seeds")
INTRODUCTION = """# Decision quality

Measured on {date} by `python -m bench.quality`, which runs every benchmark of `bench/quality/` and writes this page.
Each figure is judged on seeds that no setting was chosen on. A share is between 0 and 1. Times are CPU times of one
core and depend on the machine and on what else it does; all other figures repeat exactly from their seeds. The bandit
is one, made by `decision_stream/stats/bandits/shipped.py` for the benchmarks as for the product, where a row says
nothing else.

`make quality` makes an environment of its own, `.venv-oracles`, from `requirements-oracles.lock`: the peers (river,
moocore, Optuna, Vowpal Wabbit, MABWiser) and the routing table (in the wheel of ParetoBandit). Goal 14 needs the data
of the Numenta Anomaly Benchmark, which no package holds: `git clone https://github.com/numenta/NAB`, and set NAB_DATA
to it. A row without its data or peer says so and counts as not measured.

{counts}

"""


def counted(verdicts: list[str]) -> str:
    """How many figures are met, missed and not measured, in a sentence."""
    met, missed, unmeasured = (verdicts.count(verdict) for verdict in ("yes", "NO", "not measured"))
    return f"Of {len(verdicts)} figures {met} meet their goal, {missed} miss it, {unmeasured} are not measured."


def main(arguments: list[str]) -> int:
    """Run the chosen goals; returns 1 when one of them is missed. One that is not measured is told, and not counted."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    told = "seconds instead of minutes: too few runs to judge by; nothing is written"
    parser.add_argument("--quick", action="store_true", help=told)
    parser.add_argument("--only", action="append", type=int, metavar="N", help="only this goal; may be repeated")
    chosen = parser.parse_args(arguments)
    console = Console()
    figures: list[Figure] = []
    for name in _modules(chosen.only):
        started_s = time.process_time()
        found = importlib.import_module(f"{__package__}.{name}").run(quick=chosen.quick)
        console.print(f"{name}: {len(found)} figures, {time.process_time() - started_s:.0f} s of CPU")
        figures += found
    console.print(_table(figures))
    console.print(counted([figure.met for figure in figures]))
    if not chosen.quick:
        PAGE.write_text(_updated(PAGE.read_text(), figures) if chosen.only and PAGE.exists() else _page(figures))
    return 1 if any(figure.passed is False for figure in figures) else 0


def _modules(goals: list[int] | None) -> Iterator[str]:
    """Names of the benchmarks, by goal number; a module's name is `goal_<number>_<what>`."""
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda module: module.name):
        match = re.match(r"goal_(\d+)_", module.name)
        if match and (goals is None or int(match[1]) in goals):
            yield module.name


def _cells(figure: Figure) -> tuple[str, ...]:
    value = "-" if figure.passed is None else f"{figure.value:.4g} {figure.unit}".rstrip()
    return figure.goal, value, figure.goal_text, figure.met, figure.spread, figure.anchor, figure.seeds


def _table(figures: list[Figure]) -> Table:
    table = Table(*HEADINGS)
    for figure in figures:
        table.add_row(*_cells(figure), style={True: None, False: "red", None: "yellow"}[figure.passed])
    return table


def _updated(page: str, figures: list[Figure]) -> str:
    """The page with the rows of these goals measured anew, and the others as they were."""
    goals = {figure.goal.split()[0] for figure in figures}
    rows = page[page.index("| goal |") :].splitlines()
    kept = [line for line in rows[2:] if line.split()[1] not in goals]
    fresh = [_row(_cells(figure)) for figure in figures]
    ordered = sorted([*kept, *fresh], key=lambda line: int(line.split()[1]))
    verdicts = [line.split(" | ")[3] for line in ordered]
    return _introduction(verdicts) + "\n".join([*rows[:2], *ordered]) + "\n"


def _page(figures: list[Figure]) -> str:
    lines = [_row(cells) for cells in (HEADINGS, ("---",) * len(HEADINGS), *map(_cells, figures))]
    return _introduction([figure.met for figure in figures]) + "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _introduction(verdicts: list[str]) -> str:
    return INTRODUCTION.format(date=datetime.now(UTC).date().isoformat(), counts=counted(verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
