"""Every benchmark of decision quality runs, and prints figures of its own goal."""

import importlib
from math import isfinite

import pytest

from bench.quality.__main__ import _modules


@pytest.mark.parametrize("name", list(_modules(None)))
def test_a_benchmark_runs_and_names_its_goal(name):
    goal = str(int(name.split("_")[1]))
    figures = importlib.import_module(f"bench.quality.{name}").run(quick=True)
    assert figures
    for figure in figures:
        assert figure.goal.split()[0] == goal
        assert figure.passed is None or isfinite(figure.value)
        assert figure.goal_text and figure.anchor


def test_every_goal_has_a_benchmark():
    assert {int(name.split("_")[1]) for name in _modules(None)} == set(range(1, 21))
