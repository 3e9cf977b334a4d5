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
from ..model.state import ConfigurationVersion, LiveDecision
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
        forget_measurements(turn)
    reason = "the break is over" if isinstance(decision.decision, CircuitBreak) else "held its guards to the end"
    close(turn, live, DecisionState.COMPLETED, reason)


def _quality(turn: Turn, live: LiveDecision) -> float:
    """Where quality stands after this change, against the first configuration: what the ramp measured, added up.

    The point and not the bound: the errors of many ramps go both ways.
    """
    stands = turn.cold.history[-1].quality if turn.cold.history else 0.0
    measured = realised(live.ramp).get("quality") if live.ramp is not None else None
    return stands + (measured.log_ratio if measured is not None else 0.0)


def close(turn: Turn, live: LiveDecision, to: DecisionState, reason: str) -> None:
    """End a decision, bury its change if it did harm, and learn from it."""
    closed = turn.move(live, to, reason)
    if to in HARMFUL and live.decision.kind not in SAFETY_KINDS:
        bury(turn, live.decision.changes)
    ended(turn, closed)
