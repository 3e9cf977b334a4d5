"""Page-Hinkley: a change of the mean by the drift of summed deviations from the running mean (Page 1954; Hinkley 1971).

No false-alarm rate is promised: `threshold` is in units of the stream times events, so the same number means different
things for shares and milliseconds. For an alarm with a promise see `shiryaev_roberts` and `shift_alarm`.
"""

from __future__ import annotations

from msgspec import Struct

MEMORY = 0.9999
"""By how much a sum of deviations shrinks with each value, so that old deviations are forgotten."""


class PageHinkley(Struct, frozen=True, gc=False):
    """Count and mean of the values, both sums of deviations with their extremes: 6 numbers, 48 bytes.

    `rise` and `fall` are the sums less and plus the tolerated change; `lowest` and `highest` their extremes so far.
    With the same settings it alarms where river 0.26.1 does.

    >>> state = PageHinkley()
    >>> for value in [0.2] * 100 + [0.8] * 20:
    ...     state = state.apply(value, tolerance=0.005)
    >>> state.has_changed(threshold=5.0), state.direction
    (True, 1)
    """

    count: int = 0
    mean: float = 0.0
    rise: float = 0.0
    fall: float = 0.0
    lowest: float = 0.0
    highest: float = 0.0

    def apply(self, value: float, *, tolerance: float = 0.005, memory: float = MEMORY) -> PageHinkley:
        """With one more value; a drift of up to `tolerance` (units of the stream) per event is not counted."""
        if value - value != 0.0:
            raise ValueError(f"Page-Hinkley takes finite values, found {value!r}")
        count = self.count + 1
        mean = self.mean + (value - self.mean) / count
        deviation = value - mean
        rise = memory * self.rise + deviation - tolerance
        fall = memory * self.fall + deviation + tolerance
        if count == 1:
            return PageHinkley(count, mean, rise, fall, rise, fall)
        return PageHinkley(count, mean, rise, fall, min(self.lowest, rise), max(self.highest, fall))

    def has_changed(self, threshold: float = 50.0, min_count: int = 30) -> bool:
        """Whether the mean has moved either way; False before `min_count` values. Start anew after an alarm."""
        return self.count >= min_count and max(self.rise - self.lowest, self.highest - self.fall) > threshold

    @property
    def direction(self) -> int:
        """1 when what was summed speaks for a rise, -1 for a fall, 0 for neither."""
        up, down = self.rise - self.lowest, self.highest - self.fall
        return (up > down) - (up < down)
