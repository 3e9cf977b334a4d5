"""Threshold rules, the safety strategy: the only one that proposes rollbacks and circuit breaks (seed §4.5).

Measuring is in limits.py and degradation.py, what is wrong in findings.py, what is done about it in answers.py.
"""

from dataclasses import dataclass
from math import sqrt

from msgspec.structs import replace

from ..model.insight import Insight, Severity
from ..model.journal import Alert, Reason
from ..model.policy import DriftPolicy, Policy, Response
from ..model.state import Alarm, Company, HotState, Watch
from ..stats.adwin import Adwin
from .answers import answer, is_reduction
from .company import Cause, cause, excused, followed, heard, repaid
from .degradation import MIN_SAMPLES, Observation, listened, observations
from .findings import Finding, episode_of, findings
from .limits import QUALITY, readings, stays_calm, watched
from .protocol import Idea, Opinion, View

DRIFT_SCALE = 10.0
DRIFT_CLOCK = 8
REFRACTORY_MS = 30 * 60_000
"""One alert per episode, or per metric and half hour where none is named, for what the analyzer reports."""
MAX_EPISODES = 32


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
        watches = hot.watches
        if not stays_calm(watches, insight, limits):
            watches = {
                reading.name: watched(watches.get(reading.name, _NO_WATCH), reading, insight, limits)
                for reading in readings(insight, limits)
            }
        alarms = dict(hot.alarms)
        company, quality = heard(hot.company, insight) if insight.candidates else hot.company, None
        for seen in observations(insight, rules.degradation):
            if seen.name == QUALITY:
                quality = seen
                if company is not None and company.excused:
                    seen = replace(seen, tolerance=seen.tolerance + company.excused)
            alarms[seen.name] = listened(alarms.get(seen.name, _NO_ALARM), seen, rules.degradation)
        if QUALITY in alarms:
            company = _attributed(alarms, company, quality, insight, hot.at_ms, policy)
        drift, pending, drifted_at_ms = _drifted(hot, alarms, insight, rules.drift)
        episodes = hot.episodes
        if insight.anomalies or insight.drift or episodes:
            episodes = _heard(episodes, insight, hot.at_ms)
        return replace(
            hot,
            watches=watches,
            alarms=alarms,
            episodes=episodes,
            drift=drift,
            drift_pending=pending,
            drifted_at_ms=drifted_at_ms,
            company=company,
        )

    def propose(self, view: View) -> Opinion:
        """At most one safety idea: the answer to the worst finding. Findings with nothing to do become alerts, once."""
        found = findings(view)
        if not found:
            return _ALL_WELL
        worst_first = sorted(found, key=lambda it: (-_RANK[it.severity], it.code, it.metric))
        reasons: list[Reason] = []
        alerts: list[Alert] = []
        # Traffic that is only reduced goes on being judged: it may still be worse than that.
        under_way = any(live.decision.is_safety and not is_reduction(live) for live in view.state.cold.live)
        ideas: list[Idea] = []
        for finding in worst_first:
            reasons.append(_reason(finding))
            if finding.response is Response.ALERT:
                idea, why = None, "the policy answers this with an alert"
            elif ideas or under_way:
                continue
            else:
                idea, why = answer(finding, view)
            if idea is not None:
                ideas.append(idea)
            elif finding.onset:
                alerts.append(Alert(code=finding.code, detail=f"{finding.metric}: {why}", severity=finding.severity))
        return Opinion(ideas=tuple(ideas), reasons=tuple(reasons), alerts=tuple(alerts))


def _attributed(
    alarms: dict[str, Alarm],
    company: Company | None,
    seen: Observation | None,
    insight: Insight,
    at_ms: int,
    policy: Policy,
) -> Company | None:
    """What is known of the other models after this window; a loss that they share ends the alarm in `alarms`."""
    alarm = alarms[QUALITY]
    company = followed(company, alarms, seen, insight)
    if seen is None:
        return company
    if not alarm.firing_windows:
        return repaid(company, alarm, seen)
    whose, ratio = cause(alarms, company, insight, policy)
    if whose is not Cause.SHARED:
        return company
    alarms[QUALITY] = replace(alarm, statistics=(), firing_windows=0)
    if company is not None and company.windows:
        lost = company.lost / company.windows
    else:
        lost = seen.value - alarm.baseline.mean - (0.0 if company is None else company.excused)
    return excused(company, ratio, lost, at_ms)


def _heard(episodes: dict[str, int], insight: Insight, at_ms: int) -> dict[str, int]:
    """When each reported metric was first heard of, forgotten after the refractory time without a report."""
    reported = {episode_of(anomaly) for anomaly in insight.anomalies}
    if insight.drift is not None:
        reported.add(f"drift:{insight.drift.metric}")
    kept = {name: heard for name, heard in episodes.items() if at_ms - heard < REFRACTORY_MS}
    heard = {name: kept.get(name, at_ms) for name in sorted(kept.keys() | reported)}
    if len(heard) <= MAX_EPISODES:
        return heard
    newest = sorted(heard, key=lambda name: (-heard[name], name))[:MAX_EPISODES]
    return {name: heard[name] for name in sorted(newest)}


def _drifted(
    hot: HotState, alarms: dict[str, Alarm], insight: Insight, rules: DriftPolicy
) -> tuple[bytes, tuple[float, ...], int]:
    """The drift detector after this window: what it keeps, what waits for it, and when it last found drift.

    Window averages are put on the scale of the alarm's baseline, ten standard deviations to the unit interval:
    ADWIN's bound is made for [0, 1] and blind to what is small on it. Every eighth window the window is searched.
    """
    baseline, quality = alarms.get(QUALITY, _NO_ALARM).baseline, insight.quality
    if quality.samples < MIN_SAMPLES or baseline.count < MIN_SAMPLES or baseline.m2 == 0.0:
        return hot.drift, hot.drift_pending, hot.drifted_at_ms
    score = (1.0 - quality.score - baseline.mean) / sqrt(baseline.variance)
    place = 0.5 + score / DRIFT_SCALE
    pending = (*hot.drift_pending, 0.0 if place < 0.0 else place if place < 1.0 else 1.0)
    if len(pending) < DRIFT_CLOCK:
        return hot.drift, pending, hot.drifted_at_ms
    before = Adwin.decoded(hot.drift)
    window, changed = before.extended(pending, delta=rules.delta, max_count=rules.window_size)
    return window.encoded(), (), hot.at_ms if changed else hot.drifted_at_ms


def _reason(finding: Finding) -> Reason:
    evidence = finding.evidence
    return Reason(
        source="threshold_based",
        code=f"{finding.code}:{finding.metric}",
        detail=evidence.detail,
        value=evidence.statistic,
        limit=evidence.threshold,
    )


_ALL_WELL = Opinion(reasons=(Reason(source="threshold_based", code="all_within_limits"),))
_NO_WATCH = Watch()
_NO_ALARM = Alarm()
_RANK = {Severity.LOW: 0, Severity.MEDIUM: 1, Severity.HIGH: 2, Severity.CRITICAL: 3}
