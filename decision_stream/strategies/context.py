"""What a bandit sees of a scope before it chooses: time, steadiness, money, load, and what is asked (seed §4.2).

The seed listed 12 features for 16 places, two of them its own predictions, time as a line that jumps at midnight, and
no intercept. Here time goes round, everything is known before the requests are served, and the places left belong to
the segments of the insight that the policy names. Nothing is padded: a column of zeros only costs.
"""

from __future__ import annotations

from functools import lru_cache
from math import cos, log, log10, pi, sin
from struct import Struct

from ..model.insight import Budget, Insight
from ..model.policy import DAY_MS, ReinforcementPolicy
from ..model.state import HotState

TIME = ("intercept", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
MEASURED = ("instability", "budget_used", "load", "error_rate", "latency", "quality", "cost")
_NO_BUDGET = 0.0


def names(rules: ReinforcementPolicy) -> tuple[str, ...]:
    """The features in their order, at most `context_dimension`.

    >>> names(ReinforcementPolicy(context_dimension=3))
    ('intercept', 'hour_sin', 'hour_cos')
    """
    return _names(rules.context_dimension, rules.segments)


@lru_cache(maxsize=64)
def _names(dimension: int, segments: tuple[str, ...]) -> tuple[str, ...]:
    return (*TIME, *MEASURED, *(f"segment:{name}" for name in segments))[:dimension]


def packed(hot: HotState, insight: Insight, rules: ReinforcementPolicy) -> bytes:
    """The measured features of a window, each about -1 to 1, the pace of spending, and the shares of the segments.

    `load` compares the window's requests with the usual number, `latency` and `cost` are decimal logarithms against
    the policy's largest. Kept in single precision: they go with every insight.
    """
    live, performance, quality, budget = hot.live, insight.performance, insight.quality, insight.budget
    usual = live.requests / live.weight if live.weight else 0.0
    used, pace = _NO_BUDGET, _NO_BUDGET
    if budget is not None:
        used, pace = min(2.0, budget.spent_usd / budget.daily_limit_usd), _pace(insight, budget)
    latency_ms, cost_usd, errors = performance.latency_p95_ms, insight.cost.per_request_usd, performance.error_rate
    return _layout(len(MEASURED) + 1 + len(rules.segments)).pack(
        1.0 - insight.stability,
        used,
        _within(log((performance.requests + 1.0) / (usual + 1.0))) if usual else 0.0,
        10.0 * errors if errors < 0.1 else 1.0,
        _within(log10((latency_ms if latency_ms > 1.0 else 1.0) / rules.max_latency_ms)),
        (quality.score if quality.samples else live.quality) - 0.5,
        _within(log10((cost_usd if cost_usd > 1e-9 else 1e-9) / rules.max_cost_usd)),
        pace,
        *[insight.segments.get(name, 0.0) for name in rules.segments],
    )


def context_at(hot: HotState, at_ms: int, rules: ReinforcementPolicy) -> tuple[float, ...] | None:
    """The context of this moment in the order of `names`; None before an insight was seen under these rules."""
    values = _unpacked(hot, rules)
    if values is None:
        return None
    day, week = 2.0 * pi * at_ms / DAY_MS, 2.0 * pi * at_ms / (7 * DAY_MS)
    time = (1.0, sin(day), cos(day), sin(week), cos(week))
    measured, segments = values[: len(MEASURED)], values[len(MEASURED) + 1 :]
    return (*time, *measured, *segments)[: len(names(rules))]


def pace_of(hot: HotState, rules: ReinforcementPolicy) -> float | None:
    """Spending as it goes over what the day's budget allows: 2 is twice too fast; None without a budget."""
    values = _unpacked(hot, rules)
    return values[len(MEASURED)] or None if values else None


def _unpacked(hot: HotState, rules: ReinforcementPolicy) -> tuple[float, ...] | None:
    layout = _layout(len(MEASURED) + 1 + len(rules.segments))
    return layout.unpack(hot.context) if len(hot.context) == layout.size else None


@lru_cache(maxsize=64)
def _layout(count: int) -> Struct:
    return Struct(f"<{count}f")


def _pace(insight: Insight, budget: Budget) -> float:
    """Money that the rest of the day will cost at this rate, over what is left of the budget."""
    windows = max(1.0, (budget.resets_at_ms - insight.at_ms) / insight.window_ms)
    needed = insight.cost.per_request_usd * insight.performance.requests * windows
    left = max(budget.daily_limit_usd - budget.spent_usd, 1e-6 * budget.daily_limit_usd)
    return min(10.0, max(1e-3, needed / left))


def _within(value: float) -> float:
    return -1.0 if value < -1.0 else value if value < 1.0 else 1.0
