"""The end of a decision: what it leaves behind in configuration, history, tombstones and breaker."""

from ..model.decision import (
    SAFETY_KINDS,
    CircuitBreak,
    ConcludeExperiment,
    ModelSwitch,
    ParameterAdjustment,
    PromptVariant,
)
from ..model.lifecycle import DecisionState
from ..model.state import Alarm, ConfigurationVersion, LiveDecision
from ..strategies.degradation import moved
from ..strategies.limits import QUALITY
from . import experiments, ledger
from .ending import ended
from .lifecycle import HARMFUL
from .realised import realised
from .rollback import forget_measurements
from .tombstones import bury
from .turn import Turn

CHANGES_CONFIGURATION = (ModelSwitch, ParameterAdjustment, PromptVariant, ConcludeExperiment)


def complete(turn: Turn, live: LiveDecision) -> None:
    """A change held its guards to the end: its configuration is now the one in use."""
    decision = live.decision
    if isinstance(decision.decision, CHANGES_CONFIGURATION) and decision.changes.facets:
        target = turn.target_of(decision)
        quality = _alarm(turn, live)
        version = ConfigurationVersion(
            configuration=target,
            since_ms=turn.at_ms,
            decision_id=decision.id,
            healthy=True,
            quality=_quality(turn, live),
        )
        kept = turn.policy.safety.max_rollback_depth + 1
        turn.update(
            configuration=target,
            history=(*turn.cold.history, version)[-kept:],
            changed_at_ms=turn.at_ms,
        )
        ledger.booked(turn, decision.id, live.ramp)
        experiments.adopted(turn, decision.changes)
        forget_measurements(turn, quality=quality)
    reason = "the break is over" if isinstance(decision.decision, CircuitBreak) else "held its guards to the end"
    close(turn, live, DecisionState.COMPLETED, reason)


def _quality(turn: Turn, live: LiveDecision) -> float:
    """Where quality stands after this change, against the first configuration: what the ramp measured, added up.

    The point and not the bound: the errors of many ramps go both ways.
    """
    stands = turn.cold.history[-1].quality if turn.cold.history else 0.0
    measured = realised(live.ramp).get("quality") if live.ramp is not None else None
    return stands + (measured.log_ratio if measured is not None else 0.0)


def _alarm(turn: Turn, live: LiveDecision) -> Alarm | None:
    """The alarm of quality after this change, as far as its ramp tells; None where it must be learnt anew.

    Where the model changes, the ramp compared with one that may have lost quality meanwhile: then the difference is no
    measure of the new one.
    """
    alarm, ramp, rules = turn.hot.alarms.get(QUALITY), live.ramp, turn.policy.threshold_based.degradation
    if alarm is None or ramp is None or alarm.baseline.count < rules.baseline_windows:
        return None
    measured = realised(ramp).get("quality")
    if measured is None:
        return None
    company = turn.hot.company
    lost = 0.0 if company is None else company.excused
    usual = 1.0 - alarm.baseline.mean - lost
    fell = usual - ramp.control.quality.mean
    if live.decision.changes.model and (alarm.firing_windows or fell > rules.min_quality_drop * usual):
        return None
    return moved(alarm, lost, measured.log_ratio, measured.error)


def close(turn: Turn, live: LiveDecision, to: DecisionState, reason: str) -> None:
    """End a decision, bury its change if it did harm, and learn from it."""
    closed = turn.move(live, to, reason)
    if to in HARMFUL and live.decision.kind not in SAFETY_KINDS:
        bury(turn, live.decision.changes)
    ended(turn, closed)
