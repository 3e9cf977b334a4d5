"""The reported interval equals that of a published implementation."""

import json
from pathlib import Path

import pytest

from decision_stream.stats.confidence_sequence import interval, p_value
from decision_stream.stats.difference import difference
from decision_stream.stats.moments import Moments

# Computed by gbstats 0.8.0 (GrowthBook), SequentialTwoSidedTTest, for 50 random pairs of arms.
ROWS = json.loads((Path(__file__).parent / "fixtures" / "growthbook_0_8_0.json").read_text())


@pytest.mark.parametrize("row", ROWS)
def test_interval_and_p_value_equal_growthbook(row):
    control, treatment = (Moments(*row[arm]) for arm in ("control", "treatment"))
    settings = {"sharpest_at": row["sharpest_at"], "alpha": row["alpha"], "units": control.count + treatment.count}
    found = interval(difference(control, treatment), **settings)
    assert (found.low, found.high) == pytest.approx((row["low"], row["high"]), abs=1e-9)
    assert p_value(difference(control, treatment), **settings) == pytest.approx(row["p_value"], abs=1e-9)


def test_balanced_arms_need_no_count_of_units():
    found = difference(Moments(500, 1.0, 499.0), Moments(500, 1.1, 499.0))
    assert interval(found, sharpest_at=1000, alpha=0.05) == interval(found, sharpest_at=1000, alpha=0.05, units=1000.0)
