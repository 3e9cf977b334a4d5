"""The linear model's arithmetic: against the textbook's formulas, and wherever in memory its numbers lie."""

import numpy as np
import pytest
from msgspec.structs import replace

from decision_stream.stats.bandits.linear import Arm, LinearModel, LinearState, _routines

DIMENSION = 7


def learnt(model: LinearModel, events: int, seed: int) -> tuple[LinearState, list[tuple]]:
    """A state, and what it was taught."""
    draw, state, told = np.random.default_rng(seed), LinearState(), []
    for _ in range(events):
        arm, x = str(draw.choice(["a", "b", "c"])), draw.standard_normal(DIMENSION)
        reward, weight = float(draw.random()), float(draw.uniform(0.1, 2.0))
        state = model.learn(state, arm, x.tolist(), reward, weight).state
        told.append((arm, x, reward, weight))
    return state, told


@pytest.mark.parametrize("forgetting", [1.0, 0.99, 0.5])
def test_beliefs_are_those_of_ridge_regression_with_faded_weights(forgetting):
    """A = sum of w x x' + ridge I and b = sum of w (r - c) x: the mean is c + b' A^-1 x, the variance x' A^-1 x."""
    model = LinearModel(dimension=DIMENSION, forgetting=forgetting, ridge=0.3, ceiling=1.2)
    state, told = learnt(model, 90, 5006)
    x = np.random.default_rng(5007).standard_normal(DIMENSION)
    belief = model.believe(state, x.tolist(), ["a", "b", "c", "new"])
    for arm, mean, deviation in zip(belief.names, belief.means, belief.deviations, strict=True):
        precision, response = 0.3 * np.eye(DIMENSION), np.zeros(DIMENSION)
        for age, (name, context, reward, weight) in enumerate(reversed(told)):
            if name == arm:
                precision += forgetting**age * weight * np.outer(context, context)
                response += forgetting**age * weight * (reward - 1.2) * context
        solved = np.linalg.solve(precision, x)
        assert mean == pytest.approx(1.2 + response @ solved, rel=1e-10)
        assert deviation == pytest.approx(model.deviation(state) * np.sqrt(x @ solved), rel=1e-10)


def test_what_is_expected_of_a_reward_is_what_was_believed():
    model = LinearModel(dimension=DIMENSION, forgetting=0.99)
    state, _ = learnt(model, 60, 5008)
    x = np.random.default_rng(5009).standard_normal(DIMENSION).tolist()
    belief, expected = model.believe(state, x, ["b"]), model.learn(state, "b", x, 0.5).expected
    assert (expected.mean, expected.error) == pytest.approx((belief.means[0], belief.deviations[0]), rel=1e-10)


def test_an_arm_is_believed_alike_in_any_company():
    """Bit by bit: the arms lie side by side in memory while they are solved."""
    model = LinearModel(dimension=DIMENSION)
    state, _ = learnt(model, 60, 5010)
    x = np.random.default_rng(5011).standard_normal(DIMENSION).tolist()
    alone = {arm: model.believe(state, x, [arm]) for arm in "abc"}
    for company in (["a", "b", "c"], ["c", "new", "b", "a"], ["new", "other", "a", "c"]):
        together = model.believe(state, x, company)
        for arm, mean, deviation in zip(company, together.means, together.deviations, strict=True):
            if arm in alone:
                assert (mean, deviation) == (alone[arm].means[0], alone[arm].deviations[0])


@pytest.mark.parametrize("size", [4, 9, 18, 34])
def test_no_routine_cares_where_in_memory_its_numbers_lie(size):
    """At each of the eight places of a number in a line of 64 bytes: the results are equal bit by bit."""
    call, draw = _routines(), np.random.default_rng(size)
    square = draw.standard_normal((2 * size, size))
    square = square.T @ square
    packed, one, other = square[np.triu_indices(size)], draw.standard_normal(size), draw.standard_normal(size)
    answers = set()
    for place in range(8):
        matrix = shifted(square.ravel(), place).reshape(size, size)
        assert call.factor(matrix.T, 0, 0, 1)[1] == 0
        solution, failed = call.solve(size, shifted(packed, place), shifted(one, place), 1)
        assert failed == 0
        moved, scaled = shifted(other, place), shifted(packed, place)
        call.add(shifted(one, place), moved, size, 0.7)
        call.scale(0.3, scaled)
        product = call.dot(shifted(one, place), shifted(other, place))
        answers.add((np.tril(matrix).tobytes(), solution.tobytes(), moved.tobytes(), scaled.tobytes(), product))
    assert len(answers) == 1


def shifted(values: np.ndarray, place: int) -> np.ndarray:
    """A copy that begins at this eighth of a line of the cache."""
    room = np.empty(len(values) + 16)
    first = (place - room.ctypes.data // 8) % 8
    copy = room[first : first + len(values)]
    copy[:] = values
    assert copy.ctypes.data // 8 % 8 == place
    return copy


def test_evidence_that_cannot_be_is_refused_by_the_name_of_its_arm():
    model, state = LinearModel(dimension=2), LinearState()
    state = model.learn(state, "good", [1.0, 2.0], 0.5).state
    bad = Arm(np.array([-5.0, 0.0, 1.0]).tobytes(), bytes(16), 1.0, 1)
    broken = replace(state, arms={**state.arms, "bad": bad})
    assert model.believe(broken, [1.0, 0.0], ["good"]).means
    with pytest.raises(ValueError, match="arm bad is not positive definite"):
        model.believe(broken, [1.0, 0.0], ["good", "bad"])
    with pytest.raises(ValueError, match="arm bad is not positive definite"):
        model.learn(broken, "bad", [1.0, 0.0], 0.5)


@pytest.mark.parametrize("context", [[1.0], [1.0, float("inf")], [1.0, float("nan")], [1e200, 1e200]], ids=str)
def test_a_context_that_would_spoil_the_evidence_is_refused(context):
    model = LinearModel(dimension=2)
    with pytest.raises(ValueError, match="2 finite numbers"):
        model.believe(LinearState(), context, ["a"])
    with pytest.raises(ValueError, match="2 finite numbers"):
        model.learn(LinearState(), "a", context, 0.5)


def test_evidence_that_has_faded_to_nothing_leaves_the_prior():
    model, old = LinearModel(dimension=2, forgetting=0.5), LinearState()
    old = replace(model.learn(old, "old", [1.0, 2.0], 0.0).state, clock=1_000_000)
    belief = model.believe(old, [1.0, 1.0], ["old", "new"])
    assert belief.means[0] == belief.means[1] == 1.0
    assert belief.deviations[0] == pytest.approx(belief.deviations[1], rel=1e-12)
    assert model.learn(old, "old", [1.0, 1.0], 0.5).expected.error == pytest.approx(belief.deviations[0], rel=1e-12)
