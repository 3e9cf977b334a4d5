"""When each owned scope waits for time to pass: what the ticker reads instead of decoding every scope.

A deadline stands in the cold part of a scope's state, so that it is noted whenever that part changes, and once for
each scope that is taken up with its partition. Nothing here is stored: it is rebuilt from the recovered table.
"""

from collections import defaultdict


class Agenda:
    """The next deadline of each scope that has one, by partition; milliseconds of epoch time."""

    def __init__(self) -> None:
        self._deadlines: defaultdict[int, dict[str, int]] = defaultdict(dict)

    def note(self, partition: int, scope: str, deadline_ms: int | None) -> None:
        """Keep the scope's next deadline instead of the one before; None when nothing waits any more."""
        if deadline_ms is None:
            self._deadlines[partition].pop(scope, None)
        else:
            self._deadlines[partition][scope] = deadline_ms

    def due(self, partition: int, now_ms: int) -> list[str]:
        """Scopes of a partition whose deadline has come, by name; they stay due until their state says otherwise.

        >>> agenda = Agenda()
        >>> agenda.note(3, "a/b/later", 2_000)
        >>> agenda.note(3, "a/b/now", 1_000)
        >>> agenda.due(3, now_ms=1_000)
        ['a/b/now']
        """
        return sorted(scope for scope, deadline_ms in self._deadlines[partition].items() if deadline_ms <= now_ms)

    def forget(self) -> None:
        """Partitions have moved."""
        self._deadlines.clear()
