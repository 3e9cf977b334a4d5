"""`python -m bench.quality [--quick] [--only N]...`: one table of decision quality; a full run writes its page."""

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
core and depend on the machine; all other figures repeat exactly from their seeds.

"""


def main(arguments: list[str]) -> int:
    """Run the chosen goals; returns 1 when one of them is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; wider noise, nothing written")
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
    if not chosen.quick:
        PAGE.write_text(_updated(PAGE.read_text(), figures) if chosen.only and PAGE.exists() else _page(figures))
    return 0 if all(figure.passed for figure in figures) else 1


def _modules(goals: list[int] | None) -> Iterator[str]:
    """Names of the benchmarks, by goal number; a module's name is `goal_<number>_<what>`."""
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda module: module.name):
        match = re.match(r"goal_(\d+)_", module.name)
        if match and (goals is None or int(match[1]) in goals):
            yield module.name


def _cells(figure: Figure) -> tuple[str, ...]:
    value = f"{figure.value:.4g} {figure.unit}".rstrip()
    met = "yes" if figure.passed else "NO"
    return figure.goal, value, figure.goal_text, met, figure.spread, figure.anchor, figure.seeds


def _table(figures: list[Figure]) -> Table:
    table = Table(*HEADINGS)
    for figure in figures:
        table.add_row(*_cells(figure), style=None if figure.passed else "red")
    return table


def _updated(page: str, figures: list[Figure]) -> str:
    """The page with the rows of these goals measured anew, and the others as they were."""
    goals = {figure.goal.split()[0] for figure in figures}
    introduction, rows = page[: page.index("| goal |")], page[page.index("| goal |") :].splitlines()
    kept = [line for line in rows[2:] if line.split()[1] not in goals]
    new = _page(figures).splitlines()
    fresh = new[next(i for i, line in enumerate(new) if line.startswith("| ---")) + 1 :]
    ordered = sorted([*kept, *fresh], key=lambda line: int(line.split()[1]))
    return introduction + "\n".join([*rows[:2], *ordered]) + "\n"


def _page(figures: list[Figure]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *map(_cells, figures)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return INTRODUCTION.format(date=datetime.now(UTC).date().isoformat()) + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
