"""Parameter search: designs cover, the space cannot be left, predictions are right, trials do no harm."""

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from decision_stream.stats.search import safe
from decision_stream.stats.search.design import latin_hypercube
from decision_stream.stats.search.gaussian_process import Inputs, Kernel, condition, matern52
from decision_stream.stats.search.safe import Settings, Trial, best, propose
from decision_stream.stats.search.space import Dimension, Space

BOX = Space(
    (
        Dimension(name="temperature", low=0.0, high=2.0),
        Dimension(name="max_tokens", low=64, high=4096, scale="log", is_integer=True),
    )
)
START = (1.6, 200)
SETTINGS = Settings(start=START)


def utility(values) -> float:
    """Best at a temperature of 0.6 and 1024 tokens."""
    x, y = BOX.to_unit(values)
    best_x, best_y = BOX.to_unit((0.6, 1024))
    return 0.9 - 0.8 * (x - best_x) ** 2 - 0.6 * (y - best_y) ** 2


def searched(seed: int, count: int, settings: Settings = SETTINGS) -> list[Trial]:
    draw, trials = Random(seed), []
    for _ in range(count):
        values = propose(trials, BOX, settings, draw.random()).values
        trials.append(Trial(values=values, outcome=utility(values) + draw.gauss(0.0, 0.05), variance=0.05**2))
    return trials


def test_a_latin_hypercube_covers_every_axis_as_scipy_s_does():
    draw = np.random.default_rng(1)
    points = latin_hypercube(draw.random((16, 3)), draw.random((16, 3)))
    for ours, theirs in zip(points.T, qmc.LatinHypercube(3, seed=2).random(16).T, strict=True):
        assert sorted((ours * 16).astype(int)) == sorted((theirs * 16).astype(int)) == list(range(16))


def test_a_design_of_other_shapes_or_values_is_refused():
    with pytest.raises(ValueError, match="shape"):
        latin_hypercube(np.zeros((2, 1)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="outside"):
        latin_hypercube(np.ones((2, 1)), np.zeros((2, 1)))


@given(st.tuples(st.floats(-2.0, 3.0), st.floats(-2.0, 3.0)))
def test_whatever_the_coordinates_the_values_lie_inside_the_bounds(units):
    values = BOX.from_unit(units)
    assert BOX.contains(values) and isinstance(values[1], int)


@given(st.floats(0.0, 2.0), st.integers(64, 4096))
def test_values_survive_the_way_to_the_unit_cube_and_back(temperature, tokens):
    back = BOX.from_unit(BOX.to_unit((temperature, tokens)))
    assert back[0] == pytest.approx(temperature, abs=1e-12) and back[1] == tokens


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "scale": "log"},
        {"low": 0.5, "high": 2.0, "is_integer": True},
        {"low": 0.0, "high": math.inf},
    ],
)
def test_dimensions_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Dimension(name="x", **wrong)


def test_a_prediction_is_that_of_the_textbook_formula():
    """Rasmussen & Williams (2006), eqs. 2.23 and 2.24, with an explicit inverse."""
    draw = np.random.default_rng(3)
    kernel = Kernel((0.4, 0.7), 0.3, 0.0)
    seen, at = draw.random((12, 2)), draw.random((5, 2))
    outcomes, noise = draw.normal(size=12), np.full(12, 0.01)
    zeros = [np.zeros(len(points), np.int64) for points in (seen, at)]
    found = condition(kernel, Inputs(seen, zeros[0]), outcomes, noise).predict(Inputs(at, zeros[1]))
    covariance = 0.09 * matern52(seen, seen, kernel.scales) + np.diag(noise)
    cross = 0.09 * matern52(seen, at, kernel.scales)
    inverse = np.linalg.inv(covariance)
    assert found.mean == pytest.approx(cross.T @ inverse @ outcomes, rel=1e-7)
    assert found.sd**2 == pytest.approx(0.09 - np.diag(cross.T @ inverse @ cross), rel=1e-7)
    gain, gain_sd = found.gain_over(2)
    joint = 0.09 * matern52(at, at, kernel.scales) - cross.T @ inverse @ cross
    expected = np.diag(joint) + joint[2, 2] - 2.0 * joint[:, 2]
    assert gain == pytest.approx(found.mean - found.mean[2])
    assert gain_sd**2 == pytest.approx(np.maximum(expected, 0.0), abs=1e-8)


def test_an_outcome_says_less_about_another_context():
    kernel = Kernel((0.5,), 0.3, 0.5, context_correlation=0.3)
    seen = Inputs(np.array([[0.5]]), np.array([0]))
    at = Inputs(np.array([[0.5], [0.5]]), np.array([0, 1]))
    found = condition(kernel, seen, np.array([1.0]), np.array([0.01])).predict(at)
    assert found.mean[0] > found.mean[1] > 0.0 and found.sd[0] < found.sd[1]


def test_the_start_is_tried_first_and_then_left():
    trials = searched(1, 6)
    assert [trial.values for trial in trials[:3]] == [START] * 3
    assert trials[3].values != START


@pytest.mark.parametrize("seed", range(4))
def test_a_search_finds_better_parameters_and_hardly_ever_does_harm(seed):
    trials = searched(seed, 40)
    harmful = sum(utility(trial.values) < utility(START) - SETTINGS.tolerance for trial in trials)
    assert harmful <= 2, f"seed {seed}: {harmful} of 40"
    assert all(BOX.contains(trial.values) for trial in trials)
    assert utility(best(trials, BOX, SETTINGS).values) > 0.85 > utility(START) + 0.1


def test_what_is_suggested_is_safe_by_its_own_prediction():
    trials = searched(5, 20)
    found = propose(trials, BOX, SETTINGS, 0.3)
    assert found.gain - SETTINGS.caution * found.gain_sd >= -SETTINGS.tolerance
    assert found.why in ("explore", "exploit") and found.sd > 0.0


def test_the_same_inputs_give_the_same_suggestion():
    trials = searched(6, 12)
    assert propose(trials, BOX, SETTINGS, 0.7) == propose(tuple(trials), BOX, SETTINGS, 0.7)


def test_a_new_context_is_learnt_from_its_own_reference_first():
    trials = searched(7, 12)
    found = propose(trials, BOX, SETTINGS, 0.1, context=1)
    assert found.why == "reference" and found.values == START


def test_a_long_log_is_cut_to_its_newest_trials():
    trials = [Trial(values=START, outcome=0.5, variance=0.01)] * 500
    assert len(safe.kept(trials)) == 200
    assert propose(trials, BOX, SETTINGS, 0.2) == propose(trials[-200:], BOX, SETTINGS, 0.2)


def test_a_start_outside_the_bounds_is_still_the_reference():
    settings = replace(SETTINGS, start=(2.5, 200))
    trials = [Trial(values=(2.5, 200), outcome=0.5, variance=0.0001)] * 3
    found = propose(trials, BOX, settings, 0.4)
    assert found.values == (2.5, 200) or BOX.contains(found.values)


@pytest.mark.parametrize("wrong", [{"outcome": math.nan}, {"variance": 0.0}])
def test_trials_without_an_outcome_are_refused(wrong):
    with pytest.raises(ValueError, match="trial"):
        Trial(**{"values": START, "outcome": 0.5, "variance": 0.01, **wrong})


def test_a_draw_that_is_none_is_refused():
    with pytest.raises(ValueError, match="chance"):
        propose((), BOX, SETTINGS, 1.0)
