"""What the safety strategy does about a finding: attribution first, then the answer.

A change of ours that is running or recent is rolled back; without one, bad quality fails over to the last
configuration known to be good, and slowness or errors break the route for a while.
"""

from ..model.configuration import Configuration, ConfigurationChanges, changes_between
from ..model.decision import CircuitBreak, Rollback
from ..model.insight import Metric
from ..model.lifecycle import DecisionState
from ..model.policy import HOUR_MS, Response
from .findings import Finding
from .protocol import Idea, View


def answer(finding: Finding, view: View) -> tuple[Idea | None, str]:
    """What to do about a finding, or why nothing can be done."""
    duration_ms = _break_duration_ms(view)
    reason = f"{finding.code}: {finding.metric}, severity {finding.severity} ({finding.evidence.detail})"
    if finding.response is Response.CIRCUIT_BREAK:
        return _break(finding, reason, duration_ms), ""
    blamed = _blamed(view)
    if blamed is not None:
        target, decision_id = blamed
        return _back_to(target, decision_id, finding, f"{reason}; after our own change {decision_id}", view), ""
    if finding.response is Response.REDUCE_TRAFFIC:
        return None, "there is no ramp whose traffic could be reduced"
    if finding.metric in (Metric.LATENCY, Metric.ERRORS):
        return _break(finding, f"{reason}; no change of ours is recent", duration_ms), ""
    if finding.metric is Metric.QUALITY:
        good = _last_known_good(view)
        if good is not None:
            return _back_to(good, None, finding, f"{reason}; failing over to the last known good", view), ""
        return None, "no other configuration is known to be good"
    return None, "a price is no fault of the configuration"


def _blamed(view: View) -> tuple[Configuration, str] | None:
    """The change of ours that may be the cause, and the configuration before it.

    A running ramp, or the last completed.
    """
    for live in view.state.cold.live:
        serves = live.ramp is not None or live.decision.kind == "start_experiment"
        if serves and live.state in (DecisionState.MONITORING, DecisionState.PAUSED):
            return view.configuration, live.decision.id
    history = view.state.cold.history
    if len(history) < 2 or history[-1].decision_id is None:
        return None
    age_ms = view.at_ms - history[-1].since_ms
    if age_ms > view.policy.threshold_based.degradation.attribution_ms:
        return None
    return history[-2].configuration, history[-1].decision_id


def _last_known_good(view: View) -> Configuration | None:
    for version in reversed(view.state.cold.history):
        if version.healthy and version.configuration.id != view.configuration.id:
            return version.configuration
    return None


def _back_to(target: Configuration, decision_id: str | None, finding: Finding, reason: str, view: View) -> Idea:
    ramping = decision_id is not None and any(live.decision.id == decision_id for live in view.state.cold.live)
    return Idea(
        decision=Rollback(target_configuration_id=target.id, reverts=decision_id, reason=reason),
        changes=ConfigurationChanges() if ramping else changes_between(view.configuration, target),
        evidence=(finding.evidence,),
        would_flip=f"{finding.metric} back within its limits",
    )


def _break(finding: Finding, reason: str, duration_ms: int) -> Idea:
    return Idea(
        decision=CircuitBreak(duration_ms=duration_ms, reason=reason),
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
