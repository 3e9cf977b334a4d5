"""What the safety strategy does about a finding: attribution first, then the answer.

A change of ours that is running is rolled back, but for an experiment whose arms show that it is not the cause. A
provider's incident that other scopes see is sat out: the route goes to another provider or is broken. Else a recent
change of ours is rolled back; without one, bad quality fails over to the last configuration known to be good, and
slowness or errors break the route for a while. The policy may instead ask for the safe configuration, for a share of
the traffic to be taken off, for a break, or for an alert alone. A price that rises is no fault of the configuration: an
experiment with the dearer model ends, so that models are compared anew.
"""

from math import log

from msgspec.structs import replace

from ..model.configuration import Configuration, changes_between
from ..model.decision import CircuitBreak, ConcludeExperiment, Evidence, Rollback
from ..model.insight import Metric
from ..model.knowledge import ProviderHealth
from ..model.policy import HOUR_MS, Response
from ..model.state import LiveDecision
from .attribution import incident, is_acquitted, recent, serving
from .findings import Finding
from .models import provider_of
from .protocol import Idea, View, experiment_of

LONGER = 0.4
"""Logarithm of the time over that of the cost beyond which a dearer request is a longer one."""


def answer(finding: Finding, view: View) -> tuple[Idea | None, str]:
    """What to do about a finding, or why nothing can be done."""
    reason = f"{finding.code}: {finding.metric}, severity {finding.severity} ({finding.evidence.detail})"
    if finding.code == "degraded" and finding.metric is Metric.COST:
        return _make_room(finding, reason, view)
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
    running = serving(view.state.cold)
    if finding.code == "degraded" and any(live.ramp is not None for live in view.state.cold.live):
        # The alarms do not listen while a ramp is under way: what they heard was before it, and it may be the cure.
        return None, f"it began before {running}, whose guards compare it with its control"
    if running is not None and not _is_acquitted(finding, view):
        return _back_to(view.configuration, running, finding, f"{reason}; after our own change {running}", view), ""
    known = incident(view.configuration.model, view.state.cold, view.at_ms, view.policy)
    if known is not None:
        return _sit_out(finding, f"{reason}; {known.provider} has an incident on other scopes too", known, view)
    ours = recent(view.state.cold, view.at_ms, view.policy)
    if ours is not None:
        target, decision_id = ours
        return _back_to(target, decision_id, finding, f"{reason}; after our own change {decision_id}", view), ""
    if finding.metric in (Metric.LATENCY, Metric.ERRORS):
        return _break(finding, f"{reason}; no change of ours is recent", view), ""
    if finding.metric is Metric.QUALITY:
        good = _last_known_good(view)
        if good is not None:
            return _back_to(good, None, finding, f"{reason}; failing over to the last known good", view), ""
        return None, "no other configuration is known to be good"
    return None, "a price is no fault of the configuration"


def _make_room(finding: Finding, reason: str, view: View) -> tuple[Idea | None, str]:
    """A price is not undone, but another model may be cheaper now: no experiment with the dear one is in its way."""
    experiment = experiment_of(view.state.cold)
    if experiment is None or experiment.decision_id != serving(view.state.cold) or _is_other_work(view):
        return None, "a price is no fault of the configuration"
    return (
        Idea(
            decision=ConcludeExperiment(experiment_id=experiment.id, reason=reason),
            evidence=(finding.evidence,),
            would_flip=f"{finding.metric} back within its limits",
        ),
        "",
    )


def _is_other_work(view: View) -> bool:
    """Whether requests take longer along with what they cost more: then they changed, and not their price."""
    live, insight = view.state.hot.live, view.insight
    if min(live.latency_p50_ms, live.cost_usd, insight.performance.latency_p50_ms) <= 0.0:
        return False
    slower = log(insight.performance.latency_p50_ms / live.latency_p50_ms)
    return slower > LONGER * log(max(insight.cost.per_request_usd / live.cost_usd, 1.0))


def _is_acquitted(finding: Finding, view: View) -> bool:
    """Whether a running experiment is shown by its own arms not to be the cause of a degradation."""
    if finding.code != "degraded":
        return False
    alarm = view.state.hot.alarms[finding.metric.value]
    rules, experiment = view.policy.threshold_based.degradation, experiment_of(view.state.cold)
    if experiment is None or experiment.decision_id != serving(view.state.cold):
        return False
    return is_acquitted(experiment, finding.metric, 1.0 - alarm.baseline.mean, rules)


def _sit_out(finding: Finding, reason: str, known: ProviderHealth, view: View) -> tuple[Idea | None, str]:
    """The provider's incident is not undone by undoing a change: go to another provider, or break the route."""
    evidence = Evidence(
        method="coincidence",
        samples=known.witnesses,
        statistic=float(known.troubled),
        threshold=float(known.needed),
        error_budget=1.0 / known.days_between_false_incidents,
        detail=f"scopes of {known.provider} in trouble without a change of ours; the error budget is per day",
    )
    idea = None
    if finding.metric is not Metric.COST:
        good = _last_known_good(view, without=known.provider)
        if good is not None:
            idea = _back_to(good, None, finding, f"{reason}; failing over to another provider", view)
        elif finding.metric is not Metric.QUALITY:
            idea = _break(finding, reason, view)
    if idea is None:
        return None, f"{evidence.detail}: {known.troubled} of {known.witnesses}; no change of ours is to blame"
    return replace(idea, evidence=(*idea.evidence, evidence)), ""


def _to_safe(finding: Finding, reason: str, view: View) -> tuple[Idea | None, str]:
    """To the configuration that the policy calls safe, whoever is to blame; a ramp under way ends with it."""
    safe = view.policy.threshold_based.responses.safe_configuration or _last_known_good(view)
    if safe is None:
        return None, "no safe configuration is named, and no other is known to be good"
    blamed = _blamed(view)
    running = serving(view.state.cold)
    if safe.id == view.configuration.id and running is None:
        return None, "the safe configuration is in use already"
    reverts = running or (blamed[1] if blamed is not None and blamed[0].id == safe.id else None)
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
    """The change of ours that may be the cause, and the configuration before it: one that runs, or a recent one."""
    cold = view.state.cold
    running = serving(cold)
    if running is not None:
        return view.configuration, running
    return recent(cold, view.at_ms, view.policy)


def _last_known_good(view: View, without: str | None = None) -> Configuration | None:
    """The newest configuration that held its guards, other than the one in use and not of the provider `without`."""
    for version in reversed(view.state.cold.history):
        configuration = version.configuration
        if not version.healthy or configuration.id == view.configuration.id:
            continue
        if without is None or provider_of(configuration.model, view.policy, view.state.cold) != without:
            return configuration
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
