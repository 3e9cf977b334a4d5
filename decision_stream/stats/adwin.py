"""ADWIN: an adaptive window over values in [0, 1] that drops its past when the mean has changed (Bifet & Gavalda 2007).

The window is kept as an exponential histogram: rows of at most five buckets of 1, 2, 4, ... values, each a sum and a
summed squared deviation. A cut is looked for between any two buckets. Two parts W0, W1 of n0 and n1 values differ when
|mean0 - mean1| > sqrt(2 m v d) + 2/3 m d, with m = 1/n0 + 1/n1, v the variance of the whole window and d = ln(2
ln(n) / delta) (eq. 3.1 with the correction for many tests that river 0.26 uses too). False alarms are bounded by
delta for values in [0, 1]: scale what is not, and take logarithms of latencies and costs first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log, sqrt
from struct import Struct

BUCKETS_PER_ROW = 5
MIN_WINDOW = 5
"""Values on each side of a cut, below which nothing is said."""

_BUCKET = Struct("<Bdd")


@dataclass(frozen=True, slots=True)
class Bucket:
    """2 ** `row` values: their `total`, and their summed squared deviation `spread` from their own mean."""

    row: int
    total: float
    spread: float

    @property
    def count(self) -> int:
        """How many values it stands for."""
        return 1 << self.row


@dataclass(frozen=True, slots=True)
class Adwin:
    """The window, oldest bucket first.

    >>> window = Adwin()
    >>> for value in [0.0] * 200 + [1.0] * 20:
    ...     window, changed = window.apply(value, delta=0.002)
    ...     if changed:
    ...         break
    >>> changed, window.mean > 0.05
    (True, True)
    """

    buckets: tuple[Bucket, ...] = ()

    @property
    def count(self) -> int:
        """Values in the window."""
        return sum(bucket.count for bucket in self.buckets)

    @property
    def mean(self) -> float:
        """Mean of the window; nan when it is empty."""
        count = self.count
        return sum(bucket.total for bucket in self.buckets) / count if count else float("nan")

    def apply(self, value: float, *, delta: float = 0.002, max_count: int = 1_000) -> tuple[Adwin, bool]:
        """`extended` with one value."""
        return self.extended((value,), delta=delta, max_count=max_count)

    def extended(self, values: Iterable[float], *, delta: float = 0.002, max_count: int = 1_000) -> tuple[Adwin, bool]:
        """The window with more values, searched once after the last; and whether some of the past was dropped.

        `delta` bounds the chance of a false alarm; beyond `max_count` values the oldest buckets are forgotten.
        Raises ValueError for a value outside [0, 1].
        """
        buckets = list(self.buckets)
        for value in values:
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"ADWIN takes values in [0, 1], found {value!r}")
            _insert(buckets, value)
        while sum(bucket.count for bucket in buckets) > max_count:
            del buckets[0]
        changed = False
        while _differs(buckets, delta):
            changed = True
            del buckets[0]
        return Adwin(tuple(buckets)), changed

    def encoded(self) -> bytes:
        """17 bytes a bucket, little-endian; about 0.6 kB for a thousand values."""
        return b"".join(_BUCKET.pack(bucket.row, bucket.total, bucket.spread) for bucket in self.buckets)

    @staticmethod
    def decoded(data: bytes) -> Adwin:
        """The window that was encoded; raises struct.error for other bytes."""
        return Adwin(tuple(Bucket(*fields) for fields in _BUCKET.iter_unpack(data)))


def _insert(buckets: list[Bucket], value: float) -> None:
    """Add a bucket of one value, and merge the two oldest of every row that then has too many.

    Rows fall from the oldest bucket to the newest, so each row is one stretch of the list.
    """
    buckets.append(Bucket(0, value, 0.0))
    row, end = 0, len(buckets)
    while True:
        start = end
        while start > 0 and buckets[start - 1].row == row:
            start -= 1
        if end - start <= BUCKETS_PER_ROW:
            return
        one, other = buckets[start], buckets[start + 1]
        gap = (one.total - other.total) / one.count
        spread = one.spread + other.spread + gap * gap * one.count / 2.0
        buckets[start : start + 2] = [Bucket(row + 1, one.total + other.total, spread)]
        row, end = row + 1, start + 1


def _differs(buckets: list[Bucket], delta: float) -> bool:
    """Whether any cut between two buckets separates two means."""
    count = sum(bucket.count for bucket in buckets)
    if count < 2 * MIN_WINDOW:
        return False
    total = sum(bucket.total for bucket in buckets)
    mean = total / count
    variance = (
        sum(bucket.spread + bucket.count * (bucket.total / bucket.count - mean) ** 2 for bucket in buckets) / count
    )
    confidence = log(2.0 * log(count) / delta)
    count0, total0 = 0, 0.0
    for bucket in buckets[:-1]:
        count0 += bucket.count
        total0 += bucket.total
        count1 = count - count0
        if min(count0, count1) < MIN_WINDOW:
            continue
        weight = 1.0 / count0 + 1.0 / count1
        bound = sqrt(2.0 * weight * variance * confidence) + 2.0 / 3.0 * weight * confidence
        if abs(total0 / count0 - (total - total0) / count1) > bound:
            return True
    return False
