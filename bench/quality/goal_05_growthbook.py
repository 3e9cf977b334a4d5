"""The reported confidence sequence beside GrowthBook's, at the same tuning."""

import json
from pathlib import Path

from decision_stream.stats.confidence_sequence import interval
from decision_stream.stats.difference import difference
from decision_stream.stats.moments import Moments

from .figure import Figure

ROWS = Path(__file__).parents[2] / "tests" / "stats" / "fixtures" / "growthbook_0_8_0.json"


def run(quick: bool) -> list[Figure]:
    worst = 0.0
    rows = json.loads(ROWS.read_text())
    for row in rows:
        control, treatment = (Moments(*row[arm]) for arm in ("control", "treatment"))
        units = control.count + treatment.count
        found = interval(
            difference(control, treatment), sharpest_at=row["sharpest_at"], alpha=row["alpha"], units=units
        )
        worst = max(worst, abs(found.low - row["low"]), abs(found.high - row["high"]))
    anchor = f"gbstats 0.8.0, {len(rows)} recorded rows"
    return [Figure("5 interval against GrowthBook", worst, "largest gap", "<= 1e-9", worst <= 1e-9, anchor, seeds="-")]
