"""Fronts and choices: exact, and unmoved by units, by additions that nobody wants, or by doubt."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.stats import pareto
from decision_stream.stats.pareto import Between, Reference

ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.tuples(*[st.integers(0, 6).map(float)] * width), min_size=1, max_size=25)
)
DIRECTIONS = ("max", "min", "min")
MODELS = {"fast": (0.79, 0.00003, 400.0), "wise": (0.934, 0.0151, 2_100.0), "level": (0.924, 0.00052, 900.0)}
REFERENCES = (Reference(1.0, 0.5), Reference(1e-5, 1e-1, "log"), Reference(200.0, 5_000.0, "log"))
WEIGHTS = (0.5, 0.3, 0.2)


def best(rows: dict[str, tuple[float, ...]], score, references=REFERENCES) -> str:
    return min(rows, key=lambda name: (score(pareto.losses(rows[name], references), WEIGHTS), name))


@settings(max_examples=200, deadline=None)
@given(ROWS, st.randoms())
def test_the_front_is_what_comparing_all_pairs_finds(rows, draw):
    directions = [draw.choice(["min", "max"]) for _ in rows[0]]
    expected = [i for i, row in enumerate(rows) if not any(pareto.dominates(other, row, directions) for other in rows)]
    assert pareto.front(rows, directions) == expected


@pytest.mark.parametrize("score", [pareto.weighted_sum, pareto.augmented_chebyshev])
def test_a_choice_does_not_depend_on_units(score):
    in_seconds = {name: (quality, 1e6 * cost, ms / 1_000) for name, (quality, cost, ms) in MODELS.items()}
    scaled = (REFERENCES[0], Reference(10.0, 1e5, "log"), Reference(0.2, 5.0, "log"))
    assert best(MODELS, score) == best(in_seconds, score, scaled)


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 0.7), st.floats(0.02, 100.0), st.floats(2_200.0, 1e6))
@pytest.mark.parametrize("score", [pareto.weighted_sum, pareto.augmented_chebyshev])
def test_a_choice_does_not_depend_on_a_dominated_candidate(score, quality, cost, latency):
    assert best({**MODELS, "awful": (quality, cost, latency)}, score) == best(MODELS, score)


def test_chebyshev_finds_the_hollow_of_a_front_and_the_sum_does_not():
    rows = {"left": (0.0, 1.0), "hollow": (0.55, 0.55), "right": (1.0, 0.0)}
    sums, chebyshev = set(), set()
    for step in range(1, 20):
        weights = (step / 20, 1.0 - step / 20)
        sums.add(min(rows, key=lambda name: pareto.weighted_sum(rows[name], weights)))
        chebyshev.add(min(rows, key=lambda name: pareto.augmented_chebyshev(rows[name], weights)))
    assert sums == {"left", "right"} and chebyshev == {"left", "hollow", "right"}


def test_a_candidate_with_few_samples_dominates_nobody():
    known, guessed = Between((0.88,), (0.90,)), Between((0.70,), (0.99,))
    assert not pareto.surely_dominates(guessed, known, ("max",))
    assert pareto.possible_front([known, guessed], ("max",)) == [0, 1]
    proven = Between((0.93,), (0.95,))
    assert pareto.possible_front([known, guessed, proven], ("max",)) == [1, 2]


def test_the_knee_is_where_both_exchanges_are_dear_and_ignores_dominated_rows():
    rows = [(0.0, 1.0), (0.15, 0.4), (0.2, 0.1), (0.6, 0.05), (1.0, 0.0)]
    assert pareto.knee(rows) == 2
    assert pareto.knee([*rows, (0.9, 0.9)]) == 2 and pareto.knee([]) is None


def test_the_chance_of_being_best_sums_to_one_and_follows_the_draws():
    draw = Random(1)
    scores = [[draw.gauss(0.0, 1.0), draw.gauss(0.5, 1.0), draw.gauss(5.0, 0.1)] for _ in range(4_000)]
    found = pareto.chances_of_best(scores)
    assert sum(found) == pytest.approx(1.0) and found[0] == pytest.approx(0.638, abs=0.03) and found[2] == 0.0


@pytest.mark.parametrize("rows", [[(float("nan"), 1.0)], [(1.0,)], [(1.0, 2.0, 3.0)]])
def test_rows_that_cannot_be_compared_are_refused(rows):
    with pytest.raises(ValueError):
        pareto.front(rows, ("min", "max"))


@pytest.mark.parametrize("weights", [(0.0, 0.0), (-1.0, 2.0)])
def test_weights_that_weigh_nothing_are_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        pareto.weighted_sum((0.1, 0.2), weights)
