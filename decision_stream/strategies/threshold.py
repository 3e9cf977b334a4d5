"""Threshold rules, the safety strategy: broken limits, degradation, drift and anomalies, and the answers to them.

Every finding is attributed before anything is undone: a change of ours that is running or recent is rolled back;
without one, bad quality fails over to the last configuration known to be good, and slowness or errors break the
route for a while.
"""

from dataclasses import dataclass
from math import sqrt

from msgspec.structs import replace

from ..model.configuration import Configuration, ConfigurationChanges, changes_between
from ..model.decision import CircuitBreak, Evidence, Rollback
from ..model.insight import Insight, Metric, Severity
from ..model.journal import Alert, Reason
from ..model.lifecycle import DecisionState
from ..model.policy import HOUR_MS, DriftPolicy, Policy, Response, ThresholdPolicy
from ..model.state import Alarm, HotState, Watch
from ..stats.adwin import Adwin
from ..stats.shift_alarm import level
from .degradation import MIN_SAMPLES, listened, observations
from .limits import readings, severity_of, watched
from .protocol import Idea, Opinion, View

DRIFT_SCALE = 10.0
DRIFT_CLOCK = 8
REFRACTORY_MS = 30 * 60_000
"""One alert per metric and half hour for anomalies and drift reported by the analyzer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong: what, how bad, since this window or longer, and what the policy answers to it."""

    code: str
    metric: Metric
    severity: Severity
    response: Response
    evidence: Evidence
    onset: bool


@dataclass(frozen=True, slots=True)
class Threshold:
    """The first strategy by priority; it alone proposes rollbacks and circuit breaks."""

    name: str = "threshold_based"
    complete: bool = True

    def priority(self, policy: Policy) -> int:
        """The policy's number, 200 by default."""
        return policy.threshold_based.priority

    def is_enabled(self, policy: Policy) -> bool:
        """Whether the policy has it on."""
        return policy.threshold_based.enabled

    def observe(self, hot: HotState, insight: Insight, policy: Policy) -> HotState:
        """Move watches and alarms on by this window."""
        rules = policy.threshold_based
        limits = rules.performance
        watches = {
            reading.metric.value: watched(hot.watches.get(reading.metric.value, _NO_WATCH), reading, insight, limits)
            for reading in readings(insight, limits)
        }
        alarms = {
            **hot.alarms,
            **{
                seen.metric.value: listened(hot.alarms.get(seen.metric.value, _NO_ALARM), seen, rules.degradation)
                for seen in observations(insight, rules.degradation)
            },
        }
        episodes = _heard(hot.episodes, insight, hot.at_ms)
        observed = replace(hot, watches=watches, alarms=alarms, episodes=episodes)
        return _with_drift(observed, insight, rules.drift)

    def propose(self, view: View) -> Opinion:
        """At most one safety idea: the answer to the worst finding. Findings with nothing to do become alerts, once."""
        findings = sorted(_findings(view), key=lambda found: (-_RANK[found.severity], found.code, found.metric))
        reasons: list[Reason] = []
        alerts: list[Alert] = []
        under_way = any(live.decision.kind in ("rollback", "circuit_break") for live in view.state.cold.live)
        ideas: list[Idea] = []
        for finding in findings:
            reasons.append(_reason(finding))
            if finding.response is Response.ALERT:
                idea, why = None, "the policy answers this with an alert"
            elif ideas or under_way:
                continue
            else:
                idea, why = _answer(finding, view)
            if idea is not None:
                ideas.append(idea)
            elif finding.onset:
                alerts.append(Alert(code=finding.code, detail=f"{finding.metric}: {why}", severity=finding.severity))
        if not findings:
            reasons.append(Reason(source=self.name, code="all_within_limits"))
        return Opinion(ideas=tuple(ideas), reasons=tuple(reasons), alerts=tuple(alerts))


def _findings(view: View) -> list[Finding]:
    rules = view.policy.threshold_based
    return [*_violations(view, rules), *_degradations(view, rules), *_drift(view, rules), *_anomalies(view, rules)]


def _violations(view: View, rules: ThresholdPolicy) -> list[Finding]:
    found: list[Finding] = []
    if not any(watch.firing for watch in view.state.hot.watches.values()):
        return found
    for reading in readings(view.insight, rules.performance):
        watch = view.state.hot.watches.get(reading.metric.value, _NO_WATCH)
        if not watch.firing:
            continue
        severity = severity_of(reading.excess)
        found.append(
            Finding(
                code="limit_broken",
                metric=reading.metric,
                severity=severity,
                response=_response_to_violation(severity, rules.responses.on_threshold_violation),
                evidence=Evidence(
                    method="hard_limit",
                    metric=reading.metric,
                    samples=view.insight.performance.requests * watch.windows,
                    statistic=reading.value,
                    threshold=reading.limit,
                    detail=f"broken for {watch.windows} windows in a row",
                ),
                onset=watch.windows == rules.performance.for_windows,
            )
        )
    return found


def _response_to_violation(severity: Severity, configured: Response) -> Response:
    """Critical gets the configured answer, high a rollback, less an alert (seed §4.5)."""
    if severity is Severity.CRITICAL:
        return configured
    return Response.ROLLBACK if severity is Severity.HIGH else Response.ALERT


