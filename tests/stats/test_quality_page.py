"""The table of decision quality counts what it says: met, missed and not measured are three things."""

from bench.quality.__main__ import PAGE, _cells, _page, _updated, counted
from bench.quality.figure import Figure

MET = Figure("7 regret", 68.4, "sd 27", "<= 85", True, "Thompson 57", "rewards", "67000+")
MISSED = Figure("18 time", 119.7, "best of 3", "<= 60 us", False, "-", "us")
UNMEASURED = Figure.unmeasured("14 NAB", ">= 50", "the data")


def test_what_is_not_measured_is_neither_met_nor_missed():
    assert _cells(UNMEASURED)[1:4] == ("-", ">= 50", "not measured")
    assert "needs the data" in _cells(UNMEASURED)
    page = _page([MET, MISSED, UNMEASURED])
    assert "Of 3 figures 1 meet their goal, 1 miss it, 1 are not measured." in page


def test_measuring_one_goal_again_keeps_the_others_and_counts_anew():
    page = _page([MET, UNMEASURED, MISSED])
    better = Figure("18 time", 40.0, "best of 3", "<= 60 us", True, "-", "us")
    assert _updated(page, [better]) == _page([MET, UNMEASURED, better])


def test_the_count_on_the_page_is_that_of_its_rows():
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")][2:]
    assert counted([row[3] for row in rows]) in PAGE.read_text()
    assert {int(row[0].split()[1]) for row in rows} == set(range(1, 21))
