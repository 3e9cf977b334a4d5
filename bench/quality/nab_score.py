"""The score of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015, section II), for alarms at given rows of its files.

Every labelled window is worth 1 to the first alarm inside it, less the later it comes; an alarm outside costs, less the
closer it follows a window; the first 15 % of a file (at most 750 rows) do not count. Sums are scaled so that saying
nothing scores 0 and a perfect detector 100. The data are not part of this repository: get github.com/numenta/NAB and
point the environment variable NAB_DATA at it.
"""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import exp, floor
from pathlib import Path

MISSING = "git clone https://github.com/numenta/NAB, and set NAB_DATA to it"
PROFILES = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}
"""Cost of a false alarm and of a missed window."""


@dataclass(frozen=True, slots=True)
class Series:
    """One file: its values, their times in seconds, its windows as first and last row, and where scoring starts."""

    name: str
    at_s: tuple[float, ...]
    values: tuple[float, ...]
    windows: tuple[tuple[int, int], ...]

    @property
    def scored_from(self) -> int:
        """The first row that counts."""
        return int(min(floor(0.15 * len(self.values)), 0.15 * 5_000))


def load() -> list[Series] | None:
    """All files by name, or None when the data are not there."""
    root = os.environ.get("NAB_DATA")
    if not root or not (Path(root) / "labels" / "combined_windows.json").is_file():
        return None
    windows = json.loads((Path(root) / "labels" / "combined_windows.json").read_text())
    return [_series(Path(root) / "data" / name, name, windows[name]) for name in sorted(windows)]


def _series(path: Path, name: str, windows: list[list[str]]) -> Series:
    with path.open(newline="") as file:
        rows = [(_seconds(row["timestamp"]), float(row["value"])) for row in csv.DictReader(file)]
    at_s, values = zip(*rows, strict=True)
    # A clock that was set back repeats some times: the first row of that time is meant.
    places = [(at_s.index(_seconds(first)), at_s.index(_seconds(last))) for first, last in windows]
    return Series(name, at_s, values, tuple(places))


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text + "+00:00").timestamp()


def score(files: Iterable[Series], alarms: Mapping[str, Iterable[int]], profile: str = "standard") -> float:
    """Score of alarms, given as rows by name of file: 100 at best, 0 for none, negative when worse than silence."""
    false_cost, missed_cost = PROFILES[profile]
    total, count = 0.0, 0
    for file in files:
        best: dict[tuple[int, int], float] = {}
        for row in alarms.get(file.name, ()):
            if row < file.scored_from:
                continue
            window = next((window for window in file.windows if window[0] <= row <= window[1]), None)
            if window is None:
                total += false_cost * _after(file, row)
            else:
                position = -(window[1] - row + 1) / (window[1] - window[0] + 1)
                best[window] = max(best.get(window, 0.0), _sigmoid(position) / _sigmoid(-1.0))
        missed = sum(window not in best and window[1] >= file.scored_from for window in file.windows)
        # What silence costs is added back, so that a missed window counts nothing in the scaled score.
        scored = sum(window[1] >= file.scored_from for window in file.windows)
        total += sum(best.values()) + missed_cost * (scored - missed)
        count += len(file.windows)
    return 100.0 * total / (count * (1.0 + missed_cost))


def _after(file: Series, row: int) -> float:
    """Share of a false alarm's cost, from 0 just after a window to -1 far from any."""
    before = [window for window in file.windows if window[1] < row]
    if not before:
        return -1.0
    first, last = before[-1]
    return _sigmoid((row - last) / (last - first))


def _sigmoid(position: float) -> float:
    return -1.0 if position > 3.0 else 2.0 / (1.0 + exp(5.0 * position)) - 1.0
