"""The pause of optimisation on a scope after too many failed changes (seed §7.3, with the holes of its listing closed).

That of all scopes together is concluded in fleet_breaker.py and kept here: `refusal` asks both.

Failures are counted as a share of the decisions closed within a window, so that one success does not wipe out four
failures. Half open admits one probe. Results that arrive while open are counted by the window and change nothing else.
"""

from msgspec.structs import replace

from ..model.decision import SAFETY_KINDS
from ..model.state import Breaker, BreakerState, ClosedDecision, LiveDecision
from .lifecycle import HARMFUL
from .turn import Turn


def refusal(turn: Turn) -> str | None:
    """Why the breaker would refuse an optimisation decision now; None when it would not."""
    breaker = turn.cold.breaker
    if breaker.state is BreakerState.OPEN:
        return f"optimisation of the scope is paused until {breaker.until_ms}"
    if breaker.state is BreakerState.HALF_OPEN and breaker.probe_id is not None:
        return f"the one probe of the half-open breaker is {breaker.probe_id}"
    return _fleet_refusal(turn)


def _fleet_refusal(turn: Turn) -> str | None:
    pause = turn.cold.knowledge.pause
    if pause is None or turn.at_ms >= pause.lapses_ms or not turn.policy.knowledge.enabled:
        return None
    if turn.at_ms < pause.until_ms:
        return f"all scopes pause until {pause.until_ms}: the newest changes of {pause.failed} of {pause.scopes} failed"
    if not pause.may_probe:
        return f"all scopes pause until a change succeeds on one that may probe, at most until {pause.lapses_ms}"
    lately = [live.decision for live in turn.cold.live if live.decision.at_ms >= pause.until_ms]
    before = [closed for closed in turn.cold.closed if closed.decided_at_ms >= pause.until_ms]
    probed = any(not it.is_safety and not it.yields for it in lately) or any(
        it.kind not in SAFETY_KINDS and not _explored(it) for it in before
    )
    return "the scope has had its one probe of the pause of all scopes" if probed else None


def admit(turn: Turn, decision_id: str) -> None:
    """Note a decision that was let through; in the half-open state it is the probe."""
    if turn.cold.breaker.state is BreakerState.HALF_OPEN:
        turn.update(breaker=replace(turn.cold.breaker, probe_id=decision_id))


def wake(turn: Turn) -> None:
    """Half-open a breaker whose time is over."""
    breaker = turn.cold.breaker
    if breaker.state is BreakerState.OPEN and turn.at_ms >= breaker.until_ms:
        turn.update(breaker=replace(breaker, state=BreakerState.HALF_OPEN, probe_id=None))


def record(turn: Turn, closed: LiveDecision) -> None:
    """Take in the end of a decision; a rollback or circuit break is a cure and no attempt."""
    if closed.decision.kind in SAFETY_KINDS:
        return
    breaker = turn.cold.breaker
    failed = closed.state in HARMFUL
    if breaker.state is BreakerState.HALF_OPEN and breaker.probe_id == closed.decision.id:
        if failed:
            _open(turn, "the probe failed")
        else:
            turn.update(breaker=Breaker())
    elif breaker.state is BreakerState.CLOSED and failed and _too_many_failures(turn):
        _open(turn, "too many changes of this scope failed")


def _too_many_failures(turn: Turn) -> bool:
    rules = turn.policy.breaker
    since_ms = turn.at_ms - rules.window_ms
    states = [
        closed.state
        for closed in turn.cold.closed
        if closed.closed_at_ms >= since_ms and closed.kind not in SAFETY_KINDS and not _explored(closed)
    ]
    failures = sum(state in HARMFUL for state in states)
    return len(states) >= rules.min_decisions and failures > rules.max_failure_share * len(states)


def _explored(closed: ClosedDecision) -> bool:
    """An exploration changes nothing; however many end well, they do not make failed changes fewer."""
    return closed.kind == "start_experiment" and closed.strategy == "reinforcement"


def _open(turn: Turn, reason: str) -> None:
    opens = turn.cold.breaker.opens
    rules = turn.policy.breaker
    duration_ms = min(rules.open_ms * 2**opens, rules.max_open_ms)
    turn.update(breaker=Breaker(state=BreakerState.OPEN, until_ms=turn.at_ms + duration_ms, opens=min(opens + 1, 20)))
    turn.alert("breaker_opened", f"{reason}; optimisation pauses until {turn.at_ms + duration_ms}")
