"""Counters and histograms that cost a tenth of a microsecond: plain numbers of one thread, read at a scrape.

prometheus_client's own take a lock for each change, a histogram two: four of them for every insight were a twentieth
of what the whole worker spends.
"""

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from .metric_table import Metric


class Count:
    """How often something happened."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self) -> None:
        """Once more."""
        self.value += 1


class Distribution:
    """Values by the bucket they fall into, the last one without a bound; a value on a bound is below it."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """One more value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and number of values up to it."""
        shown, below = [], 0
        for bound, count in zip((*self.bounds, float("inf")), tuple(self.counts), strict=True):
            below += count
            shown.append((floatToGoString(bound), float(below)))
        return shown


class Tally(Collector):
    """All counts or distributions of one metric, by the values of its labels."""

    def __init__(self, row: Metric) -> None:
        self._row = row
        self._children: dict[tuple[str, ...], Count | Distribution] = {}

    def labels(self, *values: str) -> Count | Distribution:
        """The child of these values of the labels, made when it is asked for first."""
        child = self._children.get(values)
        if child is None:
            child = Distribution(self._row.buckets) if self._row.kind is Histogram else Count()
            self._children[values] = child
        return child

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """What a scrape shows."""
        row, names = self._row, tuple(self._row.labels)
        if row.kind is Counter:
            counts = CounterMetricFamily(row.name, row.meaning, labels=names)
            for values, child in self._children.items():
                assert isinstance(child, Count)
                counts.add_metric(values, child.value)
            yield counts
        else:
            spread = HistogramMetricFamily(row.name, row.meaning, labels=names)
            for values, child in self._children.items():
                assert isinstance(child, Distribution)
                spread.add_metric(values, child.buckets(), child.sum)
            yield spread
