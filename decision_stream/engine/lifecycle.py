"""The moves of a decision from state to state: one table, which code, documentation and tests share.

The seed's nine moves (§5.2) are all here. Added: waiting for approval, expiry, cancellation, being superseded,
holding a ramp, undoing a failed or completed change, and a rollback that fails.
"""

from ..model.lifecycle import DecisionState as S


class IllegalMove(Exception):
    """A move that the table does not have: a mistake of the engine, never of its input."""

    def __init__(self, state: S, to: S) -> None:
        allowed = ", ".join(sorted(MOVES[state])) or "nothing"
        super().__init__(f"decision is {state} and cannot become {to}; from here it may become: {allowed}")


MOVES: dict[S, frozenset[S]] = {
    S.PENDING: frozenset({S.VALIDATING}),
    S.VALIDATING: frozenset({S.APPROVED, S.AWAITING_APPROVAL, S.REJECTED}),
    S.AWAITING_APPROVAL: frozenset({S.APPROVED, S.REJECTED, S.EXPIRED, S.CANCELLED, S.SUPERSEDED}),
    S.APPROVED: frozenset({S.EXECUTING, S.CANCELLED, S.SUPERSEDED}),
    S.EXECUTING: frozenset({S.MONITORING, S.FAILED, S.ROLLING_BACK, S.SUPERSEDED}),
    S.MONITORING: frozenset({S.COMPLETED, S.ROLLING_BACK, S.PAUSED, S.FAILED}),
    S.PAUSED: frozenset({S.MONITORING, S.ROLLING_BACK}),
    S.FAILED: frozenset({S.ROLLING_BACK}),
    S.COMPLETED: frozenset({S.ROLLING_BACK}),
    S.ROLLING_BACK: frozenset({S.ROLLED_BACK, S.ROLLBACK_FAILED}),
    S.ROLLED_BACK: frozenset(),
    S.ROLLBACK_FAILED: frozenset(),
    S.REJECTED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
    S.SUPERSEDED: frozenset(),
}

# Failed and completed decisions are over, though a completed one may still be undone and a failed one compensated.
OVER = frozenset(
    {
        S.COMPLETED,
        S.REJECTED,
        S.EXPIRED,
        S.CANCELLED,
        S.SUPERSEDED,
        S.FAILED,
        S.ROLLED_BACK,
        S.ROLLBACK_FAILED,
    }
)
HARMFUL = frozenset({S.FAILED, S.ROLLED_BACK, S.ROLLBACK_FAILED})
"""Ends that count against the breaker and leave a tombstone."""


def check_move(state: S, to: S) -> None:
    """Raise `IllegalMove` unless the table has this move.

    >>> check_move(S.MONITORING, S.COMPLETED)
    >>> check_move(S.REJECTED, S.EXECUTING)
    Traceback (most recent call last):
        ...
    decision_stream.engine.lifecycle.IllegalMove: decision is rejected and cannot become executing; ...
    """
    if to not in MOVES[state]:
        raise IllegalMove(state, to)
