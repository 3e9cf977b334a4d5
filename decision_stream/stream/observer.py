"""What the shell tells whoever counts: metrics, logs, a test. Calls are made on the event loop and must be quick."""

from typing import Protocol

from ..model.effect import Effects
from ..model.event import Event
from ..model.state import ColdState


class Observer(Protocol):
    """Receives what happened; the shell never depends on what it does with it."""

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """An event was applied in this much time, this long after the event's own time."""
        ...

    def holds(self, scope: str, cold: ColdState) -> None:
        """What a scope holds: told when it has changed, and once for each scope that is taken up."""
        ...

    def repeated(self, topic: str) -> None:
        """A redelivered record changed nothing."""
        ...

    def dead_letter(self, topic: str, code: str) -> None:
        """A bad message was parked."""
        ...

    def paused(self, topic: str, partitions: int) -> None:
        """This many partitions of the topic are paused because of a flood of bad messages."""
        ...

    def recovered(self, seconds: float) -> None:
        """The table is recovered after this long; what was told of scopes before counts no more."""
        ...


class SilentObserver:
    """Counts nothing."""

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Ignore."""

    def holds(self, scope: str, cold: ColdState) -> None:
        """Ignore."""

    def repeated(self, topic: str) -> None:
        """Ignore."""

    def dead_letter(self, topic: str, code: str) -> None:
        """Ignore."""

    def paused(self, topic: str, partitions: int) -> None:
        """Ignore."""

    def recovered(self, seconds: float) -> None:
        """Ignore."""
