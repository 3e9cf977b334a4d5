"""Tallies: what a scrape shows of them is what prometheus_client's own metrics would have shown."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from decision_stream.edge.metric_table import TABLE, Metric
from decision_stream.edge.tally import Tally

BOUNDS = (0.001, 0.5, 2.0)


def shown(collector) -> list[str]:
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


@pytest.mark.parametrize("labels", [{}, {"stage": ("a", "b")}])
def test_counts_are_shown_as_by_the_client_library(labels):
    mine, theirs = (
        Tally(Metric("x_total", Counter, "what", labels)),
        Counter("x_total", "what", tuple(labels), registry=None),
    )
    for child in (mine.labels(*["a"] * len(labels)), theirs.labels("a") if labels else theirs):
        for _ in range(3):
            child.inc()
    assert shown(mine) == shown(theirs)


@pytest.mark.parametrize("values", [(), (0.0, 0.001, 0.0011, 0.5, 1.9, 2.0, 7.0)])
def test_distributions_are_shown_as_by_the_client_library(values):
    mine = Tally(Metric("x_seconds", Histogram, "how long", {"by": ("a",)}, BOUNDS))
    theirs = Histogram("x_seconds", "how long", ("by",), buckets=BOUNDS, registry=None)
    for child in (mine.labels("a"), theirs.labels("a")):
        for value in values:
            child.observe(value)
    assert shown(mine) == shown(theirs)


def test_the_bounds_of_the_table_rise():
    assert all(list(row.buckets) == sorted(set(row.buckets)) for row in TABLE)
