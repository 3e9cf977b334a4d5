"""Several observers as one."""

from ..model.effect import Effects
from ..model.event import Event
from ..model.state import ColdState
from ..stream.observer import Observer


class Observers:
    """Passes everything on, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.applied(event, effects, seconds, age_seconds)

    def holds(self, scope: str, cold: ColdState) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.holds(scope, cold)

    def repeated(self, topic: str) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.repeated(topic)

    def dead_letter(self, topic: str, code: str) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.dead_letter(topic, code)

    def paused(self, topic: str, partitions: int) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.paused(topic, partitions)

    def recovered(self, seconds: float) -> None:
        """Pass on."""
        for observer in self._observers:
            observer.recovered(seconds)
