"""Goal 19: what the statistics, and the whole worker, bring into memory."""

import subprocess
import sys

from .figure import Figure

HEAVY = ("scipy.stats", "pandas", "river", "optuna", "moocore", "sklearn")
_STATS = """
import importlib, pkgutil, decision_stream.stats as room
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
"""
_PROBE = """
import sys
from pathlib import Path
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
print(" ".join(name for name in {heavy!r} if name in sys.modules))
"""


def imported(code: str) -> tuple[float, list[str]]:
    """Peak resident memory in MB of a fresh interpreter that ran the code, and the heavy packages it has loaded."""
    probe = code + _PROBE.format(heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    memory, heavy = done.stdout.splitlines()[-2:]
    return float(memory), heavy.split()


def run(quick: bool) -> list[Figure]:
    """Heavy packages of the worker, and the memory of the statistics above numpy's."""
    numpy_mb, _ = imported("import numpy\n")
    stats_mb, heavy = imported(_STATS)
    worker_mb, more = imported("import decision_stream.stream.worker\n" + _STATS)
    found = sorted({*heavy, *more})
    anchor = "scipy.stats 95 MB, river 119 MB"
    added = stats_mb - numpy_mb
    names = ", ".join(found) or "none"
    spread = f"numpy {numpy_mb:.0f} MB, worker with all {worker_mb:.0f} MB"
    return [
        Figure("19 heavy packages that the worker loads", len(found), names, "0", not found, anchor, "packages"),
        Figure("19 memory of all statistics above numpy", added, spread, "<= 50 MB", added <= 50.0, anchor, "MB"),
    ]
