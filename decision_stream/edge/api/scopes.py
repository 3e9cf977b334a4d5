"""Routes that tell of scopes: configuration and its history, breaker, budget, frontier, audit trail."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ...stream.record import StoredScope
from ..read_model.documents import BUDGET
from ..views import breaker_view, configuration_view, frontier_view, scope_view
from . import bodies
from .access import Caller
from .context import Asking, Context, Its, Limit, ScopePath
from .problems import RESPONSES, Problem
from .stored import saved_by, stored_of

router = APIRouter(tags=["scopes"], responses=RESPONSES)


@router.get("/scopes", operation_id="list_scopes")
def scopes(
    its: Its, asking: Asking, limit: Limit = 50, cursor: Annotated[str, Query(max_length=200)] = ""
) -> bodies.ScopePage:
    """Scopes by name, with their breaker, autonomy, pin and running experiment."""
    limit = min(limit, its.settings.max_page)
    rows = its.model.scopes(asking.tenants, cursor, limit + 1)
    page = rows[:limit]
    items = [bodies.ScopeRow(**row, **_summary(its, row["scope"])) for row in page]
    return bodies.ScopePage(items=items, next=page[-1]["scope"] if len(rows) > limit else None)


@router.get("/scopes/{scope:scope}/configurations", operation_id="get_configurations")
def configurations(scope: ScopePath, its: Its, asking: Asking) -> bodies.ConfigurationBody:
    """The configuration in use, since when, and those before it, newest first."""
    return bodies.ConfigurationBody(**configuration_view(_stored(its, scope, asking).state.cold))


@router.get("/scopes/{scope:scope}/breaker", operation_id="get_breaker")
def breaker(scope: ScopePath, its: Its, asking: Asking) -> bodies.BreakerBody:
    """Whether optimisation of the scope is paused, until when, and whether its route is."""
    return bodies.BreakerBody(**breaker_view(_stored(its, scope, asking).state.cold))


@router.get("/scopes/{scope:scope}/budget", operation_id="get_budget")
def budget(scope: ScopePath, its: Its, asking: Asking) -> bodies.BudgetBody:
    """The budget of the day and what is spent of it, as the newest insight told."""
    _stored(its, scope, asking)
    body = its.model.document(BUDGET, scope)
    return bodies.BudgetBody(**(json.loads(body) if body else {"scope": scope}))


@router.get("/scopes/{scope:scope}/frontier", operation_id="get_frontier")
def frontier(scope: ScopePath, its: Its, asking: Asking) -> bodies.FrontierBody:
    """Quality, cost and latency of each model that is known on the scope, and which are on the front."""
    return bodies.FrontierBody(**frontier_view(_stored(its, scope, asking), its.policy))


@router.get("/scopes/{scope:scope}/audit", operation_id="get_audit")
def audit(
    scope: ScopePath,
    its: Its,
    asking: Asking,
    limit: Limit = 50,
    before: Annotated[int | None, Query(ge=1, le=2**62, description="sequence number")] = None,
) -> bodies.AuditPage:
    """Journal records of a scope, newest first, below the sequence number `before`."""
    limit = min(limit, its.settings.max_page)
    rows = its.model.audit(scope, before, limit + 1) if asking.may_see(scope) else []
    if not rows and before is None:
        raise Problem(404, "unknown scope", "nothing is known of this scope")
    return bodies.AuditPage(items=rows[:limit], next=rows[limit - 1]["sequence"] if len(rows) > limit else None)


@router.get("/scopes/{scope:scope}", operation_id="get_scope")
def one_scope(scope: ScopePath, its: Its, asking: Asking) -> bodies.ScopeBody:
    """All of a scope: configuration and history, experiment, ramps, breaker, counters, tombstones, trials."""
    stored = _stored(its, scope, asking)
    return bodies.ScopeBody.model_validate({**scope_view(stored, its.policy), "saved": saved_by(stored)})


def _stored(its: Context, scope: str, asking: Caller) -> StoredScope:
    found = stored_of(its, scope) if asking.may_see(scope) else None
    if found is None:
        raise Problem(404, "unknown scope", "nothing is known of this scope")
    return found


def _summary(its: Context, scope: str) -> dict[str, Any]:
    stored = stored_of(its, scope)
    if stored is None:
        return {}
    cold = stored.state.cold
    return {
        "model": cold.configuration.model if cold.configuration else None,
        "breaker": cold.breaker.state.value,
        "autonomy": (cold.autonomy or its.policy.safety.autonomy).value,
        "pinned_by": cold.pinned_by,
        "experiment_id": cold.experiment.decision_id if cold.experiment else None,
        "live_decisions": len(cold.live),
    }
