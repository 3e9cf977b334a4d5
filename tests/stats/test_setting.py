"""One bandit setting: what the benchmarks judge is what the library defaults to, and what the product runs."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.quality import bandit_streams
from decision_stream.model.policy import ReinforcementPolicy
from decision_stream.stats.bandits import setting, shipped
from decision_stream.stats.bandits.beta import BetaThompson
from decision_stream.stats.bandits.linear import LinearModel
from decision_stream.stats.bandits.linear_bandit import LinearBandit
from decision_stream.stats.bandits.reset import Resetting
from decision_stream.stats.bandits.rules import ThompsonSampling
from decision_stream.strategies import bandit as bandits
from decision_stream.strategies import context as features

BENCHMARKS = Path(bandit_streams.__file__).parent
MAKERS = {"LinearBandit", "LinearModel", "ThompsonSampling", "Resetting", "BetaThompson"}


def test_the_defaults_are_the_setting():
    model, rule, watch = LinearModel(), ThompsonSampling(), Resetting(bandit=LinearBandit())
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
        "PATIENCE": watch.patience,
        "KNOWN": watch.known,
        "TRUST": watch.trust,
    }
    assert found == {name: value for name, value in vars(setting).items() if name.isupper()}
    assert LinearBandit() == LinearBandit(model=model, rule=rule)
    assert (BetaThompson().forgetting, BetaThompson().floor) == (setting.FORGETTING, setting.FLOOR)
    assert watch.ceiling == setting.CEILING


def test_what_is_shipped_is_made_of_the_defaults():
    assert shipped.contextual(3) == Resetting(bandit=LinearBandit(model=LinearModel(dimension=3)))
    assert shipped.context_free() == Resetting(bandit=BetaThompson())


def test_the_benchmarks_play_what_is_shipped(monkeypatch):
    made = []
    monkeypatch.setattr(bandit_streams, "contextual", lambda dimension: made.append(dimension) or shipped.contextual(1))
    bandit_streams.play(bandit_streams.steady(1, 20), 1)
    assert made == [1]


@pytest.mark.parametrize("goal", ["07_regret", "07_strategy", "08", "09", "10", "18_bandit"])
def test_no_benchmark_makes_a_setting_of_its_own(goal):
    (path,) = BENCHMARKS.glob(f"goal_{goal}*.py")
    named = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert named & {"streams", "contextual", "bandits"}
    assert not named & MAKERS


def test_the_product_runs_what_is_shipped():
    """By the policy's defaults, number by number, and in the bandit that the strategy makes of them."""
    rules = ReinforcementPolicy()
    assert rules.algorithm == "contextual_thompson"
    found = (rules.forgetting, rules.posterior_scale, rules.floor)
    assert found == (setting.FORGETTING, setting.SCALE, setting.FLOOR)
    assert bandits._contextual(rules) == shipped.contextual(len(features.names(rules)))
    assert bandits._context_free(rules) == shipped.context_free()
    assert bandits._rule(rules, rules.floor, 2) == LinearBandit().rule
    assert replace(bandits._linear(rules).model, dimension=1) == LinearModel()


def test_the_setting_is_read_without_numpy():
    code = "import decision_stream.stats.bandits.setting, sys; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
