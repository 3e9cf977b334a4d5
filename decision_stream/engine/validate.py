"""Proposal to decision: the last gate, which sees the state as it is now (seed §7.1)."""

from msgspec.structs import replace

from ..model.command import Autonomy
from ..model.configuration import Configuration
from ..model.decision import (
    Check,
    CircuitBreak,
    ConcludeExperiment,
    Decision,
    PredictedImpact,
    Proposal,
    Risk,
    RiskLevel,
    Rollback,
    StartExperiment,
)
from ..model.effect import Effects, Subject
from ..model.journal import Stage, Transition, Verdict
from ..model.lifecycle import DecisionState
from ..model.state import LiveDecision
from . import breaker, budget, slots
from .checks import autonomy_of, constraint_checks, evidence_checks, impact_checks, risk_check, standing_checks
from .deadlines import pass_time
from .execution import execute, path
from .identity import derived_id
from .impact import calibrated
from .orders import in_trust_region, ramps
from .risk import SAFETY_RISK, assess, is_sensitive, on_sensitive_scope
from .rollback import roll_back, yield_to_safety
from .turn import Turn


def validate(turn: Turn, proposal: Proposal) -> Effects:
    """Step of the validate stage."""
    pass_time(turn)
    if all(pending.id != proposal.id for pending in turn.cold.pending):
        turn.refuse("validator", "not_pending", "the proposal was judged before or came too late")
        return turn.effects(Stage.VALIDATE, Verdict.STALE)
    turn.update(pending=tuple(pending for pending in turn.cold.pending if pending.id != proposal.id))
    if turn.configuration is None:
        turn.refuse("validator", "no_configuration")
        return turn.effects(Stage.VALIDATE, Verdict.REJECTED)
    target = _target(turn, proposal)
    said = proposal.impact
    if turn.policy.validation.enable_impact_prediction:
        impact, corrections = calibrated(turn, proposal.strategy, said)
        proposal = replace(proposal, impact=impact, evidence=(*proposal.evidence, *corrections))
    weight = None if target is None else _first_weight(turn, proposal, target)
    risk = _risk(turn, proposal, target, weight)
    floor = risk.level.rank >= RiskLevel.HIGH.rank
    checks = [*standing_checks(turn, proposal), *evidence_checks(proposal, turn.policy, floor=floor)]
    checks += impact_checks(proposal, turn.policy, floor=floor)
    checks += constraint_checks(proposal, turn.policy, floor=floor)
    if proposal.is_safety:
        checks.append(_safety_check(turn, proposal, target))
    else:
        checks += budget.checks(turn, proposal)
        checks += slots.check(turn, proposal)
        paused = breaker.refusal(turn)
        checks.append(Check(name="breaker", passed=paused is None, detail=paused or ""))
        checks.append(risk_check(risk.level, risk.score, turn.policy))
    failed = [check for check in checks if not check.passed]
    if [check.name for check in failed] == [slots.NAME]:
        slots.ask(turn, proposal)
    if failed or target is None:
        return _reject(turn, proposal, failed)
    if proposal.is_safety and _may_act_alone(turn):
        return _act_for_safety(turn, proposal, target, tuple(checks))
    decision = replace(_decision(turn, proposal, said, target, risk, tuple(checks)), first_weight=weight)
    if _needs_approval(turn, proposal, risk):
        return _wait(turn, decision, risk)
    breaker.admit(turn, decision.id)
    execute(turn, decision, target)
    return turn.effects(Stage.VALIDATE, Verdict.APPROVED)


def _target(turn: Turn, proposal: Proposal) -> Configuration | None:
    assert turn.configuration is not None
    if isinstance(proposal.decision, Rollback):
        wanted = proposal.decision.target_configuration_id
        safe = turn.policy.threshold_based.responses.safe_configuration
        known = (
            turn.configuration,
            *(version.configuration for version in reversed(turn.cold.history)),
            *(() if safe is None else (safe,)),
        )
        return next((configuration for configuration in known if configuration.id == wanted), None)
    return turn.configuration.patched(proposal.changes)


def _first_weight(turn: Turn, proposal: Proposal, target: Configuration) -> float | None:
    """Share of the traffic that a change is served at first; None for what is served by other means.

    A proven small step inside the trust region goes to all traffic at once and bakes there, unless its risk at full
    exposure would need a human: then it is ramped like any other.
    """
    if proposal.is_safety or not proposal.changes.facets:
        return None
    inside = in_trust_region(proposal.decision, proposal.changes, turn.policy)
    if inside and _assessed(turn, proposal, target, 1.0).level.rank <= turn.policy.safety.max_risk_level.rank:
        return 1.0
    return turn.policy.ramp.initial_weight if ramps(proposal.decision) else 1.0


def _assessed(turn: Turn, proposal: Proposal, target: Configuration, exposure: float) -> Risk:
    return assess(proposal.impact, target, turn.cold, turn.policy.safety, exposure, undo=0.0)


def _risk(turn: Turn, proposal: Proposal, target: Configuration | None, weight: float | None) -> Risk:
    if proposal.is_safety or target is None:
        return SAFETY_RISK
    if not turn.policy.validation.enable_risk_assessment:
        # Unassessed is not harmless: it waits for a human.
        return Risk(level=RiskLevel.HIGH, score=1.0, exposure=1.0, worst_case=1.0, reversibility=0.0, novelty=1.0)
    match proposal.decision:
        case ConcludeExperiment(winner=None):
            return SAFETY_RISK
        case StartExperiment() as start:
            exposure = start.exposure
        case _:
            exposure = 1.0 if weight is None else weight
    risk = assess(proposal.impact, target, turn.cold, turn.policy.safety, exposure, undo=0.0)
    return on_sensitive_scope(risk) if is_sensitive(turn.scope, turn.policy.safety) else risk


