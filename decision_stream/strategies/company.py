"""Was quality lost by the model in use, or by all alike? The other models that the analyzer tells of are the control.

Harder requests and a stricter judge cost every model its points; undoing a change of ours would bring nothing back. A
grave loss is answered at once. One that is not waits for the next reports of the others, and then for what they say
(stats/common_shift.py); so does a loss that came with another cost per request, for then the requests have changed. A
loss that all share is excused: the alarm goes on from the lower quality, for as long as it lasts.
"""

from enum import Enum
from math import log, sqrt

from msgspec.structs import replace

from ..model.insight import Insight
from ..model.policy import Policy
from ..model.state import Alarm, Company, HotState
from ..stats.common_shift import log_ratio
from ..stats.shiryaev_roberts import level
from .degradation import Observation
from .limits import COST, QUALITY

SURE = log(20.0)
"""Log likelihood ratio of a verdict: 20 to 1."""
LIKELY = log(3.0)
"""What is enough when the wait is over: 3 to 1 for a shared loss, else it is taken for the model's own."""
LEAST_REPORTS = 6
"""Reports from which it is known how much the others move by chance."""
MEMORY = 24
"""Reports that are remembered of it: a day of hourly ones."""
DRIFT_RATE = 0.3
"""Weight of the newest movement in what the others are expected to move by."""
STEADY = 1.1
"""A mean whose values became more by this factor in one report is still being made; its movements tell nothing."""
OTHER_WORK = log(1.15)
"""A cost per request that is so far from the usual one, in logarithms, is that of other requests or other answers."""
EXCUSED = 0.01
"""Points of quality from which an excused loss makes a comparison unfair."""
_LARGEST = 2.5
_SURE_SCORE = 1.645
_NOBODY = Company()


class Cause(Enum):
    """Whose loss it is."""

    OWN = "own"
    SHARED = "shared"
    OPEN = "open"


def heard(company: Company | None, insight: Insight) -> Company | None:
    """With what this window tells of the other models; None where it never told of any."""
    others = [it for it in insight.candidates if it.samples and _is_other(it.model, insight)]
    if not others:
        return company
    before = company or _NOBODY
    average = sum(it.quality for it in others) / len(others)
    size = float(sum(it.samples for it in others))
    told = replace(before, others=len(others), average=average, size=size)
    if before.others != len(others) or not before.size:
        return told
    surprise = average - before.average - before.drift
    if before.windows:
        return replace(told, moved=before.moved + surprise, since=before.since + 1)
    if size > STEADY * before.size or size < before.size / STEADY:
        return told
    reports = min(before.reports + 1, MEMORY)
    if reports > LEAST_REPORTS:
        # What befell all of them once is no measure of chance.
        surprise = min(max(surprise, -_LARGEST * sqrt(before.square)), _LARGEST * sqrt(before.square))
    return replace(
        told,
        reports=reports,
        drift=before.drift + DRIFT_RATE * surprise,
        square=before.square + (surprise * surprise - before.square) / reports,
    )


def followed(
    company: Company | None, alarms: dict[str, Alarm], seen: Observation | None, insight: Insight
) -> Company | None:
    """With how far quality lies below its baseline since its alarm began to rise, or forgotten when it fell again."""
    if company is None:
        return None
    alarm = alarms[QUALITY]
    if level(alarm.statistics) < 1.0:
        if not company.windows:
            return company
        return replace(company, moved=0.0, since=0, windows=0, lost=0.0, is_other_work=False)
    if seen is None:
        return company
    # What requests cost now may be the usual price before the loss is understood.
    is_other_work = company.is_other_work or _is_other_work(alarms.get(COST), insight)
    lost = company.lost + seen.value - alarm.baseline.mean - company.excused
    return replace(company, windows=company.windows + 1, lost=lost, is_other_work=is_other_work)


