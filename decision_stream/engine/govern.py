"""Commands to the engine: approvals, reversals, pauses and pins of people, and the ticks of the clock."""

from msgspec import UNSET
from msgspec.structs import replace

from ..model.command import (
    Approve,
    Autonomy,
    Cancel,
    Command,
    ImportPriors,
    Offer,
    Pause,
    Pin,
    Reject,
    Resume,
    Revert,
    SetAutonomy,
    Tick,
    Unpin,
    UpdateCatalog,
    Withdraw,
)
from ..model.configuration import changes_between
from ..model.decision import Decision, RiskLevel, Rollback, StartExperiment
from ..model.effect import Effects
from ..model.journal import Stage, Verdict
from ..model.lifecycle import DecisionState
from ..model.state import LiveDecision
from . import breaker, experiments, pins
from .completion import close
from .deadlines import pass_time, undo
from .execution import execute_approved
from .ramp import deadline_of
from .rollback import roll_back, yield_to_safety
from .turn import Turn

MAX_OFFERED = 20


def govern(turn: Turn, command: Command) -> Effects:
    """Step of the govern stage."""
    turn.actor = command.actor
    is_tick = isinstance(command.instruction, Tick)
    if not is_tick and turn.has_seen(command.id):
        turn.refuse("governor", "already_taken", command.id)
        return turn.effects(Stage.GOVERN, Verdict.STALE)
    pass_time(turn)
    if is_tick:
        return turn.effects(Stage.GOVERN, Verdict.APPLIED)
    turn.see(command.id)
    refusal = _carry_out(turn, command)
    if refusal is not None:
        turn.refuse("governor", *refusal)
        return turn.effects(Stage.GOVERN, Verdict.REFUSED)
    return turn.effects(Stage.GOVERN, Verdict.APPLIED)


def _carry_out(turn: Turn, command: Command) -> tuple[str, str] | None:
    """Do it, or say with a code and a sentence why not."""
    raced = _raced(turn, command)
    if raced is not None:
        return raced
    match command.instruction:
        case Approve(decision_id=decision_id):
            return _approve(turn, decision_id, command)
        case Reject(decision_id=decision_id):
            return _end_waiting(turn, decision_id, DecisionState.REJECTED, command)
        case Cancel(decision_id=decision_id):
            return _end_waiting(turn, decision_id, DecisionState.CANCELLED, command)
        case Revert(decision_id=decision_id):
            return _revert(turn, decision_id, command)
        case Pause(decision_id=decision_id):
            return _pause(turn, decision_id, command)
        case Resume(decision_id=decision_id):
            return _resume(turn, decision_id, command)
        case Pin():
            turn.update(pinned_by=command.actor)
            pins.stop_all(turn)
        case Unpin():
            turn.update(pinned_by=None)
        case SetAutonomy(level=level):
            turn.update(autonomy=level)
            if level is Autonomy.OBSERVE:
                experiments.stop_exploring(turn, f"{command.actor} lets the engine observe only")
        case Offer(variants=variants):
            _offer(turn, tuple(dict.fromkeys((*turn.cold.offered, *variants)))[-MAX_OFFERED:], command.actor)
        case UpdateCatalog():
            return "no_catalog", f"{turn.scope} keeps no catalogue"
        case ImportPriors():
            return "no_pool", f"{turn.scope} keeps no priors of a tenant"
        case Withdraw(variants=variants):
            _offer(turn, tuple(name for name in turn.cold.offered if name not in variants), command.actor)
    return None


def _raced(turn: Turn, command: Command) -> tuple[str, str] | None:
    """The refusal of an order whose author saw another state; None when nothing was expected or it holds."""
    identifier = getattr(command.instruction, "decision_id", None)
    if identifier is None or command.expected_state is UNSET:
        return None
    live = turn.live(identifier)
    closed = next((it for it in turn.cold.closed if it.id == identifier), None)
    state = live.state if live is not None else closed.state if closed is not None else None
    if state in (None, command.expected_state):
        # What is not remembered any more is judged by the order itself.
        return None
    return ("state_changed", f"decision is {state}, not {command.expected_state} any more")


def _offer(turn: Turn, variants: tuple[str, ...], actor: str) -> None:
    turn.update(offered=variants, offered_by={name: turn.cold.offered_by.get(name, actor) for name in variants})


def _brought_about_by(turn: Turn, decision: Decision) -> set[str]:
    """Who had a part in that the decision was proposed: of an insight that a person submitted, its id begins so."""
    prompts = {decision.changes.prompt.new} if decision.changes.prompt else set()
    if isinstance(decision.decision, StartExperiment):
        prompts |= {it.prompt.new for it in decision.decision.challengers.values() if it.prompt}
    offered = {turn.cold.offered_by[name] for name in prompts if name in turn.cold.offered_by}
    submitter, slash, _ = decision.insight_id.partition("/")
    return offered | ({submitter} if slash else set())


def _waiting(turn: Turn, decision_id: str) -> LiveDecision | tuple[str, str]:
    live = turn.live(decision_id)
    if live is None:
        return ("unknown_decision", f"no decision {decision_id} is under way on this scope")
    if live.state is not DecisionState.AWAITING_APPROVAL:
        return ("wrong_state", f"decision is {live.state}, expected {DecisionState.AWAITING_APPROVAL}")
    return live


