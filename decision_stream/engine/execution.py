"""From an approved decision to the actuator: the first order, and the state to wait in."""

from itertools import pairwise

from msgspec.structs import replace

from ..model.configuration import Configuration
from ..model.decision import Decision
from ..model.journal import Transition
from ..model.lifecycle import DecisionState
from ..model.state import LiveDecision, Ramp
from . import budget, experiments
from .ending import accepted
from .lifecycle import check_move
from .orders import order_for
from .turn import Turn

APPROVED_PATH = (DecisionState.PENDING, DecisionState.VALIDATING, DecisionState.APPROVED)


def path(turn: Turn, decision_id: str, states: tuple[DecisionState, ...], reason: str) -> tuple[Transition, ...]:
    """The transitions along a row of states, each checked against the table."""
    transitions = []
    for before, after in pairwise(states):
        check_move(before, after)
        transitions.append(
            Transition(decision_id=decision_id, from_state=before, to_state=after, reason=reason, at_ms=turn.at_ms)
        )
    return tuple(transitions)


def execute(turn: Turn, decision: Decision, target: Configuration, reason: str = "validated") -> LiveDecision:
    """Take up a freshly validated decision and send its first order."""
    experiments.make_way(turn, decision)
    accepted(turn, decision)
    live = _executing(turn, decision)
    turn.begin(live, path(turn, decision.id, (*APPROVED_PATH, DecisionState.EXECUTING), reason))
    return turn.order(live, order_for(decision.decision, target, _first_weight(decision)))


def execute_approved(turn: Turn, live: LiveDecision, target: Configuration, reason: str) -> LiveDecision:
    """Send the first order of a decision that waited for approval."""
    experiments.make_way(turn, live.decision)
    accepted(turn, live.decision)
    moved = turn.move(live, DecisionState.APPROVED, reason, live.deadline_ms)
    moved = turn.move(moved, DecisionState.EXECUTING, reason, turn.at_ms + turn.policy.engine.decision_timeout_ms)
    started = _executing(turn, live.decision)
    moved = turn.put(replace(moved, ramp=started.ramp, reserved_usd=started.reserved_usd))
    return turn.order(moved, order_for(live.decision.decision, target, _first_weight(live.decision)))


def _executing(turn: Turn, decision: Decision) -> LiveDecision:
    weight = decision.first_weight
    return LiveDecision(
        decision=decision,
        state=DecisionState.EXECUTING,
        since_ms=turn.at_ms,
        deadline_ms=turn.at_ms + turn.policy.engine.decision_timeout_ms,
        reserved_usd=budget.reservation_usd(
            turn, decision.decision, decision.changes, decision.impact, decision.strategy
        ),
        ramp=None if weight is None else Ramp(weight=weight, started_at_ms=turn.at_ms, step_at_ms=turn.at_ms),
    )


def _first_weight(decision: Decision) -> float:
    return 1.0 if decision.first_weight is None else decision.first_weight