def cause(alarms: dict[str, Alarm], company: Company | None, insight: Insight, policy: Policy) -> tuple[Cause, float]:
    """Whose loss the alarm of quality hears, and the log likelihood ratio for a shared one."""
    alarm, rules = alarms[QUALITY], policy.threshold_based.degradation
    is_other_work = _is_other_work(alarms.get(COST), insight) if company is None else company.is_other_work
    is_known = company is not None and company.reports >= LEAST_REPORTS and company.square > 0.0
    if not is_known and not is_other_work:
        return Cause.OWN, 0.0
    if company is not None and company.windows and not is_other_work and _is_grave(alarm, company, insight, policy):
        return Cause.OWN, 0.0
    ratio = 0.0
    if company is not None and is_known and company.windows:
        lost = company.lost / company.windows
        variance = max(insight.quality.stddev, 1e-3) ** 2
        ratio = log_ratio(company.moved, company.since, company.square, company.size, variance, -max(lost, 0.0))
    if abs(ratio) >= SURE:
        return (Cause.SHARED if ratio > 0.0 else Cause.OWN), ratio
    waited_ms = alarm.firing_windows * insight.window_ms
    if is_known and waited_ms < rules.company_wait_ms:
        return Cause.OPEN, ratio
    return (Cause.SHARED if is_other_work or ratio > LIKELY else Cause.OWN), ratio


def excused(company: Company | None, ratio: float, lost: float, at_ms: int) -> Company:
    """With this further loss held against nobody."""
    before = company or _NOBODY
    return replace(
        before,
        excused=before.excused + max(0.0, lost),
        excused_at_ms=at_ms,
        ratio=ratio,
        moved=0.0,
        since=0,
        windows=0,
        lost=0.0,
        is_other_work=False,
    )


def repaid(company: Company | None, alarm: Alarm, seen: Observation) -> Company | None:
    """With no more excused than is still lost, give or take the spread of two windows."""
    if company is None or not company.excused:
        return company
    spread = max(seen.deviation, sqrt(alarm.baseline.variance) if alarm.baseline.count > 1 else 0.0)
    still = max(0.0, seen.value - alarm.baseline.mean + 2.0 * spread)
    return company if still >= company.excused else replace(company, excused=still)


def is_comparable(hot: HotState, insight: Insight, policy: Policy) -> bool:
    """Whether what is known of other models may be held against what is measured of the one in use.

    Not while a loss of quality is excused, nor until it is known whose it is: the others are known from longer ago.
    """
    company, alarm = hot.company, hot.alarms.get(QUALITY)
    if company is not None and company.excused >= EXCUSED:
        return False
    is_firing = alarm is not None and alarm.firing_windows > 0
    return not is_firing or cause(hot.alarms, company, insight, policy)[0] is not Cause.OPEN


def parted(company: Company | None, *, is_same: bool) -> Company | None:
    """After a change of the configuration: others are beside it now, how they move by chance is still known."""
    if company is None:
        return None
    kept = Company(reports=company.reports, square=company.square, drift=company.drift if is_same else 0.0)
    if not is_same:
        return kept
    return replace(kept, others=company.others, average=company.average, size=company.size, excused=company.excused)


def _is_grave(alarm: Alarm, company: Company, insight: Insight, policy: Policy) -> bool:
    """Whether more is surely lost than any change may cost, and what is tolerated on top."""
    usual = 1.0 - alarm.baseline.mean
    tolerated = policy.safety.max_quality_degradation + policy.threshold_based.degradation.min_quality_drop
    deviation = max(insight.quality.stddev / sqrt(max(insight.quality.samples, 1)), sqrt(alarm.baseline.variance))
    surely = company.lost / company.windows - _SURE_SCORE * deviation / sqrt(company.windows)
    return surely > tolerated * usual


def _is_other_work(alarm: Alarm | None, insight: Insight) -> bool:
    if alarm is None or alarm.baseline.count < 3 or insight.cost.per_request_usd <= 0.0:
        return False
    return abs(log(insight.cost.per_request_usd) - alarm.baseline.mean) > OTHER_WORK


def _is_other(model: str, insight: Insight) -> bool:
    return insight.configuration is None or insight.configuration.model != model