def _approve(turn: Turn, decision_id: str, command: Command) -> tuple[str, str] | None:
    live = _waiting(turn, decision_id)
    if isinstance(live, tuple):
        return live
    decision = live.decision
    assert turn.configuration is not None
    is_high = decision.risk.level in (RiskLevel.HIGH, RiskLevel.CRITICAL)
    if turn.policy.safety.four_eyes and is_high and command.actor in _brought_about_by(turn, decision):
        told = f"{command.actor} brought this change of {decision.risk.level} risk about; another approves it"
        return ("four_eyes", told)
    if decision.from_configuration_id != turn.configuration.id:
        close(turn, live, DecisionState.SUPERSEDED, "the configuration has changed since it was judged")
        return ("outdated", "the configuration has changed since the decision was judged; it is superseded")
    if not decision.is_safety:
        if turn.cold.pinned_by is not None:
            return ("pinned", f"pinned by {turn.cold.pinned_by}; unpin the scope first")
        paused = breaker.refusal(turn)
        if paused is not None:
            return ("breaker", paused)
        breaker.admit(turn, decision.id)
    live = turn.put(replace(live, approved_by=command.actor))
    reason = f"approved by {command.actor}" + (f": {command.reason}" if command.reason else "")
    if decision.is_safety:
        yield_to_safety(turn, decision, reason)
    execute_approved(turn, live, turn.target_of(decision), reason)
    return None


def _end_waiting(turn: Turn, decision_id: str, state: DecisionState, command: Command) -> tuple[str, str] | None:
    live = _waiting(turn, decision_id)
    if isinstance(live, tuple):
        return live
    close(turn, live, state, f"{state} by {command.actor}" + (f": {command.reason}" if command.reason else ""))
    return None


def _revert(turn: Turn, decision_id: str, command: Command) -> tuple[str, str] | None:
    reason = f"reverted by {command.actor}" + (f": {command.reason}" if command.reason else "")
    live = turn.live(decision_id)
    if live is not None:
        if live.state not in (DecisionState.EXECUTING, DecisionState.MONITORING, DecisionState.PAUSED):
            return ("wrong_state", f"decision is {live.state} and serves no traffic")
        if isinstance(live.decision.decision, Rollback):
            return ("wrong_state", "a rollback cannot be reverted; decide anew")
        undo(turn, live, reason, "operator")
        return None
    return _revert_completed(turn, decision_id, reason)


def _revert_completed(turn: Turn, decision_id: str, reason: str) -> tuple[str, str] | None:
    """Undo a completed decision facet by facet; what came later on other facets stays.

    A change on which a later one of the same facet rests is not undone alone: reverting the later one comes first.
    """
    history = turn.cold.history
    place = next((place for place, version in enumerate(history) if version.decision_id == decision_id), None)
    if place is None or place == 0:
        return ("unknown_decision", f"no configuration of decision {decision_id} is remembered on this scope")
    depth, deepest = len(history) - place, turn.policy.safety.max_rollback_depth
    if depth > deepest:
        return ("too_deep", f"{depth} changes back, at most {deepest} are allowed")
    undo_it = changes_between(history[place].configuration, history[place - 1].configuration)
    later = changes_between(history[place].configuration, history[-1].configuration)
    resting = sorted(facet.value for facet in undo_it.facets if facet in later.facets)
    if resting:
        return (
            "not_newest",
            f"later changes of {', '.join(resting)} rest on decision {decision_id}; revert those first",
        )
    if any(live.decision.changes.facets or live.decision.kind == "rollback" for live in turn.cold.live):
        return ("busy", "another decision is under way on this scope; revert or reject it first")
    roll_back(
        turn,
        target=history[-1].configuration.patched(undo_it),
        reverts=decision_id,
        reason=reason,
        strategy="operator",
        cause_id=turn.event_id,
    )
    return None


def _pause(turn: Turn, decision_id: str, command: Command) -> tuple[str, str] | None:
    live = turn.live(decision_id)
    if live is None or live.ramp is None or live.state is not DecisionState.MONITORING:
        return ("wrong_state", "only a running ramp can be paused")
    turn.move(
        live, DecisionState.PAUSED, f"paused by {command.actor}", turn.at_ms + turn.policy.engine.pause_timeout_ms
    )
    return None


def _resume(turn: Turn, decision_id: str, command: Command) -> tuple[str, str] | None:
    live = turn.live(decision_id)
    if live is None or live.ramp is None or live.state is not DecisionState.PAUSED:
        return ("wrong_state", "only a paused ramp can be resumed")
    if turn.cold.pinned_by is not None:
        return ("pinned", f"pinned by {turn.cold.pinned_by}; unpin the scope first")
    # The time it was held does not count against its longest duration.
    ramp = replace(live.ramp, started_at_ms=live.ramp.started_at_ms + turn.at_ms - live.since_ms)
    live = turn.put(replace(live, ramp=ramp))
    turn.move(live, DecisionState.MONITORING, f"resumed by {command.actor}", deadline_of(turn, ramp))
    return None
