"""ADWIN: an adaptive window over values in [0, 1] that drops its past when the mean has changed (Bifet & Gavalda 2007).

The window is kept as an exponential histogram: rows of at most five buckets of 1, 2, 4, ... values, each a sum and a
summed squared deviation. A cut is looked for between any two buckets. Two parts W0, W1 of n0 and n1 values differ when
|mean0 - mean1| > sqrt(2 m v d) + 2/3 m d, with m = 1 / (n0 - 4) + 1 / (n1 - 4), v the variance of the whole window
and d = ln(2 ln(n) / delta): eq. 3.1 with the corrections for many tests and for parts of at least five values that
river 0.26.1 makes too. False alarms are bounded by delta for values in [0, 1]: scale what is not, and take logarithms
of latencies and costs first.

Detections are those of river 0.26.1 when `extended` is given as many values as river's clock has ticks. River then
forgets the whole window, where the paper (and this module) keeps the newer part: to do as river does, begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import log
from struct import Struct as Layout

from msgspec import Struct

BUCKETS_PER_ROW = 5
MIN_WINDOW = 5
"""Values on each side of a cut, below which nothing is said."""

_BUCKET_BYTES = 17


@lru_cache(maxsize=256)
def _layout(buckets: int) -> Layout:
    """Row, total and spread of so many buckets, little-endian and without gaps."""
    return Layout("<" + "Bdd" * buckets)


@dataclass(frozen=True, slots=True)
class Bucket:
    """2 ** `row` values: their `total`, and their summed squared deviation `spread` from their own mean.

    >>> Bucket(row=3, total=2.0, spread=0.5).count
    8
    """

    row: int
    total: float
    spread: float

    @property
    def count(self) -> int:
        """How many values it stands for."""
        return 1 << self.row


class Adwin(Struct, frozen=True, gc=False):
    """The window, oldest bucket first: how many values each bucket stands for, their total, and their spread.

    >>> window = Adwin()
    >>> for value in [0.0] * 200 + [1.0] * 30:
    ...     window, changed = window.apply(value, delta=0.002)
    ...     if changed:
    ...         break
    >>> changed, window.mean > 0.05
    (True, True)
    """

    counts: tuple[int, ...] = ()
    totals: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """The same, bucket by bucket."""
        columns = zip(self.counts, self.totals, self.spreads, strict=True)
        return tuple(Bucket(count.bit_length() - 1, total, spread) for count, total, spread in columns)

    @property
    def count(self) -> int:
        """Values in the window."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Mean of the window; nan when it is empty."""
        return sum(self.totals) / sum(self.counts) if self.counts else float("nan")

    def apply(self, value: float, *, delta: float = 0.002, max_count: int = 1_000) -> tuple[Adwin, bool]:
        """`extended` with one value."""
        return self.extended((value,), delta=delta, max_count=max_count)

    def extended(self, values: Iterable[float], *, delta: float = 0.002, max_count: int = 1_000) -> tuple[Adwin, bool]:
        """The window with more values, searched once after the last; and whether some of the past was dropped.

        `delta` bounds the chance of a false alarm; beyond `max_count` values the oldest buckets are forgotten.
        Raises ValueError for a value outside [0, 1].
        """
        counts, totals, spreads = list(self.counts), list(self.totals), list(self.spreads)
        for value in values:
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"ADWIN takes values in [0, 1], found {value!r}")
            counts.append(1)
            totals.append(value)
            spreads.append(0.0)
            if len(counts) > BUCKETS_PER_ROW and counts[-BUCKETS_PER_ROW - 1] == 1:
                _merge(counts, totals, spreads)
        excess, kept = sum(counts) - max_count, 0
        while excess > 0:
            excess -= counts[kept]
            kept += 1
        changed = False
        if kept:
            del counts[:kept], totals[:kept], spreads[:kept]
        while _differs(counts, totals, spreads, delta):
            changed = True
            del counts[0], totals[0], spreads[0]
        return Adwin(tuple(counts), tuple(totals), tuple(spreads)), changed

    def encoded(self) -> bytes:
        """17 bytes a bucket, little-endian; about 0.6 kB for a thousand values."""
        rows = [count.bit_length() - 1 for count in self.counts]
        columns = zip(rows, self.totals, self.spreads, strict=True)
        return _layout(len(rows)).pack(*chain.from_iterable(columns))

    @staticmethod
    def decoded(data: bytes) -> Adwin:
        """The window that was encoded; raises struct.error for other bytes."""
        flat = _layout(-(-len(data) // _BUCKET_BYTES)).unpack(data)
        return Adwin(tuple([1 << row for row in flat[0::3]]), flat[1::3], flat[2::3])


def _merge(counts: list[int], totals: list[float], spreads: list[float]) -> None:
    """Merge the two oldest buckets of the newest row, which has too many, and of every row that then has too many.

    Counts fall from the oldest bucket to the newest, so each row is one stretch of the lists.
    """
    oldest = len(counts) - BUCKETS_PER_ROW - 1
    while oldest >= 0 and counts[oldest] == counts[oldest + BUCKETS_PER_ROW]:
        count, other = counts[oldest], oldest + 1
        gap = (totals[oldest] - totals[other]) / count
        counts[other] = 2 * count
        totals[other] += totals[oldest]
        spreads[other] += spreads[oldest] + gap * gap * count / 2.0
        del counts[oldest], totals[oldest], spreads[oldest]
        oldest -= BUCKETS_PER_ROW


def _differs(counts: list[int], totals: list[float], spreads: list[float], delta: float) -> bool:
    """Whether any cut between two buckets separates two means."""
    count = sum(counts)
    if count <= 2 * MIN_WINDOW:
        return False
    total = sum(totals)
    squares = sum([total * total / count for total, count in zip(totals, counts, strict=True)])
    variance = max(0.0, sum(spreads) + squares - total * total / count) / count
    confidence = log(2.0 * log(count) / delta)
    scale, offset = 2.0 * variance * confidence, 2.0 / 3.0 * confidence
    count0, total0, last = 0, 0.0, count - MIN_WINDOW
    for part_count, part_total in zip(counts, totals, strict=True):
        count0 += part_count
        total0 += part_total
        if count0 < MIN_WINDOW:
            continue
        if count0 > last:
            return False
        count1 = count - count0
        weight = 1.0 / (count0 - MIN_WINDOW + 1) + 1.0 / (count1 - MIN_WINDOW + 1)
        # |gap| > sqrt(scale * weight) + offset * weight, without the root.
        gap = abs(total0 / count0 - (total - total0) / count1) - offset * weight
        if gap > 0.0 and gap * gap > scale * weight:
            return True
    return False
