"""Routes that tell of decisions: lists, one with its whole why, what waits for a person, experiments."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query

from ..read_model import Filter
from ..read_model.documents import COURSE
from . import bodies
from .context import Asking, Context, Cursor, Its, Limit, decoded, encoded, visible
from .problems import RESPONSES, Problem
from .stored import with_record

router = APIRouter(tags=["decisions"], responses=RESPONSES)
Scope = Annotated[str | None, Query(max_length=200)]
Word = Annotated[str | None, Query(max_length=40)]
START, CONCLUDE = "start_experiment", "conclude_experiment"
RUNNING = frozenset({"executing", "monitoring", "paused"})


@router.get("/decisions", operation_id="list_decisions")
def decisions(
    its: Its,
    asking: Asking,
    scope: Scope = None,
    state: Word = None,
    kind: Word = None,
    strategy: Word = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> bodies.DecisionPage:
    """Decisions, newest first, by scope, state, kind and strategy."""
    wanted = Filter(
        tenants=asking.tenants, scope=scope, state=state, kind=kind, strategy=strategy, before=decoded(cursor)
    )
    rows, next_ = _page(its, wanted, limit)
    return bodies.DecisionPage(items=[bodies.DecisionRow(**row) for row in rows], next=next_)


@router.get("/approvals", operation_id="list_approvals")
def approvals(
    its: Its, asking: Asking, scope: Scope = None, limit: Limit = 50, cursor: Cursor = None
) -> bodies.DecisionBodies:
    """What waits for a person, newest first, whole."""
    wanted = Filter(tenants=asking.tenants, scope=scope, state="awaiting_approval", before=decoded(cursor))
    rows, next_ = _page(its, wanted, limit)
    found = [body for row in rows if (body := its.model.decision(row["id"])) is not None]
    return bodies.DecisionBodies(items=[bodies.DecisionBody(**with_record(its, body)) for body in found], next=next_)


@router.get("/decisions/{identifier}", operation_id="get_decision")
def decision(identifier: str, its: Its, asking: Asking) -> bodies.DecisionBody:
    """A decision with its proposal, evidence, checks, transitions and orders."""
    return bodies.DecisionBody(**with_record(its, visible(its, identifier, asking)))


@router.get("/decisions/{identifier}/explain", operation_id="explain_decision")
def explain(identifier: str, its: Its, asking: Asking) -> bodies.Explanation:
    """Why: the claim, its evidence, what was considered, what each check found, what would have flipped it."""
    found = with_record(its, visible(its, identifier, asking))
    body = found["decision"] or found["proposal"] or {}
    return bodies.Explanation(
        id=identifier,
        state=found["state"],
        claim=body.get("decision"),
        changes=body.get("changes"),
        predicted_impact=body.get("impact"),
        confidence=body.get("confidence"),
        risk=body.get("risk"),
        evidence=body.get("evidence", []),
        checks=body.get("checks", []),
        considered=body.get("alternatives", []),
        would_flip=body.get("would_flip", ""),
        history=found["transitions"],
    )


@router.get("/decisions/{identifier}/course", operation_id="get_course")
def course(identifier: str, its: Its, asking: Asking) -> bodies.Course:
    """How the weight and the guards of a ramp, or the intervals of an experiment, moved; 404 where nothing was."""
    visible(its, identifier, asking)
    found = _course(its, identifier)
    if found is None:
        raise Problem(404, "no course", "nothing was measured of this decision, or it is too old to be kept")
    return bodies.Course(**found)


@router.get("/experiments", operation_id="list_experiments")
def experiments(
    its: Its,
    asking: Asking,
    scope: Scope = None,
    running: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> bodies.ExperimentPage:
    """Experiments, newest first. With `running`, a page may hold fewer rows than its limit."""
    wanted = Filter(tenants=asking.tenants, scope=scope, kind=START, before=decoded(cursor))
    rows, next_ = _page(its, wanted, limit)
    found = [_experiment(its, row) for row in rows]
    kept = [row for row in found if running is None or row["running"] == running]
    return bodies.ExperimentPage(items=[bodies.ExperimentRow(**row) for row in kept], next=next_)


@router.get("/experiments/{identifier}", operation_id="get_experiment")
def experiment(identifier: str, its: Its, asking: Asking) -> bodies.ExperimentBody:
    """An experiment by the id of the decision that began it."""
    found = visible(its, identifier, asking)
    if found["kind"] != START:
        raise Problem(404, "unknown experiment", f"decision {identifier[:80]} began no experiment")
    row = _experiment(its, found)
    conclusion = None
    for other in its.model.decisions(Filter(scope=found["scope"], kind=CONCLUDE), 200):
        body = its.model.decision(other["id"])
        claim = ((body or {}).get("decision") or (body or {}).get("proposal") or {}).get("decision") or {}
        if claim.get("experiment_id") == row["experiment_id"]:
            conclusion = bodies.DecisionBody(**(body or {}))
            break
    return bodies.ExperimentBody(
        **{name: row[name] for name in bodies.ExperimentRow.model_fields},
        decision=found["decision"] or found["proposal"],
        transitions=found["transitions"],
        conclusion=conclusion,
    )


def _page(its: Context, wanted: Filter, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    limit = min(limit, its.settings.max_page)
    rows = its.model.decisions(wanted, limit + 1)
    page = rows[:limit]
    return page, encoded(page[-1]["at_ms"], page[-1]["id"]) if len(rows) > limit else None


def _course(its: Context, identifier: str) -> dict[str, Any] | None:
    body = its.model.document(COURSE, identifier)
    return None if body is None else json.loads(body)


def _experiment(its: Context, row: dict[str, Any]) -> dict[str, Any]:
    """A row with what was measured. Without a course the id of the experiment is in its decision."""
    course = _course(its, row["id"])
    named = course
    if named is None:
        found = its.model.decision(row["id"]) or {}
        named = (found.get("decision") or found.get("proposal") or {}).get("decision") or {}
    return {
        **row,
        "running": row["state"] in RUNNING,
        "experiment_id": named.get("experiment_id"),
        "course": course,
    }
