"""Quantiles of a stream of latencies or costs, from a bounded histogram of equal ratios that merges exactly.

Each bin i holds the values in (g^(i-1), g^i], so that any quantile is known up to a ratio: DDSketch (Masson, Rim & Lee
2019) with the uniform collapse of UDDSketch (Epicoco et al. 2020): when there are too many bins, g is squared and
neighbours are joined. The order of the values does not matter, and neither does how they were split among sketches.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from math import ceil, exp, inf, isfinite, log, sqrt
from struct import Struct as Layout
from struct import error
from typing import NamedTuple

from msgspec import Struct

from . import normal

_HEADER = Layout("<BBQH")
_BIN = Layout("<iI")
_VERSION = 1
MAX_BINS = 150
"""With 8 bytes a bin, a sketch takes at most 1,212 bytes."""
FIRST_ACCURACY = 0.01
_LOG_RATIO = log((1.0 + FIRST_ACCURACY) / (1.0 - FIRST_ACCURACY))
_MAX_COUNT = 2**32 - 1


class Range(NamedTuple):
    """Where a quantile lies, with a stated probability."""

    low: float
    high: float


class Quantiles(Struct, frozen=True, gc=False):
    """Numbers of the bins that hold something, rising, and how many values each holds; `zeros` counts values of 0.

    `collapses` says how often g was squared: with none a quantile is off by at most 1 %, with one 2 %, with two 4 %.

    >>> sketch = Quantiles().extended(range(1, 1001))
    >>> abs(sketch.quantile(0.95) / 950 - 1) < sketch.accuracy
    True
    """

    places: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    zeros: int = 0
    collapses: int = 0

    def apply(self, value: float) -> Quantiles:
        """`extended` with one value."""
        if not 0.0 < value < inf:
            return self.extended((value,))
        place = ceil(log(value) / self._width)
        at, places, counts = bisect_left(self.places, place), self.places, list(self.counts)
        if at < len(places) and places[at] == place:
            counts[at] += counts[at] < _MAX_COUNT
        elif len(places) == MAX_BINS:
            return self.extended((value,))
        else:
            places = (*places[:at], place, *places[at:])
            counts.insert(at, 1)
        return Quantiles(places, tuple(counts), self.zeros, self.collapses)

    def extended(self, values: Iterable[float]) -> Quantiles:
        """With more values. Raises ValueError for one that is negative or not finite.

        >>> Quantiles().extended([0.0, 5.0]).count
        2
        """
        counts, zeros = self._bins(), self.zeros
        width = self._width
        for value in values:
            if not 0.0 <= value < inf:
                raise ValueError(f"quantiles are kept of values from 0 on, found {value!r}")
            if value == 0.0:
                zeros += 1
            else:
                place = ceil(log(value) / width)
                counts[place] = counts.get(place, 0) + 1
        return _bounded(counts, zeros, self.collapses)

    def merge(self, other: Quantiles) -> Quantiles:
        """Both streams together; exactly what one sketch of all values would be, if neither had to collapse.

        >>> Quantiles().apply(1.0).merge(Quantiles().apply(2.0)) == Quantiles().extended([1.0, 2.0])
        True
        """
        one, two = (self, other) if self.collapses >= other.collapses else (other, self)
        counts, finer = one._bins(), two._bins()
        for _ in range(one.collapses - two.collapses):
            finer = _collapsed(finer)
        for place, count in finer.items():
            counts[place] = counts.get(place, 0) + count
        return _bounded(counts, one.zeros + two.zeros, one.collapses)

    @property
    def count(self) -> int:
        """Values seen."""
        return self.zeros + sum(self.counts)

    @property
    def accuracy(self) -> float:
        """Largest relative error of a quantile, apart from chance: (g - 1) / (g + 1)."""
        ratio = exp(self._width)
        return (ratio - 1.0) / (ratio + 1.0)

    def quantile(self, share: float) -> float:
        """The value that this share of values is at or below (nearest rank); nan for an empty sketch.

        ValueError for a share outside [0, 1].
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"a share lies inside [0, 1], found {share}")
        return self._ranked(max(1, ceil(share * self.count))) if self.count else float("nan")

    def interval(self, share: float, level: float = 0.95) -> Range:
        """Where the quantile of the source lies, by ranks (David & Nagaraja 2003, section 7.1), at one look.

        Widened by the sketch's accuracy. `inf` or 0 where there are too few values to bound that side: a p95 needs
        some 75 values before it has an upper bound.

        >>> Quantiles().extended([1.0] * 10).interval(0.95).high
        inf
        """
        if not 0.0 < share < 1.0:
            raise ValueError(f"a share inside (0, 1) is needed, found {share}")
        count = self.count
        reach = normal.quantile(0.5 + 0.5 * level) * sqrt(count * share * (1.0 - share))
        low, high = int(count * share - reach), ceil(count * share + reach) + 1
        return Range(
            self._ranked(low) * (1.0 - self.accuracy) if low >= 1 else 0.0,
            self._ranked(high) * (1.0 + self.accuracy) if high <= count else inf,
        )

    def share_above(self, value: float) -> float:
        """Share of values in bins above that of `value`: what exceeds a limit; nan for an empty sketch.

        >>> Quantiles().extended([1.0, 2.0, 3.0, 4.0]).share_above(2.5)
        0.5
        """
        if not self.count:
            return float("nan")
        if value <= 0.0:
            return 1.0 if value < 0.0 else 1.0 - self.zeros / self.count
        place = ceil(log(value) / self._width) if isfinite(value) else 2**31
        return sum(self.counts[bisect_right(self.places, place) :]) / self.count

    def encoded(self) -> bytes:
        """Version 1: a header of 12 bytes, then 8 bytes for each bin; little-endian."""
        header = _HEADER.pack(_VERSION, self.collapses, self.zeros, len(self.places))
        return header + b"".join(map(_BIN.pack, self.places, self.counts))

    @staticmethod
    def decoded(data: bytes) -> Quantiles:
        """The sketch that was encoded; ValueError for other bytes or another version."""
        try:
            version, collapses, zeros, length = _HEADER.unpack_from(data)
            bins = list(_BIN.iter_unpack(data[_HEADER.size :]))
        except error as cut:
            raise ValueError(f"no sketch of quantiles: {cut}") from cut
        if version != _VERSION or len(bins) != length:
            raise ValueError(f"sketch of version {version} with {len(bins)} of {length} bins, expected {_VERSION}")
        return Quantiles(*_columns(bins), zeros, collapses)

    def _bins(self) -> dict[int, int]:
        return dict(zip(self.places, self.counts, strict=True))

    @property
    def _width(self) -> float:
        return _LOG_RATIO * (1 << self.collapses)

    def _ranked(self, rank: int) -> float:
        seen = self.zeros
        if rank <= seen:
            return 0.0
        for place, count in zip(self.places, self.counts, strict=True):
            seen += count
            if rank <= seen:
                # Where the relative error to both ends of the bin is the same.
                return exp(place * self._width) * 2.0 / (1.0 + exp(self._width))
        raise AssertionError(f"rank {rank} among {seen} values")


def _bounded(counts: dict[int, int], zeros: int, collapses: int) -> Quantiles:
    while len(counts) > MAX_BINS:
        counts, collapses = _collapsed(counts), collapses + 1
    bins = [(place, min(count, _MAX_COUNT)) for place, count in sorted(counts.items())]
    return Quantiles(*_columns(bins), zeros, collapses)


def _columns(bins: list[tuple[int, int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple([place for place, _ in bins]), tuple([count for _, count in bins])


def _collapsed(counts: dict[int, int]) -> dict[int, int]:
    """Bins 2 i - 1 and 2 i become bin i, which then ends at the square of g."""
    joined: dict[int, int] = {}
    for place, count in counts.items():
        joined[(place + 1) // 2] = joined.get((place + 1) // 2, 0) + count
    return joined
