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
from .rollback import forget_measurements
from .tombstones import bury
from .turn import Turn

CHANGES_CONFIGURATION = (ModelSwitch, ParameterAdjustment, PromptVariant, ConcludeExperiment)


def complete(turn: Turn, live: LiveDecision) -> None:
    """A change held its guards to the end: its configuration is now the one in use."""
    decision = live.decision
    if isinstance(decision.decision, CHANGES_CONFIGURATION) and decision.changes.facets:
        target = turn.target_of(decision)
        version = ConfigurationVersion(configuration=target, since_ms=turn.at_ms, decision_id=decision.id, healthy=True)
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


def close(turn: Turn, live: LiveDecision, to: DecisionState, reason: str) -> None:
    """End a decision, bury its change if it did harm, and learn from it."""
    closed = turn.move(live, to, reason)
    if to in HARMFUL and live.decision.kind not in SAFETY_KINDS:
        bury(turn, live.decision.changes)
    ended(turn, closed)
