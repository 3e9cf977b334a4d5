"""One bandit setting: what the benchmarks judge is what the library defaults to."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench.quality import bandit_streams
from decision_stream.model.policy import ReinforcementPolicy
from decision_stream.stats.bandits import setting
from decision_stream.stats.bandits.linear import LinearModel
from decision_stream.stats.bandits.linear_bandit import LinearBandit
from decision_stream.stats.bandits.rules import ThompsonSampling

BENCHMARKS = Path(bandit_streams.__file__).parent


def test_the_defaults_are_the_setting():
    model, rule = LinearModel(), ThompsonSampling()
    found = {
        "FORGETTING": model.forgetting,
        "RIDGE": model.ridge,
        "CEILING": model.ceiling,
        "NOISE": model.noise,
        "NOISE_WEIGHT": model.noise_weight,
        "NOISE_FORGETTING": model.noise_forgetting,
        "BALANCE": LinearBandit().balance,
        "SCALE": rule.scale,
        "FLOOR": rule.floor,
    }
    assert found == {name: value for name, value in vars(setting).items() if name.isupper()}
    assert LinearBandit() == LinearBandit(model=model, rule=rule)


def test_the_benchmarks_play_the_defaults():
    assert bandit_streams.shipped(3) == LinearBandit(model=LinearModel(dimension=3))


@pytest.mark.parametrize("goal", ["07", "08", "09", "10", "18_bandit"])
def test_no_benchmark_makes_a_setting_of_its_own(goal):
    (path,) = BENCHMARKS.glob(f"goal_{goal}_*.py")
    named = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert "streams" in named
    assert not named & {"LinearBandit", "LinearModel", "ThompsonSampling"}


def test_the_product_ships_the_setting():
    rules = ReinforcementPolicy()
    assert rules.algorithm == "contextual_thompson"
    assert (rules.forgetting, rules.posterior_scale) == (setting.FORGETTING, setting.SCALE)


def test_the_setting_is_read_without_numpy():
    code = "import decision_stream.stats.bandits.setting, sys; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
