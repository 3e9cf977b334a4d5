"""Quantiles: as accurate as stated, bounded, the same in any order and any split."""

from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decision_stream.stats.quantiles import MAX_BINS, Quantiles

VALUES = st.lists(st.floats(min_value=1e-6, max_value=1e9) | st.just(0.0), max_size=300)


def latencies(seed: int, count: int, sigma: float = 0.6) -> list[float]:
    draw = Random(seed)
    return [draw.lognormvariate(6.0, sigma) for _ in range(count)]


@pytest.mark.parametrize("sigma", [0.1, 0.6, 2.0])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.95, 0.99])
def test_a_quantile_is_off_by_no_more_than_the_stated_ratio(sigma, share):
    values = latencies(1, 20_000, sigma)
    sketch = Quantiles().extended(values)
    true = float(np.quantile(values, share, method="inverted_cdf"))
    assert sketch.quantile(share) == pytest.approx(true, rel=sketch.accuracy + 1e-9)
    assert sketch.accuracy <= 0.09 and len(sketch.places) <= MAX_BINS


def test_usual_latencies_are_known_to_two_percent():
    assert Quantiles().extended(latencies(2, 50_000)).accuracy < 0.021


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 300))
def test_parts_merge_to_the_whole_and_order_does_not_matter(values, cut):
    whole = Quantiles().extended(values)
    parts = Quantiles().extended(values[:cut]).merge(Quantiles().extended(values[cut:]))
    backwards = Quantiles().extended(values[cut:]).merge(Quantiles().extended(values[:cut]))
    assert parts == backwards and parts.count == whole.count == len(values)
    assert parts == whole == Quantiles().extended(reversed(values))


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_one_at_a_time_is_the_same_as_all_at_once(values):
    assert reduce(Quantiles.apply, values, Quantiles()) == Quantiles().extended(values)


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_bytes_round_trip_exactly(values):
    sketch = Quantiles().extended(values)
    assert Quantiles.decoded(sketch.encoded()) == sketch
    assert len(sketch.encoded()) <= 1_300


def test_sketches_of_different_grain_merge():
    coarse, fine = Quantiles().extended(latencies(3, 5_000, 2.0)), Quantiles().extended(latencies(4, 100, 0.1))
    assert coarse.collapses > fine.collapses
    both = fine.merge(coarse)
    assert both == coarse.merge(fine) and both.count == 5_100


def test_the_interval_of_a_p95_covers_it_as_often_as_it_says():
    true = float(np.exp(6.0 + 0.6 * 1.6448536))
    covered = 0
    for seed in range(300):
        found = Quantiles().extended(latencies(seed, 400)).interval(0.95)
        covered += found.low <= true <= found.high
    assert covered / 300 >= 0.93


def test_a_p95_of_few_values_has_no_upper_bound():
    assert Quantiles().extended(latencies(1, 40)).interval(0.95).high == float("inf")


def test_the_share_above_a_limit_is_that_of_the_values():
    values = latencies(5, 5_000)
    limit = 1_000.0
    true = sum(value > limit for value in values) / 5_000
    assert Quantiles().extended(values).share_above(limit) == pytest.approx(true, abs=0.01)


def test_nothing_is_said_of_nothing():
    empty = Quantiles()
    assert np.isnan(empty.quantile(0.5)) and np.isnan(empty.share_above(1.0)) and empty.count == 0


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_values_without_a_place_are_refused(value):
    with pytest.raises(ValueError, match="from 0 on"):
        Quantiles().apply(value)


@pytest.mark.parametrize("data", [b"", b"\x02" + b"\x00" * 11, Quantiles().apply(1.0).encoded()[:-8]])
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError, match="sketch"):
        Quantiles.decoded(data)
