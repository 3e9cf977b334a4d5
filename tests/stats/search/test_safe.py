"""Safe search: trials do next to no harm, find better parameters, and depend on nothing but their inputs."""

import math
from dataclasses import replace
from random import Random

import pytest

from decision_stream.stats.search import safe
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
