"""Configurations and their changes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.model.configuration import (
    Configuration,
    ConfigurationChanges,
    Facet,
    ModelChange,
    ParameterChange,
    TrafficAllocation,
    changes_between,
)

names = st.sampled_from(["temperature", "top_p", "max_tokens"])
values = st.one_of(st.booleans(), st.integers(0, 9), st.floats(0.0, 2.0), st.text(max_size=3))
configurations = st.builds(
    Configuration,
    model=st.sampled_from(["a", "b", "c"]),
    prompt=st.none() | st.sampled_from(["p1", "p2"]),
    parameters=st.dictionaries(names, values),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(old=configurations, new=configurations)
def test_a_change_leads_to_the_new_configuration_and_its_inverse_back(old, new):
    changes = changes_between(old, new)
    assert old.patched(changes) == new
    assert new.patched(changes.inverted()) == old


def test_equal_configurations_have_equal_ids_whatever_the_order_of_their_parameters():
    one = Configuration(model="m", parameters={"a": 1, "b": 2})
    other = Configuration(model="m", parameters={"b": 2, "a": 1})
    assert one.id == other.id


def test_an_integer_parameter_is_not_the_float_of_the_same_size():
    assert Configuration(model="m", parameters={"n": 1}).id != Configuration(model="m", parameters={"n": 1.0}).id


def test_undoing_one_facet_keeps_a_later_change_of_another():
    first = ConfigurationChanges(model=ModelChange(old="a", new="b"))
    second = ConfigurationChanges(parameters=(ParameterChange(name="temperature", old=None, new=0.5),))
    both = Configuration(model="a").patched(first).patched(second)
    assert both.patched(first.inverted()) == Configuration(model="a", parameters={"temperature": 0.5})


def test_facets_are_those_touched():
    changes = ConfigurationChanges(
        model=ModelChange(old="a", new="b"), traffic=TrafficAllocation(shares={"x": 0.5, "y": 0.5})
    )
    assert changes.facets == (Facet.MODEL, Facet.TRAFFIC)


def test_shares_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="expected 1"):
        TrafficAllocation(shares={"x": 0.5, "y": 0.6})
