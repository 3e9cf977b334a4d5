"""The statistics stay light: nothing that the worker imports loads scipy.stats, pandas or a peer."""

import subprocess
import sys

import pytest

ALL_STATISTICS = """
import importlib, pkgutil, decision_stream.stats as room
for module in pkgutil.walk_packages(room.__path__, room.__name__ + "."):
    importlib.import_module(module.name)
"""
HEAVY = ("scipy.stats", "pandas", "river", "optuna", "moocore", "sklearn", "vowpalwabbit", "mabwiser")


def loaded(code: str) -> set[str]:
    code += "\nimport sys; print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("code", [ALL_STATISTICS, "import decision_stream.stream.worker"], ids=["stats", "worker"])
def test_no_heavy_package_is_loaded(code):
    assert not loaded(code) & set(HEAVY)


def test_the_statistics_alone_load_no_scipy():
    assert not any(name.split(".")[0] == "scipy" for name in loaded(ALL_STATISTICS))
