"""Outcome to knowledge: each outcome is credited once, to the decision it belongs to."""

from ..model.decision import CircuitBreak, Decision, Rollback, StartExperiment
from ..model.effect import Effects
from ..model.journal import Stage, Verdict
from ..model.lifecycle import DecisionState
from ..model.outcome import Outcome, OutcomeStatus
from ..model.state import LiveDecision
from . import experiments, pins, ramp
from .completion import close, complete
from .deadlines import pass_time, undo
from .rollback import break_failed, forget_measurements, gave_way, restored, rollback_failed
from .turn import Turn


def learn(turn: Turn, outcome: Outcome) -> Effects:
    """Step of the learn stage."""
    if turn.has_seen(outcome.id):
        turn.refuse("learner", "already_credited", outcome.id)
        return turn.effects(Stage.LEARN, Verdict.STALE)
    # The outcome itself is looked at before the clock: an acknowledgement that arrives with its own deadline is in
    # time.
    live = turn.live(outcome.decision_id)
    if live is None:
        pass_time(turn)
        return _without_decision(turn, outcome)
    turn.see(outcome.id)
    turn.concern(live.decision)
    _take(turn, live, outcome)
    pass_time(turn)
    return turn.effects(Stage.LEARN, Verdict.LEARNED)


def _without_decision(turn: Turn, outcome: Outcome) -> Effects:
    if any(closed.id == outcome.decision_id for closed in turn.cold.closed):
        turn.refuse("learner", "decision_is_over", outcome.decision_id)
        return turn.effects(Stage.LEARN, Verdict.STALE)
    turn.refuse("learner", "unknown_decision", outcome.decision_id)
    return turn.effects(Stage.LEARN, Verdict.ORPHAN)


def _take(turn: Turn, live: LiveDecision, outcome: Outcome) -> None:
    match outcome.status:
        case OutcomeStatus.APPLIED | OutcomeStatus.SUCCESS if live.state is DecisionState.EXECUTING:
            _applied(turn, live, outcome)
        case OutcomeStatus.APPLIED if live.ramp is not None and not live.ramp.acknowledged:
            if outcome.step == live.step - 1:
                ramp.acknowledged(turn, live)
        case OutcomeStatus.MEASURED if _serves(live) and live.ramp is not None:
            ramp.measured(turn, live, outcome)
        case OutcomeStatus.MEASURED if (
            live.state is DecisionState.MONITORING and live.decision.kind == "start_experiment"
        ):
            experiments.measured(turn, live, outcome)
        case OutcomeStatus.FAILED | OutcomeStatus.PARTIAL_SUCCESS if live.state in (
            DecisionState.EXECUTING,
            DecisionState.MONITORING,
            DecisionState.PAUSED,
        ):
            _failed(turn, live, outcome)
        case OutcomeStatus.ROLLED_BACK if live.decision.kind == "circuit_break" and _serves(live):
            turn.update(route_broken_until_ms=0)
            complete(turn, live)
        case OutcomeStatus.ROLLED_BACK if _serves(live):
            undo(turn, live, f"the actuator rolled back: {outcome.error}", "engine")
        case _:
            turn.refuse("learner", "no_effect", f"{outcome.status} in state {live.state}")


def _applied(turn: Turn, live: LiveDecision, outcome: Outcome) -> None:
    decision = live.decision
    target = turn.target_of(decision)
    told = outcome.applied_configuration_id
    if isinstance(decision.decision, Rollback) and told is not None and told != target.id:
        close(turn, live, DecisionState.FAILED, f"the actuator serves {told}, not {target.id}")
        rollback_failed(turn, live, "another configuration is served")
        return
    if isinstance(decision.decision, Rollback) and told is None:
        turn.refuse("learner", "rollback_unconfirmed", "the actuator did not say which configuration it serves")
    live = turn.move(live, DecisionState.MONITORING, "applied", _watch_until_ms(turn, decision))
    match decision.decision:
        case Rollback():
            restored(turn, decision, target)
            close(turn, live, DecisionState.COMPLETED, "the target is served again")
        case CircuitBreak(duration_ms=duration_ms, share=share):
            gave_way(turn, decision)
            if share >= 1.0:
                turn.update(route_broken_until_ms=turn.at_ms + duration_ms)
                forget_measurements(turn, keep_baselines=True)
        case StartExperiment():
            experiments.begin(turn, decision)
        case _ if live.ramp is not None:
            live = ramp.acknowledged(turn, live)
            if turn.cold.pinned_by is not None:
                pins.stop(turn, live)
        case _ if not decision.changes.facets:
            complete(turn, live)


def _watch_until_ms(turn: Turn, decision: Decision) -> int:
    if isinstance(decision.decision, CircuitBreak):
        return turn.at_ms + decision.decision.duration_ms
    if isinstance(decision.decision, StartExperiment):
        return turn.at_ms + experiments.longest_ms(turn, decision.strategy)
    return turn.at_ms + turn.policy.ramp.bake_ms


def _failed(turn: Turn, live: LiveDecision, outcome: Outcome) -> None:
    reason = f"the actuator reports {outcome.status}: {outcome.error or 'no reason given'}"
    if isinstance(live.decision.decision, Rollback):
        close(turn, live, DecisionState.FAILED, reason)
        rollback_failed(turn, live, reason)
    elif isinstance(live.decision.decision, CircuitBreak):
        turn.update(route_broken_until_ms=0)
        close(turn, live, DecisionState.FAILED, reason)
        break_failed(turn, live.decision, reason)
    elif outcome.status is OutcomeStatus.PARTIAL_SUCCESS or live.state is not DecisionState.EXECUTING:
        # Part of it is in effect: undo that part.
        undo(turn, live, reason, "engine")
    else:
        close(turn, live, DecisionState.FAILED, reason)


def _serves(live: LiveDecision) -> bool:
    return live.state in (DecisionState.MONITORING, DecisionState.PAUSED)
