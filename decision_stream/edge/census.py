"""What the scopes of a worker hold now, added up: how many decisions are in which state, what waits, what is paused.

Counting moves alone would forget at every restart what had begun before it; the scopes' states remember.
"""

from collections import Counter
from dataclasses import dataclass

from ..model.lifecycle import DecisionState
from ..model.state import BreakerState, ColdState

ROUTE_BROKEN = "route_broken"
CIRCUITS = (BreakerState.OPEN.value, BreakerState.HALF_OPEN.value, ROUTE_BROKEN)


@dataclass(frozen=True, slots=True)
class _Held:
    states: tuple[str, ...]
    circuits: tuple[str, ...]
    waiting_since_ms: tuple[int, ...]


class Census:
    """Totals over scopes; a scope that holds nothing takes no memory."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self.states: Counter[str] = Counter()
        self.circuits: Counter[str] = Counter()

    def clear(self) -> None:
        """Other scopes are owned from now on."""
        self._held.clear()
        self.states.clear()
        self.circuits.clear()

    def note(self, scope: str, cold: ColdState) -> None:
        """What this scope holds now, instead of what it held before."""
        before, after = self._held.pop(scope, _NOTHING), _held(cold)
        self.states.subtract(before.states)
        self.states.update(after.states)
        self.circuits.subtract(before.circuits)
        self.circuits.update(after.circuits)
        if after != _NOTHING:
            self._held[scope] = after

    def oldest_waiting_ms(self) -> int | None:
        """Since when the oldest decision waits for approval; None when none does."""
        return min((since for held in self._held.values() for since in held.waiting_since_ms), default=None)


_NOTHING = _Held((), (), ())


def _held(cold: ColdState) -> _Held:
    circuits = [ROUTE_BROKEN] if cold.route_broken_until_ms else []
    if cold.breaker.state is not BreakerState.CLOSED:
        circuits.append(cold.breaker.state.value)
    return _Held(
        tuple(live.state.value for live in cold.live),
        tuple(circuits),
        tuple(live.since_ms for live in cold.live if live.state is DecisionState.AWAITING_APPROVAL),
    )
