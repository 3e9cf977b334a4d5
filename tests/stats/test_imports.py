"""The statistics stay light: nothing that the worker imports loads scipy.stats, pandas or a peer."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "decision_stream"

EVERYTHING = """
import importlib, pkgutil
room = importlib.import_module("decision_stream.{room}")
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
"""
ROOMS = ("stats", "model", "strategies", "engine", "wire", "stream", "broker")
HEAVY = ("scipy.stats", "pandas", "river", "optuna", "moocore", "sklearn", "vowpalwabbit", "mabwiser")


def loaded(code: str) -> set[str]:
    code += "\nimport sys; print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("room", ROOMS)
def test_no_heavy_package_is_loaded_by_any_module_of_a_room(room):
    assert not loaded(EVERYTHING.format(room=room)) & set(HEAVY)


def test_no_heavy_package_is_loaded_by_the_worker():
    assert not loaded("import decision_stream.stream.worker") & set(HEAVY)


QUIET = """
import decision_stream.cli.app, decision_stream.serve
from bench.load import insights
from decision_stream.engine.step import step
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
states = {}
def take(event):
    states[event.scope], effects = step(states.get(event.scope) or ScopeState(scope=event.scope), event, Policy())
    for message in effects.signals:
        take(message)
for insight in insights(60, 20):
    take(insight)
assert any(name.startswith(":provider/") for name in states), list(states)
"""


def test_a_worker_whose_routes_are_new_and_quiet_carries_no_numpy():
    """As the command line starts it; the first exploration or incident loads it and scipy, with 40 MB."""
    assert not {"numpy", "scipy"} & loaded(QUIET)


@pytest.mark.parametrize("room", ROOMS)
def test_no_function_of_a_room_imports_a_heavy_package_late(room):
    """A search of the sources, for what is imported inside a function is loaded by no import of the module."""
    for path in (PACKAGE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            heavy = [name for name in names for package in HEAVY if f"{name}.".startswith(f"{package}.")]
            assert not heavy, f"{path}:{node.lineno} imports {heavy}"


def test_the_statistics_alone_load_no_scipy():
    assert not any(name.split(".")[0] == "scipy" for name in loaded(EVERYTHING.format(room="stats")))
