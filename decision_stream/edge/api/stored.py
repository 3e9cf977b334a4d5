"""What the API reads out of stored scopes: their state, a waiting decision's own record, the money saved."""

import json
import time
from math import sqrt
from typing import Any

from msgspec import to_builtins

from ...engine.ledger import LEVEL, moments_saved
from ...stats.normal import quantile
from ...stream.record import StoredScope, UnreadableState
from ..read_model.documents import COLD, COUNTERS, HOT, stored_scope
from .access import Caller
from .context import Context, now_ms

SAVED_S = 10.0
"""The money saved on all scopes is added up at most this often: every scope that saves must be read for it."""
MAX_SCOPES = 1_000_000


def stored_of(its: Context, scope: str) -> StoredScope | None:
    """The newest stored state; None while it is not known, or only one of its two records has arrived."""
    hot, cold = its.model.document(HOT, scope), its.model.document(COLD, scope)
    if hot is None:
        return None
    try:
        return stored_scope(scope, hot, cold)
    except UnreadableState:
        return None


def with_record(its: Context, found: dict[str, Any]) -> dict[str, Any]:
    """A decision that is not over, with its record and its deadline out of the scope's state.

    Until it is ordered, its record is on no topic; what it risks and what was checked is there nevertheless.
    """
    if found["state"] in _OVER:
        return found
    stored = stored_of(its, found["scope"])
    live = [] if stored is None else [it for it in stored.state.cold.live if it.decision.id == found["id"]]
    if stored is None or not live:
        return found
    record = found["decision"] or to_builtins(live[0].decision)
    deadline_ms = live[0].deadline_ms
    at_ms = now_ms() if its.settings.clock == "wall" else stored.state.hot.at_ms
    return {**found, "decision": record, "deadline_ms": deadline_ms, "remaining_ms": max(0, deadline_ms - at_ms)}


def saved_by(stored: StoredScope) -> dict[str, float] | None:
    """US dollars saved on a scope, with their interval; None without an adopted change that was measured."""
    return _told(*moments_saved(stored.state)) if stored.state.cold.savings else None


def saved_by_all(its: Context, asking: Caller) -> dict[str, float] | None:
    """US dollars saved on the caller's scopes together; scopes are measured apart, so that their variances add up."""
    key, now = ("saved", asking.tenants), time.monotonic()
    known = its.counted.get(key)
    if known is not None and now < known[0] + SAVED_S:
        return known[1]  # type: ignore[no-any-return]
    rows = its.model.documents(COUNTERS, asking.tenants, None, MAX_SCOPES)
    scopes = [scope for _, scope, body in rows if json.loads(body)["savings"]]
    found = [moments_saved(stored.state) for scope in scopes if (stored := stored_of(its, scope)) is not None]
    told = _told(sum(usd for usd, _ in found), sum(variance for _, variance in found)) if found else None
    its.counted[key] = (now, told)
    return told


def _told(usd: float, variance: float) -> dict[str, float]:
    margin = quantile(0.5 + LEVEL / 2.0) * sqrt(variance)
    return {"estimate_usd": usd, "low_usd": usd - margin, "high_usd": usd + margin, "level": LEVEL}


_OVER = frozenset({"rejected", "expired", "cancelled", "superseded", "completed", "failed", "rolled_back"})
