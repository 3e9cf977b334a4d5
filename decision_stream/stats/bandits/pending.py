"""Choices that wait for their reward: late, lost, defaulted and doubled rewards each have one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Waiting:
    """A choice that was made: its arm, context and propensity as they were then, and when, in milliseconds."""

    arm: str
    context: tuple[float, ...]
    propensity: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Choices by id, oldest first, at most `limit`; the oldest is dropped for a newer one and counts as lost.

    A reward is learnt once, with the arm, context and propensity of its choice: `rewarded` gives them out and forgets
    them, so that a doubled reward finds nothing. A choice that `expired` is learnt with a default reward where silence
    means something (no click), and not at all where it does not.
    """

    waiting: Mapping[str, Waiting] = field(default_factory=lambda: MappingProxyType({}))
    limit: int = 200

    def made(self, choice: str, waiting: Waiting) -> Pending:
        """With one more choice that waits."""
        kept = {**self.waiting, choice: waiting}
        while len(kept) > self.limit:
            kept.pop(next(iter(kept)))
        return replace(self, waiting=kept)

    def rewarded(self, choice: str) -> tuple[Waiting | None, Pending]:
        """The choice that this reward belongs to. None for one that was never made, is lost, or was rewarded before.

        >>> pending = Pending().made("d1", Waiting("a", (1.0,), 0.8, 0))
        >>> found, pending = pending.rewarded("d1")
        >>> found.arm, pending.rewarded("d1")[0]
        ('a', None)
        """
        if choice not in self.waiting:
            return None, self
        kept = dict(self.waiting)
        return kept.pop(choice), replace(self, waiting=kept)

    def expired(self, now_ms: int, patience_ms: int) -> tuple[tuple[tuple[str, Waiting], ...], Pending]:
        """Choices that waited longer than `patience_ms`. They are missing, not bad.

        >>> late, left = Pending().made("d1", Waiting("a", (1.0,), 0.8, 0)).expired(now_ms=10, patience_ms=5)
        >>> [name for name, _ in late], len(left.waiting)
        (['d1'], 0)
        """
        late = tuple((name, item) for name, item in self.waiting.items() if item.at_ms + patience_ms < now_ms)
        gone = {name for name, _ in late}
        return late, replace(self, waiting={k: v for k, v in self.waiting.items() if k not in gone})