def _degradations(view: View, rules: ThresholdPolicy) -> list[Finding]:
    found = []
    for name in sorted(view.state.hot.alarms):
        alarm = view.state.hot.alarms[name]
        if not alarm.firing_windows:
            continue
        run_length = rules.degradation.average_run_length
        found.append(
            Finding(
                code="degraded",
                metric=Metric(name),
                severity=Severity.HIGH,
                response=rules.responses.on_degradation,
                evidence=Evidence(
                    method="shiryaev_roberts",
                    metric=Metric(name),
                    samples=alarm.baseline.count,
                    statistic=level(alarm.statistics),
                    threshold=run_length,
                    error_budget=1.0 / run_length,
                    detail=f"against a baseline of {alarm.baseline.count} windows; at most one false alarm "
                    f"in {run_length:g} windows on average",
                ),
                onset=alarm.firing_windows == 1,
            )
        )
    return found


def _drift(view: View, rules: ThresholdPolicy) -> list[Finding]:
    """Drift of quality found by our own detector at this window, and what the analyzer reports, once per episode."""
    found = []
    hot = view.state.hot
    if hot.drifted_at_ms == hot.at_ms > 0:
        found.append(
            Finding(
                code="drift",
                metric=Metric.QUALITY,
                severity=Severity.MEDIUM,
                response=rules.responses.on_drift,
                evidence=Evidence(
                    method="adwin",
                    metric=Metric.QUALITY,
                    statistic=view.insight.quality.score,
                    error_budget=rules.drift.delta,
                    detail="the mean of the recent windows differs from that of the windows before",
                ),
                onset=True,
            )
        )
    drift = view.insight.drift
    if drift is not None and _starts(view, f"drift:{drift.metric}"):
        found.append(
            Finding(
                code="drift_reported",
                metric=drift.metric,
                severity=Severity.LOW,
                # What the analyzer says is a claim: acting on it takes an alarm of our own.
                response=Response.ALERT,
                evidence=Evidence(method="analyzer_report", metric=drift.metric, statistic=drift.score),
                onset=True,
            )
        )
    return found


def _anomalies(view: View, rules: ThresholdPolicy) -> list[Finding]:
    """Reported anomalies, once per episode; acted upon only where the window itself breaks the metric's limit."""
    found: list[Finding] = []
    if not view.insight.anomalies:
        return found
    broken = {reading.metric: reading.excess > 0.0 for reading in readings(view.insight, rules.performance)}
    for anomaly in view.insight.anomalies:
        serious = anomaly.severity in (Severity.HIGH, Severity.CRITICAL)
        if not serious or not _starts(view, f"anomaly:{anomaly.metric}"):
            continue
        watch = view.state.hot.watches.get(anomaly.metric.value, _NO_WATCH)
        confirmed = broken[anomaly.metric] and watch.windows >= 2
        found.append(
            Finding(
                code="anomaly",
                metric=anomaly.metric,
                severity=anomaly.severity,
                response=rules.responses.on_anomaly if confirmed else Response.ALERT,
                evidence=Evidence(
                    method="analyzer_report",
                    metric=anomaly.metric,
                    samples=view.insight.performance.requests,
                    statistic=anomaly.observed,
                    threshold=anomaly.expected,
                    detail="confirmed by the broken limit" if confirmed else "not confirmed by a broken limit",
                ),
                onset=True,
            )
        )
    return found


def _answer(finding: Finding, view: View) -> tuple[Idea | None, str]:
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
        if live.ramp is not None and live.state in (DecisionState.MONITORING, DecisionState.PAUSED):
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


def _heard(episodes: dict[str, int], insight: Insight, at_ms: int) -> dict[str, int]:
    """When each reported metric was first heard of, forgotten after the refractory time without a report."""
    reported = {f"anomaly:{anomaly.metric}" for anomaly in insight.anomalies}
    if insight.drift is not None:
        reported.add(f"drift:{insight.drift.metric}")
    if not reported and not episodes:
        return episodes
    kept = {name: heard for name, heard in episodes.items() if at_ms - heard < REFRACTORY_MS}
    return {name: kept.get(name, at_ms) for name in sorted(kept.keys() | reported)}


def _with_drift(hot: HotState, insight: Insight, rules: DriftPolicy) -> HotState:
    """The drift detector after this window.

    Window averages are put on the scale of the alarm's baseline, ten standard deviations to the unit interval:
    ADWIN's bound is made for [0, 1] and blind to what is small on it. Every eighth window the window is searched.
    """
    baseline = hot.alarms.get(Metric.QUALITY.value, _NO_ALARM).baseline
    if insight.quality.samples < MIN_SAMPLES or baseline.count < MIN_SAMPLES or baseline.m2 == 0.0:
        return hot
    score = (1.0 - insight.quality.score - baseline.mean) / sqrt(baseline.variance)
    pending = (*hot.drift_pending, min(1.0, max(0.0, 0.5 + score / DRIFT_SCALE)))
    if len(pending) < DRIFT_CLOCK:
        return replace(hot, drift_pending=pending)
    before = Adwin.decoded(hot.drift)
    window, changed = before.extended(pending, delta=rules.delta, max_count=rules.window_size)
    return replace(
        hot,
        drift=window.encoded(),
        drift_pending=(),
        drifted_at_ms=hot.at_ms if changed else hot.drifted_at_ms,
    )


def _starts(view: View, episode: str) -> bool:
    """Whether an episode is so young that a report of it may still be acted upon."""
    heard = view.state.hot.episodes.get(episode, view.at_ms)
    return view.at_ms - heard <= 5 * view.insight.window_ms


def _reason(finding: Finding) -> Reason:
    evidence = finding.evidence
    return Reason(
        source="threshold_based",
        code=f"{finding.code}:{finding.metric}",
        detail=evidence.detail,
        value=evidence.statistic,
        limit=evidence.threshold,
    )


_NO_WATCH = Watch()
_NO_ALARM = Alarm()
_RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2, Severity.CRITICAL: 3}
