"""The validation checks: each asks one question of a proposal and answers with its numbers (seed §7.1, §7.4)."""

from math import log1p

from ..model.command import Autonomy
from ..model.configuration import Facet
from ..model.decision import Check, ConcludeExperiment, Proposal, RiskLevel, StartExperiment
from ..model.lifecycle import DecisionState
from ..model.policy import Policy
from ..model.state import ColdState
from ..strategies.allowance import harms
from . import budget
from .tombstones import tombstone_key
from .turn import Turn


def standing_checks(turn: Turn, proposal: Proposal) -> list[Check]:
    """Is the scope in a state in which this proposal may go on?"""
    cold, policy = turn.cold, turn.policy
    assert turn.configuration is not None
    checks = [
        Check(
            name="still_current",
            passed=proposal.based_on_configuration_id == turn.configuration.id,
            detail="" if proposal.based_on_configuration_id == turn.configuration.id else "configuration has changed",
        )
    ]
    if proposal.is_safety:
        return checks
    if proposal.is_experiment:
        checks.append(_experiment_check(turn, proposal))
    ending = cold.experiment.decision_id if cold.experiment and proposal.kind == "conclude_experiment" else None
    wanted = tuple(Facet) if proposal.kind == "start_experiment" else proposal.changes.facets
    held = sorted(
        facet
        for live in cold.live
        if live.decision.id != ending
        for facet in live.decision.held_facets
        if facet in wanted
    )
    return [
        *checks,
        Check(
            name="not_pinned",
            passed=cold.pinned_by is None,
            detail=f"pinned by {cold.pinned_by}" if cold.pinned_by else "",
        ),
        Check(
            name="may_act",
            passed=autonomy_of(cold, policy) is not Autonomy.OBSERVE,
            detail=autonomy_of(cold, policy).value,
        ),
        Check(name="facets_free", passed=not held, detail=", ".join(held)),
        Check(
            name="capacity",
            passed=len(cold.live) < policy.engine.max_concurrent_decisions,
            found=float(len(cold.live)),
            allowed=float(policy.engine.max_concurrent_decisions),
        ),
        _cooldown(turn, proposal),
        _tombstone(turn, proposal),
    ]


def evidence_checks(proposal: Proposal, policy: Policy, *, floor: bool = False) -> list[Check]:
    """Is the claim behind the proposal proven by the rule of its type? Safety rests on evidence, not on improvement.

    `floor` is set at high risk: then no switch of the policy takes the checks away. So with the two functions below.
    """
    if proposal.is_safety:
        return [Check(name="evidence", passed=bool(proposal.evidence), detail="a safety decision needs its alarm")]
    if not (policy.validation.enable_statistical_validation or floor):
        return []
    safety = policy.safety
    confidence = proposal.confidence
    if proposal.is_experiment and not proposal.changes.facets:
        # To start claims nothing and is judged by its risk; to end without a winner returns to what was.
        return [Check(name="evidence", passed=bool(proposal.evidence))]
    gain = improvement(proposal, policy)
    improves = Check(
        name="improvement",
        passed=gain is not None and gain >= safety.min_improvement,
        found=gain,
        allowed=safety.min_improvement,
    )
    return [
        Check(name="evidence", passed=bool(proposal.evidence)),
        Check(
            name="confidence",
            passed=confidence is not None and confidence >= safety.min_confidence,
            detail="" if confidence is not None else "the proposal makes no claim that could be believed",
            found=confidence,
            allowed=safety.min_confidence,
        ),
        # What a winner must gain was laid down in the experiment's plan.
        *([] if proposal.is_experiment else [improves]),
    ]


def impact_checks(proposal: Proposal, policy: Policy, *, floor: bool = False) -> list[Check]:
    """Is every part of the impact predicted, with an interval? A point alone says nothing of how wrong it may be."""
    if proposal.is_safety or _only_experiments(proposal) or not (policy.validation.enable_impact_prediction or floor):
        return []
    parts = {"quality": proposal.impact.quality, "cost": proposal.impact.cost, "latency": proposal.impact.latency}
    lacking = [name for name, estimate in parts.items() if estimate is None or estimate.interval is None]
    return [Check(name="impact", passed=not lacking, detail=", ".join(lacking))]


