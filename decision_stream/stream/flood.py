"""Guard against floods of bad input: a partition on which most messages are bad is paused, not drained.

One bad message is parked and the stream goes on. When all of them are bad, something upstream is broken, and parking
a topic's whole content helps nobody: the partition waits, the worker says that it is not ready, and somebody looks.
"""

from collections import deque
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """A partition is flooded after `in_a_row` bad messages, or when more than `share` of the last `window` were bad.

    It is tried again after `pause_s` seconds; 0 means that it stays paused until the worker is started again.
    """

    in_a_row: int = 100
    share: float = 0.5
    window: int = 1_000
    pause_s: float = 300.0


@dataclass(slots=True)
class _Watched:
    recent: deque[bool]
    bad: int = 0
    in_a_row: int = 0


@dataclass(slots=True)
class FloodGuard:
    """Counts good and bad messages by topic (without prefix) and partition; `paused` are the flooded ones."""

    limits: FloodLimits
    paused: set[tuple[str, int]] = field(default_factory=set)
    _watched: dict[tuple[str, int], _Watched] = field(default_factory=dict)

    def saw(self, topic: str, partition: int, is_bad: bool) -> None:
        """A message was good or bad."""
        if not (is_bad or self._watched):
            return
        place = (topic, partition)
        watched = self._watched.get(place)
        if watched is None:
            if not is_bad:
                return  # Nothing to count on a partition that never had a bad message.
            watched = self._watched[place] = _Watched(deque(maxlen=self.limits.window))
        if len(watched.recent) == self.limits.window:
            watched.bad -= watched.recent[0]
        watched.recent.append(is_bad)
        watched.bad += is_bad
        watched.in_a_row = watched.in_a_row + 1 if is_bad else 0

    def is_flooded(self, topic: str, partition: int) -> bool:
        """Whether the partition should be paused."""
        watched = self._watched.get((topic, partition))
        if watched is None:
            return False
        is_full = len(watched.recent) == self.limits.window
        return watched.in_a_row >= self.limits.in_a_row or (
            is_full and watched.bad > self.limits.share * len(watched.recent)
        )

    def bad_messages(self, topic: str, partition: int) -> int:
        """Bad messages within the window."""
        watched = self._watched.get((topic, partition))
        return watched.bad if watched else 0

    def release(self, topic: str, partition: int) -> None:
        """Try the partition again: the next bad message pauses it at once, a good one lets it go on."""
        self.paused.discard((topic, partition))
        probing = _Watched(deque(maxlen=self.limits.window))
        probing.in_a_row = self.limits.in_a_row - 1
        self._watched[topic, partition] = probing

    def release_all(self) -> None:
        """Partitions have moved: try all of them again."""
        for place in tuple(self.paused):
            self.release(*place)
