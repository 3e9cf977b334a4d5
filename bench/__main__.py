"""`python -m bench [core|worker]`: prints one table of CPU per insight."""

import math
import sys

from rich.console import Console
from rich.table import Table

from . import core, worker

PARTS = {"core": core.measure, "worker": worker.measure}


def main(names: list[str]) -> None:
    """Measure the named parts, or all."""
    table = Table("what", "us CPU per insight", "remark")
    for name in names or PARTS:
        for what, spent, remark in PARTS[name]():
            table.add_row(what, "" if math.isnan(spent) else f"{spent:.0f}", remark)
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
