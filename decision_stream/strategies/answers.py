"""What the safety strategy does about a finding: attribution first, then the answer.

A change of ours that is running or recent is rolled back; without one, bad quality fails over to the last
configuration known to be good, and slowness or errors break the route for a while. The policy may instead ask for the
safe configuration, for a share of the traffic to be taken off, for a break, or for an alert alone.
"""

from ..model.configuration import Configuration, changes_between
from ..model.decision import CircuitBreak, Rollback
from ..model.insight import Metric
from ..model.lifecycle import DecisionState
from ..model.policy import HOUR_MS, Response
from ..model.state import LiveDecision
from .findings import Finding
from .protocol import Idea, View


def answer(finding: Finding, view: View) -> tuple[Idea | None, str]:
    """What to do about a finding, or why nothing can be done."""
    reason = f"{finding.code}: {finding.metric}, severity {finding.severity} ({finding.evidence.detail})"
    match finding.response:
        case Response.CIRCUIT_BREAK:
            return _break(finding, reason, view), ""
        case Response.SWITCH_TO_SAFE:
            return _to_safe(finding, reason, view)
        case Response.REDUCE_TRAFFIC:
            return _reduce(finding, reason, view)
        case _:
            return _undo(finding, reason, view)


def is_reduction(live: LiveDecision) -> bool:
    """Whether a decision takes off a share of the traffic and leaves the rest."""
    return isinstance(live.decision.decision, CircuitBreak) and live.decision.decision.share < 1.0


def _undo(finding: Finding, reason: str, view: View) -> tuple[Idea | None, str]:
    """Attribution first: back to before our own change, else fail over or break the route."""
    blamed = _blamed(view)
    if blamed is not None:
        target, decision_id = blamed
        return _back_to(target, decision_id, finding, f"{reason}; after our own change {decision_id}", view), ""
    if finding.metric in (Metric.LATENCY, Metric.ERRORS):
        return _break(finding, f"{reason}; no change of ours is recent", view), ""
    if finding.metric is Metric.QUALITY:
        good = _last_known_good(view)
        if good is not None:
            return _back_to(good, None, finding, f"{reason}; failing over to the last known good", view), ""
        return None, "no other configuration is known to be good"
    return None, "a price is no fault of the configuration"


def _to_safe(finding: Finding, reason: str, view: View) -> tuple[Idea | None, str]:
    """To the configuration that the policy calls safe, whoever is to blame; a ramp under way ends with it."""
    safe = view.policy.threshold_based.responses.safe_configuration or _last_known_good(view)
    if safe is None:
        return None, "no safe configuration is named, and no other is known to be good"
    blamed = _blamed(view)
    serving = _serving(view)
    if safe.id == view.configuration.id and serving is None:
        return None, "the safe configuration is in use already"
    reverts = serving or (blamed[1] if blamed is not None and blamed[0].id == safe.id else None)
    return _back_to(safe, reverts, finding, f"{reason}; switching to the safe configuration", view), ""


def _reduce(finding: Finding, reason: str, view: View) -> tuple[Idea | None, str]:
    """Take a share of the traffic off for a while; the rest goes on being measured."""
    if any(isinstance(live.decision.decision, CircuitBreak) for live in view.state.cold.live):
        return None, "traffic is reduced already"
    responses = view.policy.threshold_based.responses
    refuge = responses.safe_configuration or _last_known_good(view)
    if refuge is not None and refuge.id == view.configuration.id:
        refuge = None
    where = "the route's fallback" if refuge is None else refuge.model
    share = responses.reduced_share
    return _break(finding, f"{reason}; {share:.0%} of the traffic goes to {where}", view, share, refuge), ""


def _blamed(view: View) -> tuple[Configuration, str] | None:
    """The change of ours that may be the cause, and the configuration before it.

    A running ramp or experiment, or the last completed.
    """
    serving = _serving(view)
    if serving is not None:
        return view.configuration, serving
    history = view.state.cold.history
    if len(history) < 2 or history[-1].decision_id is None:
        return None
    age_ms = view.at_ms - history[-1].since_ms
    if age_ms > view.policy.threshold_based.degradation.attribution_ms:
        return None
    return history[-2].configuration, history[-1].decision_id


def _serving(view: View) -> str | None:
    """The decision that serves a part of the traffic with something else: a ramp or an experiment.

    An exploration is none: its guards compare it with its own control at every report, and its slice is too thin to
    move the route.
    """
    for live in view.state.cold.live:
        serves = live.ramp is not None or (live.decision.kind == "start_experiment" and not live.decision.yields)
        if serves and live.state in (DecisionState.MONITORING, DecisionState.PAUSED):
            return live.decision.id
    return None


def _last_known_good(view: View) -> Configuration | None:
    for version in reversed(view.state.cold.history):
        if version.healthy and version.configuration.id != view.configuration.id:
            return version.configuration
    return None


def _back_to(target: Configuration, decision_id: str | None, finding: Finding, reason: str, view: View) -> Idea:
    return Idea(
        decision=Rollback(target_configuration_id=target.id, reverts=decision_id, reason=reason),
        changes=changes_between(view.configuration, target),
        evidence=(finding.evidence,),
        would_flip=f"{finding.metric} back within its limits",
    )


def _break(finding: Finding, reason: str, view: View, share: float = 1.0, refuge: Configuration | None = None) -> Idea:
    return Idea(
        decision=CircuitBreak(duration_ms=_break_duration_ms(view), reason=reason, share=share, refuge=refuge),
        evidence=(finding.evidence,),
        would_flip=f"{finding.metric} back within its limits",
    )


def _break_duration_ms(view: View) -> int:
    """The configured duration, doubled for each break of the route that ended within the last hour."""
    responses = view.policy.threshold_based.responses
    recent = sum(
        closed.kind == "circuit_break" and view.at_ms - closed.closed_at_ms <= HOUR_MS
        for closed in view.state.cold.closed
    )
    return int(min(responses.circuit_break_ms * 2**recent, responses.max_circuit_break_ms))
