"""Benchmarks say what they measured: a goal is met or missed by the figure itself, and all peers do the same work."""

import subprocess
import sys

import msgspec
import pytest

from bench.figures import Figure, against
from bench.load import insights, records
from decision_stream.model.insight import Insight


@pytest.mark.parametrize(("value", "verdict"), [(24.9, "met"), (25.0, "met"), (25.1, "missed")])
def test_a_goal_is_a_share_of_what_bare_faust_takes(value, verdict):
    figure = against(Figure(what="shell", value=value, unit="µs", remark="fast"), 100.0, 0.25)
    assert figure.verdict == verdict and figure.remark == f"{value / 100.0:.2f} ×; fast"
    assert figure.goal == "0.25 × bare Faust"


def test_a_figure_without_a_goal_has_no_verdict():
    assert Figure(what="core", value=1.0, unit="µs").verdict == ""


def test_every_measurement_sees_the_same_bytes_and_each_insight_is_another():
    assert records(200, 10) == records(200, 10)
    assert len({event.id for event in insights(200, 10)}) == 200
    assert all(msgspec.json.decode(value, type=Insight).scope.encode() == key for key, value in records(20, 10))


def test_an_unknown_part_is_refused_with_the_names_of_those_there_are():
    told = subprocess.run([sys.executable, "-m", "bench", "everything"], capture_output=True, text=True)
    assert told.returncode == 1 and "everything" in told.stderr and "backlog" in told.stderr
