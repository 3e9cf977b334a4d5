"""Risk of a change: how many requests it touches, how bad it could be, how well it can be undone, how new it is."""

from fnmatch import fnmatchcase

from msgspec.structs import replace

from ..model.configuration import Configuration
from ..model.decision import ImpactEstimate, PredictedImpact, Risk, RiskLevel
from ..model.policy import SafetyPolicy
from ..model.state import ColdState

LEVELS = ((0.35, RiskLevel.LOW), (0.65, RiskLevel.MEDIUM), (0.9, RiskLevel.HIGH))
"""Upper ends of the levels; above the last it is critical."""

SENSITIVE_SCORE = 0.7
"""Least score of a change on a sensitive scope: high, whatever the numbers say."""

SAFETY_RISK = Risk(level=RiskLevel.LOW, score=0.0, exposure=1.0, worst_case=0.0, reversibility=0.0, novelty=0.0)
"""Going back to a configuration known to be good, or to the fallback, is the least risky thing to do."""


def assess(
    impact: PredictedImpact, target: Configuration, cold: ColdState, safety: SafetyPolicy, exposure: float, undo: float
) -> Risk:
    """Score = worst case weighted by exposure, plus shares for irreversibility and novelty.

    `exposure` is the share of traffic touched before the first guard speaks; `undo` is 0 for what one order undoes
    and 1 for what cannot be undone. The worst case is the interval bound of each predicted change against what the
    constraints allow: 0.5 at the limit, 1 at twice the limit or when nothing is predicted.
    """
    worst = max(
        _badness(impact.quality, safety.max_quality_degradation, -1.0),
        _badness(impact.cost, safety.max_cost_increase, 1.0),
        _badness(impact.latency, safety.max_latency_increase, 1.0),
    )
    known = any(version.configuration.id == target.id for version in cold.history)
    novelty = 0.0 if known else 1.0
    score = min(1.0, worst * (0.4 + 0.4 * exposure) + 0.1 * undo + 0.1 * novelty)
    return Risk(
        level=_level(score), score=score, exposure=exposure, worst_case=worst, reversibility=1.0 - undo, novelty=novelty
    )


def is_sensitive(scope: str, safety: SafetyPolicy) -> bool:
    """Whether the policy names this scope, itself or by a pattern, as one to be careful with.

    >>> is_sensitive("bank/payments/refund", SafetyPolicy(sensitive_scopes=("bank/payments/*",)))
    True
    """
    return any(fnmatchcase(scope, pattern) for pattern in safety.sensitive_scopes)


def on_sensitive_scope(risk: Risk) -> Risk:
    """The same risk, raised to high where it was lower."""
    if risk.score >= SENSITIVE_SCORE:
        return risk
    return replace(risk, level=_level(SENSITIVE_SCORE), score=SENSITIVE_SCORE)


def _level(score: float) -> RiskLevel:
    return next((level for limit, level in LEVELS if score <= limit), RiskLevel.CRITICAL)


def _badness(estimate: ImpactEstimate | None, allowed: float, sign: float) -> float:
    if estimate is None:
        return 1.0
    bounds = (estimate.interval.low, estimate.interval.high) if estimate.interval else (estimate.delta, estimate.delta)
    harm = max(sign * bound for bound in bounds)
    if harm <= 0.0:
        return 0.0
    return min(1.0, harm / (2.0 * allowed)) if allowed > 0.0 else 1.0
