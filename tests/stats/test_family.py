"""Several claims at once: the chance of any false one stays at the level of a single claim."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stats.family import holm, shared

P_VALUES = st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(0.0, 1.0), min_size=1, max_size=6)


@given(P_VALUES)
def test_adjusting_keeps_the_order_and_lies_between_the_value_and_bonferronis(found):
    adjusted = holm(found)
    assert sorted(adjusted) == sorted(found)
    for name, value in found.items():
        assert value <= adjusted[name] <= min(1.0, value * len(found)) + 1e-12
    ordered = sorted(found, key=lambda name: (found[name], name))
    assert [adjusted[name] for name in ordered] == sorted(adjusted.values())


@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_claims_whatever_bonferroni_claims(found, alpha):
    adjusted = holm(found)
    assert all(adjusted[name] <= alpha for name, value in found.items() if value < shared(alpha, len(found)))


def test_any_false_claim_is_as_rare_as_one():
    """Four dependent p-values without any effect, 2,000 times: two share a common part."""
    false = 0
    for seed in range(2_000):
        draw = Random(seed)
        common = draw.random()
        found = {"a": common, "b": common, "c": draw.random(), "d": draw.random()}
        false += min(holm(found).values()) <= 0.05
    assert false / 2_000 <= 0.05 + 0.015


def test_one_claim_is_left_as_it_is_and_none_is_none():
    assert holm({"only": 0.04}) == {"only": 0.04}
    assert holm({}) == {}


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="at least one claim"):
        shared(0.05, 0)
    with pytest.raises(ValueError, match="inside"):
        holm({"a": 1.5})
