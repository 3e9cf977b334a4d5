"""What the passing of time does: every state that is not over has a deadline, and every event looks at the clock."""

from ..model.decision import CircuitBreak, Rollback
from ..model.lifecycle import DecisionState
from ..model.state import LiveDecision
from . import breaker, experiments, recovery
from .completion import close, complete
from .rollback import break_failed, forget_measurements, roll_back, rollback_failed
from .turn import Turn


def pass_time(turn: Turn) -> None:
    """Act on every deadline that engine time has reached."""
    now_ms, cold = turn.at_ms, turn.cold
    if cold.pending and any(pending.deadline_ms <= now_ms for pending in turn.cold.pending):
        turn.update(pending=tuple(pending for pending in turn.cold.pending if pending.deadline_ms > now_ms))
    if cold.breaker.until_ms:
        breaker.wake(turn)
    if cold.recovery is not None:
        recovery.pass_time(turn)
    for live in turn.cold.live:
        current = turn.live(live.decision.id)
        # An earlier one of this loop may have moved or closed it.
        if current is live and live.deadline_ms <= now_ms:
            _expire(turn, live)
    if 0 < turn.cold.route_broken_until_ms <= now_ms:
        turn.update(route_broken_until_ms=0)
        forget_measurements(turn, keep_baselines=True)


def _expire(turn: Turn, live: LiveDecision) -> None:
    timeout_ms = turn.policy.engine.decision_timeout_ms
    match live.state:
        case DecisionState.AWAITING_APPROVAL:
            close(turn, live, DecisionState.EXPIRED, "nobody approved in time")
        case DecisionState.APPROVED:
            close(turn, live, DecisionState.CANCELLED, "was not executed in time")
        case DecisionState.EXECUTING:
            _give_up(turn, live, f"the actuator did not acknowledge within {timeout_ms} ms")
        case DecisionState.MONITORING if live.decision.kind == "start_experiment":
            experiments.stop(turn, live, "it ran out of time")
        case DecisionState.MONITORING if live.ramp is None:
            complete(turn, live)
        case DecisionState.MONITORING if live.ramp is not None and live.ramp.weight >= 1.0 and live.ramp.acknowledged:
            complete(turn, live)
        case DecisionState.MONITORING:
            acknowledged = live.ramp is not None and live.ramp.acknowledged
            undo(turn, live, "the ramp took too long" if acknowledged else "a step was not acknowledged", "engine")
        case DecisionState.PAUSED:
            undo(turn, live, "the ramp was paused for too long", "engine")
        case DecisionState.ROLLING_BACK:
            # Its rollback has the same deadline and reports the failure; without one there is nobody else to do so.
            close(turn, live, DecisionState.ROLLBACK_FAILED, "the rollback was not acknowledged")
            turn.alert("rollback_failed", f"{live.decision.id} was not rolled back in time", "critical")


def _give_up(turn: Turn, live: LiveDecision, reason: str) -> None:
    """An order that was never acknowledged may have been carried out: restore what was, to be sure."""
    if isinstance(live.decision.decision, Rollback):
        close(turn, live, DecisionState.FAILED, reason)
        rollback_failed(turn, live, reason)
    elif isinstance(live.decision.decision, CircuitBreak):
        close(turn, live, DecisionState.FAILED, reason)
        break_failed(turn, live.decision, reason)
    else:
        undo(turn, live, reason, "engine")


def undo(turn: Turn, live: LiveDecision, reason: str, strategy: str) -> None:
    """Restore the configuration in full use and roll a live decision back."""
    assert turn.configuration is not None
    roll_back(
        turn,
        target=turn.configuration,
        reverts=live.decision.id,
        reason=reason,
        strategy=strategy,
        cause_id=turn.event_id,
    )
