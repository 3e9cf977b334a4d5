"""What the safety strategy finds wrong with a window: broken limits, degradation, drift, anomalies (seed §4.5)."""

from msgspec import Struct

from ..model.decision import Evidence
from ..model.insight import Anomaly, Metric, Severity
from ..model.policy import Response, ThresholdPolicy
from ..model.state import Watch
from ..stats.shiryaev_roberts import level
from .company import LIKELY, SURE, Cause, cause
from .degradation import is_load
from .limits import COST, LATENCY, QUALITY, readings, severity_of
from .protocol import View


class Finding(Struct, frozen=True, gc=False, kw_only=True):
    """Something wrong: what, how bad, since this window or longer, and what the policy answers to it."""

    code: str
    metric: Metric
    severity: Severity
    response: Response
    evidence: Evidence
    onset: bool


def findings(view: View) -> list[Finding]:
    """Everything wrong with this window, in a fixed order."""
    hot, insight = view.state.hot, view.insight
    is_heard = insight.drift is not None or insight.anomalies
    if not (is_heard or view.is_ill or hot.drifted_at_ms == hot.at_ms or _is_excused(view)):
        return []
    rules = view.policy.threshold_based
    return [
        *_violations(view, rules),
        *_degradations(view, rules),
        *_shared(view),
        *_drift(view, rules),
        *_anomalies(view, rules),
    ]


def _violations(view: View, rules: ThresholdPolicy) -> list[Finding]:
    found: list[Finding] = []
    if not view.is_broken:
        return found
    for reading in readings(view.insight, rules.performance):
        watch = view.state.hot.watches.get(reading.name, _NO_WATCH)
        if not watch.firing:
            continue
        severity = severity_of(reading.excess)
        response = _response_to_violation(severity, rules.responses.on_threshold_violation)
        overloaded = severity is Severity.HIGH and reading.name == LATENCY and _is_load(view, reading.limit)
        found.append(
            Finding(
                code="limit_broken",
                metric=Metric(reading.name),
                severity=severity,
                # There is nothing to undo: another load would be slow under every configuration.
                response=Response.ALERT if overloaded else response,
                evidence=Evidence(
                    method="hard_limit",
                    metric=Metric(reading.name),
                    samples=view.insight.performance.requests * watch.windows,
                    statistic=reading.value,
                    threshold=reading.limit,
                    detail=f"broken for {watch.windows} windows in a row"
                    + (", by no more than the load explains" if overloaded else ""),
                ),
                onset=watch.windows == rules.performance.for_windows,
            )
        )
    return found


def _is_load(view: View, limit_ms: float) -> bool:
    alarm = view.state.hot.alarms.get(Metric.LATENCY.value)
    return alarm is not None and is_load(alarm, view.insight, view.policy.threshold_based.degradation, limit_ms)


def _response_to_violation(severity: Severity, configured: Response) -> Response:
    """Critical gets the configured answer, high a rollback, less an alert (seed §4.5)."""
    if severity is Severity.CRITICAL:
        return configured
    return Response.ROLLBACK if severity is Severity.HIGH else Response.ALERT


def _degradations(view: View, rules: ThresholdPolicy) -> list[Finding]:
    found = []
    hot = view.state.hot
    for name in sorted(hot.alarms):
        alarm = hot.alarms[name]
        if not alarm.firing_windows:
            continue
        run_length = rules.degradation.average_run_length
        is_open = name == QUALITY and cause(hot.alarms, hot.company, view.insight, view.policy)[0] is Cause.OPEN
        found.append(
            Finding(
                code="degraded",
                metric=Metric(name),
                severity=Severity.MEDIUM if name == COST or is_open else Severity.HIGH,
                response=Response.ALERT if is_open else rules.responses.on_degradation,
                evidence=Evidence(
                    method="shiryaev_roberts",
                    metric=Metric(name),
                    samples=alarm.baseline.count,
                    statistic=level(alarm.statistics),
                    threshold=run_length,
                    error_budget=1.0 / run_length,
                    detail=f"against a baseline of {alarm.baseline.count} windows; at most one false alarm "
                    f"in {run_length:g} windows on average"
                    + ("; the word of the other models is awaited" if is_open else ""),
                ),
                onset=alarm.firing_windows == 1,
            )
        )
    return found


def _shared(view: View) -> list[Finding]:
    """A loss of quality that was found at this window to be no fault of the model in use."""
    company = view.state.hot.company
    if company is None or not _is_excused(view):
        return []
    by_others = company.ratio > LIKELY
    return [
        Finding(
            code="shared_loss",
            metric=Metric.QUALITY,
            severity=Severity.MEDIUM,
            # There is nothing to undo: every model would have lost it.
            response=Response.ALERT,
            evidence=Evidence(
                method="common_shift",
                metric=Metric.QUALITY,
                samples=company.others,
                statistic=company.ratio,
                threshold=SURE,
                detail=f"{company.excused:.3f} points below the baseline, "
                + ("lost by the other models too" if by_others else "while requests cost otherwise than usual"),
            ),
            onset=True,
        )
    ]


def _is_excused(view: View) -> bool:
    hot = view.state.hot
    return hot.company is not None and hot.company.excused_at_ms == hot.at_ms > 0


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
                onset=view.state.hot.episodes.get(f"drift:{drift.metric}") == view.at_ms,
            )
        )
    return found


def _anomalies(view: View, rules: ThresholdPolicy) -> list[Finding]:
    """Reported anomalies, once per episode; acted upon only where the window itself breaks the metric's limit."""
    found: list[Finding] = []
    if not view.insight.anomalies:
        return found
    broken = {reading.name: reading.excess > 0.0 for reading in readings(view.insight, rules.performance)}
    for anomaly in view.insight.anomalies:
        serious = anomaly.severity in (Severity.HIGH, Severity.CRITICAL)
        if not serious or not _starts(view, episode_of(anomaly)):
            continue
        watch = view.state.hot.watches.get(anomaly.metric.value, _NO_WATCH)
        confirmed = broken[anomaly.metric.value] and watch.windows >= 2
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
                onset=view.state.hot.episodes.get(episode_of(anomaly)) == view.at_ms,
            )
        )
    return found


def episode_of(anomaly: Anomaly) -> str:
    """What an anomaly is remembered by: the analyzer's episode where it names one, else the metric."""
    return f"anomaly:{anomaly.metric}" + (f":{anomaly.episode}" if anomaly.episode else "")


def _starts(view: View, episode: str) -> bool:
    """Whether an episode is so young that a report of it may still be acted upon."""
    heard = view.state.hot.episodes.get(episode, view.at_ms)
    return view.at_ms - heard <= 5 * view.insight.window_ms


_NO_WATCH = Watch()
