"""Verification of a rollback: the target is served, and what it was for is well again in time, or a human is called."""

from msgspec.structs import replace

from ..model.decision import Decision
from ..model.state import Recovery
from .turn import Turn


def expected(turn: Turn, rollback: Decision) -> None:
    """The target is served again: the metrics of the rollback's evidence are to recover by a deadline."""
    metrics = sorted({evidence.metric.value for evidence in rollback.evidence if evidence.metric is not None})
    if not metrics:
        turn.update(recovery=None)
        return
    deadline_ms = turn.at_ms + turn.policy.engine.recovery_timeout_ms
    turn.update(recovery=Recovery(decision_id=rollback.id, metrics=tuple(metrics), deadline_ms=deadline_ms))


def look(turn: Turn) -> None:
    """After a measured window: recovered when the metrics kept within limits for as long as it takes to break one."""
    recovery = turn.cold.recovery
    if recovery is None:
        return
    well = 0 if _ill(turn, recovery) else recovery.well + 1
    if well >= turn.policy.threshold_based.performance.for_windows:
        turn.update(recovery=None)
        turn.learned("recovered", None, float(well), recovery.decision_id)
    else:
        turn.update(recovery=replace(recovery, well=well))


def pass_time(turn: Turn) -> None:
    """Call a human when the deadline is over."""
    recovery = turn.cold.recovery
    if recovery is None or turn.at_ms < recovery.deadline_ms:
        return
    ill = _ill(turn, recovery)
    why = f"{', '.join(ill)} still beyond limits" if ill else f"only {recovery.well} windows were seen to be well"
    turn.update(recovery=None)
    turn.alert("not_recovered", f"rollback {recovery.decision_id}: {why}", "critical")


def _ill(turn: Turn, recovery: Recovery) -> list[str]:
    watches, alarms = turn.hot.watches, turn.hot.alarms
    return [
        metric
        for metric in recovery.metrics
        if (metric in watches and (watches[metric].windows or watches[metric].firing))
        or (metric in alarms and alarms[metric].firing_windows)
    ]