def constraint_checks(proposal: Proposal, policy: Policy, *, floor: bool = False) -> list[Check]:
    """Do the bounds, not the means, of the predicted changes stay within the constraints?"""
    if proposal.is_safety or _only_experiments(proposal) or not (policy.validation.enable_constraint_checking or floor):
        return []
    checks = []
    for name, harm, allowed in harms(proposal.impact, policy.safety):
        detail = "nothing is predicted" if harm is None else ""
        passed = harm is not None and harm <= allowed
        checks.append(Check(name=name, passed=passed, detail=detail, found=harm, allowed=allowed))
    return checks


def _only_experiments(proposal: Proposal) -> bool:
    """Starts an experiment or ends it without a winner: nothing in full use changes."""
    return proposal.is_experiment and not proposal.changes.facets


def _experiment_check(turn: Turn, proposal: Proposal) -> Check:
    """One experiment at a time on a scope, and only the running one can be ended, once."""
    if isinstance(proposal.decision, ConcludeExperiment):
        return Check(name="experiment_running", passed=not (why := _why_not(turn, proposal.decision)), detail=why)
    # An exploration gives way to an experiment, but not to another exploration.
    explores = isinstance(proposal.decision, StartExperiment) and proposal.decision.yields
    rivals = [live for live in turn.cold.live if live.decision.kind == "start_experiment"]
    busy = any(explores or not live.decision.yields for live in rivals)
    allowed = turn.policy.safety.max_concurrent_experiments > 0
    return Check(name="no_other_experiment", passed=allowed and not busy)


def _why_not(turn: Turn, conclusion: ConcludeExperiment) -> str:
    """Why an experiment cannot be concluded now; empty when it can."""
    running = turn.cold.experiment
    live = turn.live(running.decision_id) if running and running.id == conclusion.experiment_id else None
    if live is None:
        return "it is over"
    if live.state is not DecisionState.MONITORING:
        # Between an order to take an experiment back and its acknowledgement there is nothing to conclude.
        return f"it is {live.state}"
    waiting = [
        other.decision.id
        for other in turn.cold.live
        if isinstance(other.decision.decision, ConcludeExperiment)
        and other.decision.decision.experiment_id == conclusion.experiment_id
    ]
    return f"{waiting[0]} concludes it already" if waiting else ""


def risk_check(level: RiskLevel, score: float, policy: Policy) -> Check:
    """Is the risk one that a human may accept at all? Above the automatic limit by one level waits for approval."""
    ceiling = _highest_risk(policy)
    return Check(name="risk", passed=level.rank <= ceiling.rank, detail=f"{level}, at most {ceiling}", found=score)


def improvement(proposal: Proposal, policy: Policy) -> float | None:
    """Predicted gain, weighted as the objectives are, on the log scale; None when a part is not predicted.

    Logarithms of the ratios, so that a cost cut to a tenth weighs as much as one that grows tenfold.
    """
    impact, weights = proposal.impact, policy.pareto.weights
    if impact.quality is None or impact.cost is None or impact.latency is None:
        return None
    return (
        weights.quality * log1p(impact.quality.delta)
        - weights.cost * log1p(impact.cost.delta)
        - weights.latency * log1p(impact.latency.delta)
    )


def autonomy_of(cold: ColdState, policy: Policy) -> Autonomy:
    """The scope's own level, or the policy's."""
    return cold.autonomy or policy.safety.autonomy


def _highest_risk(policy: Policy) -> RiskLevel:
    automatic = policy.safety.max_risk_level
    if not policy.safety.require_approval_for_high_risk or automatic.rank >= RiskLevel.HIGH.rank:
        return min(automatic, RiskLevel.HIGH, key=lambda level: level.rank)
    return RiskLevel.HIGH


def _cooldown(turn: Turn, proposal: Proposal) -> Check:
    changed_at_ms = turn.cold.changed_at_ms
    wait_ms = turn.policy.safety.min_time_between_changes_ms
    urgent = budget.is_urgent(turn, proposal.impact)
    since_ms = turn.at_ms - changed_at_ms if changed_at_ms is not None else None
    return Check(
        name="cooldown",
        passed=since_ms is None or since_ms >= wait_ms or urgent,
        detail="over budget: what is cheaper need not wait" if urgent else "",
        found=None if since_ms is None else float(since_ms),
        allowed=float(wait_ms),
    )


def _tombstone(turn: Turn, proposal: Proposal) -> Check:
    stone = turn.cold.tombstones.get(tombstone_key(proposal.changes))
    buried = stone is not None and turn.at_ms < stone.until_ms
    return Check(
        name="not_buried",
        passed=not buried,
        detail=f"failed before; until {stone.until_ms}" if buried and stone else "",
    )
