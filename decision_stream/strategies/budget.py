"""Money of a scope: what was spent, and what will be by the time the budget starts anew (seed §9).

The analyzer tells spending and limit; between its reports spending goes on at the measured rate, and a budget whose
reset has passed starts again from nothing for another day.
"""

from msgspec.structs import replace

from ..model.insight import Insight
from ..model.policy import DAY_MS
from ..model.state import Purse

RATE_MEMORY = 0.1
"""Weight of the newest window in the rate of spending."""
CLEARED_SHARE = 0.95
"""A projection that was over the limit is under it again below this share of it: no flapping at the edge."""


def observed(purse: Purse | None, insight: Insight, at_ms: int) -> Purse | None:
    """The purse after a window; None for a scope whose budget was never told."""
    told = insight.budget
    if told is None and purse is None:
        return None
    now_per_ms = insight.cost.per_request_usd * insight.performance.requests / insight.window_ms
    rate = now_per_ms if purse is None else purse.usd_per_ms + RATE_MEMORY * (now_per_ms - purse.usd_per_ms)
    if told is not None:
        purse = Purse(
            limit_usd=told.daily_limit_usd,
            spent_usd=told.spent_usd,
            told_at_ms=at_ms,
            resets_at_ms=told.resets_at_ms,
            per_request_limit_usd=told.per_request_limit_usd,
            usd_per_ms=rate,
            is_over=purse is not None and purse.is_over,
        )
    else:
        assert purse is not None
        purse = replace(purse, usd_per_ms=rate)
    purse = _restarted(purse, at_ms)
    edge = purse.limit_usd * (CLEARED_SHARE if purse.is_over else 1.0)
    return replace(purse, is_over=projected_usd(purse) > edge)


def projected_usd(purse: Purse) -> float:
    """Spending by the reset if it goes on as it does.

    >>> projected_usd(Purse(limit_usd=10.0, spent_usd=4.0, told_at_ms=0, resets_at_ms=100, usd_per_ms=0.05))
    9.0
    """
    return purse.spent_usd + purse.usd_per_ms * max(0, purse.resets_at_ms - purse.told_at_ms)


def remaining_ms(purse: Purse, at_ms: int) -> int:
    """Time until the budget starts anew."""
    return max(0, purse.resets_at_ms - at_ms)


def _restarted(purse: Purse, at_ms: int) -> Purse:
    if at_ms < purse.resets_at_ms:
        return purse
    days = (at_ms - purse.resets_at_ms) // DAY_MS + 1
    begun_ms = purse.resets_at_ms + (days - 1) * DAY_MS
    return replace(purse, spent_usd=0.0, told_at_ms=begun_ms, resets_at_ms=begun_ms + DAY_MS, is_over=False)