def _safety_check(turn: Turn, proposal: Proposal, target: Configuration | None) -> Check:
    """A rollback needs a known target that is not already in full use; a break needs a route that is not broken."""
    if isinstance(proposal.decision, CircuitBreak):
        until_ms = turn.cold.route_broken_until_ms
        reduced = proposal.decision.share < 1.0 and any(live.decision.kind == proposal.kind for live in turn.cold.live)
        detail = f"broken until {until_ms}" if until_ms else "traffic is reduced already" if reduced else ""
        return Check(name="route_whole", passed=not detail, detail=detail)
    reverted = proposal.decision.reverts if isinstance(proposal.decision, Rollback) else None
    # A ramp is reverted by restoring what is in full use.
    ramping = reverted is not None and turn.live(reverted) is not None
    useful = target is not None and (ramping or target != turn.configuration)
    under_way = any(isinstance(live.decision.decision, Rollback) for live in turn.cold.live)
    deepest = turn.policy.safety.max_rollback_depth
    history = [] if target is None else [version.configuration.id == target.id for version in turn.cold.history]
    too_deep = any(history) and not any(history[-deepest - 1 :])
    detail = "target is unknown" if target is None else "a rollback is under way" if under_way else ""
    detail = f"more than {deepest} changes back" if too_deep else detail
    return Check(name="rollback_target", passed=useful and not under_way and not too_deep, detail=detail)


def _may_act_alone(turn: Turn) -> bool:
    observing = autonomy_of(turn.cold, turn.policy) in (Autonomy.OBSERVE, Autonomy.RECOMMEND)
    return turn.policy.engine.enable_auto_rollback and not observing


def _needs_approval(turn: Turn, proposal: Proposal, risk: Risk) -> bool:
    if proposal.is_safety:
        return True
    if autonomy_of(turn.cold, turn.policy) is not Autonomy.AUTOPILOT:
        return True
    return risk.level.rank > turn.policy.safety.max_risk_level.rank


def _why_waits(turn: Turn, risk: Risk) -> str:
    autonomy = autonomy_of(turn.cold, turn.policy)
    told = f"risk is {risk.level}"
    if is_sensitive(turn.scope, turn.policy.safety):
        told += ", the scope is sensitive"
    return told if autonomy is Autonomy.AUTOPILOT else f"{told}, autonomy is {autonomy}"


def _reject(turn: Turn, proposal: Proposal, failed: list[Check]) -> Effects:
    identifier = derived_id(proposal.id, "decision")
    for check in failed:
        turn.refuse("validator", check.name, check.detail, check.found, check.allowed)
    states = (DecisionState.PENDING, DecisionState.VALIDATING, DecisionState.REJECTED)
    reason = ", ".join(check.name for check in failed) or "no target"
    subject = Subject(identifier, proposal.strategy, proposal.kind, proposal.confidence, turn.trace)
    for transition in path(turn, identifier, states, reason):
        turn.note(transition, subject)
    return turn.effects(Stage.VALIDATE, Verdict.REJECTED)


def _act_for_safety(turn: Turn, proposal: Proposal, target: Configuration, checks: tuple[Check, ...]) -> Effects:
    if isinstance(proposal.decision, Rollback):
        roll_back(
            turn,
            target=target,
            reverts=proposal.decision.reverts,
            reason=proposal.decision.reason,
            strategy=proposal.strategy,
            cause_id=proposal.insight_id,
            evidence=proposal.evidence,
            checks=checks,
            alternatives=proposal.alternatives,
            proposal_id=proposal.id,
            would_flip=proposal.would_flip,
        )
    else:
        decision = _decision(turn, proposal, proposal.impact, target, SAFETY_RISK, checks)
        yield_to_safety(turn, decision, "the route is broken")
        execute(turn, decision, target)
    return turn.effects(Stage.VALIDATE, Verdict.APPROVED)


def _decision(
    turn: Turn,
    proposal: Proposal,
    said: PredictedImpact,
    target: Configuration,
    risk: Risk,
    checks: tuple[Check, ...],
) -> Decision:
    return turn.decide(
        id=derived_id(proposal.id, "decision"),
        strategy=proposal.strategy,
        decision=proposal.decision,
        target=target,
        changes=proposal.changes,
        impact=proposal.impact,
        said=None if said == proposal.impact else said,
        confidence=proposal.confidence,
        risk=risk,
        evidence=proposal.evidence,
        checks=checks,
        alternatives=proposal.alternatives,
        insight_id=proposal.insight_id,
        proposal_id=proposal.id,
        would_flip=proposal.would_flip,
    )


def _wait(turn: Turn, decision: Decision, risk: Risk) -> Effects:
    deadline_ms = turn.at_ms + turn.policy.engine.approval_timeout_ms
    decision = replace(decision, expires_at_ms=deadline_ms)
    live = LiveDecision(
        decision=decision, state=DecisionState.AWAITING_APPROVAL, since_ms=turn.at_ms, deadline_ms=deadline_ms
    )
    states = (DecisionState.PENDING, DecisionState.VALIDATING, DecisionState.AWAITING_APPROVAL)
    transitions: tuple[Transition, ...] = path(turn, decision.id, states, _why_waits(turn, risk))
    turn.begin(live, transitions)
    turn.alert("approval_needed", f"{decision.kind} {decision.id} waits for approval until {deadline_ms}", "info")
    return turn.effects(Stage.VALIDATE, Verdict.AWAITING_APPROVAL)
