"""`python -m bench [core|parts|worker]`: prints one table of CPU per insight, or per part of a step."""

import math
import sys

from rich.console import Console
from rich.table import Table

from . import core, parts, worker

PARTS = {"core": core.measure, "parts": parts.measure, "worker": worker.measure}


def main(names: list[str]) -> None:
    """Measure the named parts, or all."""
    table = Table("what", "us", "remark")
    for name in names or PARTS:
        for what, spent, remark in PARTS[name]():
            table.add_row(
                what, "" if math.isnan(spent) else f"{spent:.0f}" if spent >= 10.0 else f"{spent:.1f}", remark
            )
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
