"""Routes that write: orders and insights become events on topics; 202, or 200 with the verdict when waited for.

Nothing is changed here: the engine judges every order as it judges any event, and the audit trail names its author.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Header, Query, Response
from msgspec.structs import replace

from ...engine.identity import derived_id
from ...model.command import (
    Approve,
    Cancel,
    Command,
    Instruction,
    Offer,
    Pause,
    Pin,
    Reject,
    Resume,
    Revert,
    SetAutonomy,
    Unpin,
    Withdraw,
)
from ...model.insight import Insight
from ..read_model import Unavailable
from . import bodies
from .access import Caller, Role
from .context import Asking, Context, Its, ScopePath, known_scope, needs, now_ms, order_time_ms, visible
from .problems import RESPONSES, Problem

router = APIRouter(tags=["orders"], responses=RESPONSES)
VERBS: dict[str, tuple[type, Role]] = {
    "approve": (Approve, Role.OPERATOR),
    "reject": (Reject, Role.OPERATOR),
    "cancel": (Cancel, Role.OPERATOR),
    "pause": (Pause, Role.OPERATOR),
    "resume": (Resume, Role.OPERATOR),
    "rollback": (Revert, Role.OPERATOR),
}
"""What can be ordered about a decision, and the least role for it."""
MAX_AHEAD_MS = 60_000
Key = Annotated[
    str | None,
    Header(max_length=200, description="the same order under the same key is taken once, for 24 hours"),
]
Wait = Annotated[float, Query(ge=0.0, le=30.0, description="seconds to wait for the engine's verdict")]


def _order(verb: str) -> Callable[..., Any]:
    kind, role = VERBS[verb]

    async def take(
        identifier: str,
        body: bodies.Order,
        its: Its,
        asking: Asking,
        response: Response,
        idempotency_key: Key = None,
        wait: Wait = 0.0,
    ) -> bodies.Taken:
        needs(asking, role)
        found = await asyncio.to_thread(visible, its, identifier, asking)
        said = [verb, identifier, body.model_dump(mode="json")]
        command_id, is_new = await _claimed(its, asking, idempotency_key, said)
        if is_new and body.expected_state is not None and body.expected_state != found["state"]:
            raise Problem(409, "state has changed", f"decision is {found['state']}, not {body.expected_state}")
        command = Command(
            id=command_id,
            scope=found["scope"],
            at_ms=await order_time_ms(its, found["scope"]),
            instruction=kind(decision_id=identifier),
            actor=asking.actor,
            reason=body.reason,
            expected_state=msgspec.UNSET if body.expected_state is None else body.expected_state,
        )
        return await _taken(its, command, wait, response)

    take.__doc__ = f"Order the engine to {verb} this decision; 202 when the broker has the order."
    return take


for _verb in VERBS:
    router.add_api_route(
        f"/decisions/{{identifier}}/{_verb}",
        _order(_verb),
        methods=["POST"] if _verb == "rollback" else ["PUT"],
        operation_id=f"{_verb}_decision",
        responses={202: {"model": bodies.Taken}},
    )


@router.post("/scopes/{scope:scope}/orders", operation_id="order_scope", responses={202: {"model": bodies.Taken}})
async def scope_order(
    scope: ScopePath,
    body: bodies.ScopeOrder,
    its: Its,
    asking: Asking,
    response: Response,
    idempotency_key: Key = None,
    wait: Wait = 0.0,
) -> bodies.Taken:
    """Pin, unpin, offer or withdraw prompt variants, or set the autonomy of a scope."""
    needs(asking, Role.ADMIN if body.action == "autonomy" else Role.OPERATOR)
    await known_scope(its, scope, asking)
    instruction = _instruction(body)
    command_id, _ = await _claimed(its, asking, idempotency_key, ["scope", scope, body.model_dump(mode="json")])
    command = Command(
        id=command_id,
        scope=scope,
        at_ms=await order_time_ms(its, scope),
        instruction=instruction,
        actor=asking.actor,
        reason=body.reason,
    )
    return await _taken(its, command, wait, response)


@router.post(
    "/decisions",
    operation_id="submit_insights",
    status_code=202,
    responses={200: {"model": bodies.Submissions}},
)
async def submit(
    body: bodies.Submission, its: Its, asking: Asking, response: Response, wait: Wait = 0.0
) -> bodies.Submissions:
    """Submit insights to decide on. Each goes to its scope's topic under its own id behind the submitter's name.

    An insight that was submitted before is recognised by that id and decided once. None is sent when one is not valid.
    """
    needs(asking, Role.ANALYST)
    insights = [_insight(content, place, asking) for place, content in enumerate(body.insights)]
    for scope in sorted({insight.scope for insight in insights}):
        _in_rate(its, scope)
    for insight in insights:
        await its.commands().send(insight)
    deadline = time.monotonic() + wait
    items = []
    for insight in insights:
        record = await _verdict(its, insight.id, max(0.0, deadline - time.monotonic())) if wait else None
        item = bodies.Submitted(insight_id=insight.id, scope=insight.scope)
        if record is not None:
            item.verdict, item.reasons = record["verdict"], record.get("reasons", [])
            item.decision_ids = [derived_id(output, "decision") for output in record.get("outputs", [])]
        items.append(item)
    if all(item.verdict is not None for item in items):
        response.status_code = 200
    return bodies.Submissions(items=items)


async def _claimed(its: Context, asking: Caller, key: str | None, said: list[Any]) -> tuple[str, bool]:
    """The id of an order, and whether it is new: the same key of the same caller gives the same id for a day.

    Raises a problem for a key that was used for something else.
    """
    if key is None:
        return str(uuid4()), True
    command_id = derived_id("api", asking.actor, key)
    meant, once = derived_id(json.dumps(said, sort_keys=True)), str(uuid4())
    name = f"{asking.actor}/{key}"
    found, _, first = (await asyncio.to_thread(its.model.claim, name, f"{meant} {once}", time.time())).partition(" ")
    if found != meant:
        raise Problem(422, "key is used", "this Idempotency-Key was used for another order; use a new one")
    return command_id, first == once


async def _taken(its: Context, command: Command, wait: float, response: Response) -> bodies.Taken:
    _in_rate(its, command.scope)
    await its.commands().send(command)
    record = await _verdict(its, command.id, wait) if wait else None
    if record is None:
        response.status_code = 202
        return bodies.Taken(command_id=command.id)
    if record["verdict"] == "refused":
        codes = "; ".join(f"{it['code']}: {it.get('detail', '')}" for it in record.get("reasons", []))
        raise Problem(409, "refused by the engine", codes)
    return bodies.Taken(command_id=command.id, verdict=record["verdict"], reasons=record.get("reasons", []))


async def _verdict(its: Context, identifier: str, wait: float) -> dict[str, Any] | None:
    try:
        return await its.commands().verdict(identifier, wait)
    except Unavailable:
        # The broker has the order; only the looking failed.
        return None


def _in_rate(its: Context, scope: str) -> None:
    wait_s = its.orders.wait_s(scope)
    if wait_s > 0.0:
        told = f"at most {its.settings.max_orders_per_s:g} per second and scope"
        raise Problem(429, "too many orders", told, retry_s=int(wait_s) + 1)


def _insight(content: dict[str, Any], place: int, asking: Caller) -> Insight:
    try:
        found = msgspec.convert(content, Insight)
        found = replace(found, id=f"{asking.actor}/{found.id}", traceparent=msgspec.UNSET)
        found = msgspec.convert(msgspec.to_builtins(found), Insight)
    except msgspec.ValidationError as fault:
        raise Problem(422, "insight is not valid", f"insights.{place}: {fault}") from None
    if not asking.may_see(found.scope):
        raise Problem(404, "unknown scope", "nothing is known of this scope")
    if found.at_ms > now_ms() + MAX_AHEAD_MS:
        raise Problem(422, "insight is not valid", f"insights.{place}: at_ms lies in the future")
    return found


def _instruction(body: bodies.ScopeOrder) -> Instruction:
    match body:
        case bodies.PinOrder():
            return Pin() if body.action == "pin" else Unpin()
        case bodies.PromptOrder():
            kind = Offer if body.action == "offer" else Withdraw
            return kind(variants=tuple(body.variants))
        case bodies.AutonomyOrder():
            return SetAutonomy(level=body.level)
