"""The routes: seed, appendix B, with what it lacked (scopes, audit, explanations, idempotency, RFC 9457 problems)."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from ... import ENGINE_VERSION
from ...model.command import (
    Approve,
    Autonomy,
    Cancel,
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
from ...model.policy import Policy
from ...strategies.registry import STRATEGIES
from ..api_settings import ApiSettings
from ..read_model import Filter, ReadModel, Unavailable
from .access import Caller, Role, caller_of
from .commands import Commands
from .dashboard import add_dashboard, foreign_origin

PROBLEM = "application/problem+json"
PREFIX = "/api/v1"
VERBS: dict[str, tuple[type, Role]] = {
    "approve": (Approve, Role.ANALYST),
    "reject": (Reject, Role.ANALYST),
    "cancel": (Cancel, Role.OPERATOR),
    "pause": (Pause, Role.OPERATOR),
    "resume": (Resume, Role.OPERATOR),
    "rollback": (Revert, Role.OPERATOR),
}
"""What can be ordered about a decision, and the least role for it."""


class Problem(Exception):
    """An expected failure, answered as problem+json."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


class Order(BaseModel):
    """The body of an order about a decision: why, and the state that the caller saw."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, Field(max_length=1000)] = ""
    expected_state: Annotated[str, Field(max_length=40)] | None = None


class ScopeOrder(BaseModel):
    """The body of an order about a scope."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["pin", "unpin", "offer", "withdraw", "autonomy"]
    variants: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(max_length=20)] = []
    level: Autonomy | None = None
    reason: Annotated[str, Field(max_length=1000)] = ""


class Taken(BaseModel):
    """An order that the broker has. `verdict` and `reasons` are told when it was waited for and applied."""

    command_id: str
    verdict: str | None = None
    reasons: list[dict[str, Any]] = []


def create_app(
    model: ReadModel, settings: ApiSettings, commands: Callable[[], Commands], caught_up: Callable[[], bool]
) -> FastAPI:
    """The application; `commands` is called when an order is to be sent."""
    app = FastAPI(title="decision_stream", version=ENGINE_VERSION, docs_url=None, redoc_url=None)
    _handle_problems(app)
    app.middleware("http")(_guarded(settings))

    def caller(authorization: Annotated[str | None, Header()] = None) -> Caller:
        found = caller_of(authorization, settings)
        if found is None:
            raise Problem(401, "no valid token", "send `Authorization: Bearer <token>`")
        return found

    Asking = Annotated[Caller, Depends(caller)]
    Limit = Annotated[int, Query(ge=1, le=settings.max_page)]
    Key = Annotated[str | None, Header(max_length=200)]
    Wait = Annotated[float, Query(ge=0.0, le=30.0, description="seconds to wait for the engine's verdict")]
    router = APIRouter(prefix=PREFIX)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the read model has caught up; needs no token."""
        return {"status": "ready" if caught_up() else "catching up", "version": ENGINE_VERSION}

    @router.get("/decisions")
    def decisions(
        asking: Asking,
        scope: Annotated[str | None, Query(max_length=600)] = None,
        state: Annotated[str | None, Query(max_length=40)] = None,
        kind: Annotated[str | None, Query(max_length=40)] = None,
        strategy: Annotated[str | None, Query(max_length=40)] = None,
        limit: Limit = 50,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> dict[str, Any]:
        """Decisions, newest first; `next` is the cursor of the following page, absent on the last."""
        wanted = Filter(
            tenants=asking.tenants, scope=scope, state=state, kind=kind, strategy=strategy, before=_decoded(cursor)
        )
        rows = model.decisions(wanted, limit + 1)
        page = rows[:limit]
        more = {"next": _encoded(page[-1])} if len(rows) > limit else {}
        return {"items": page, **more}

    @router.get("/decisions/{identifier}")
    def decision(identifier: str, asking: Asking) -> dict[str, Any]:
        """A decision with its proposal, evidence, checks, transitions and orders."""
        return _visible(model, identifier, asking)

    @router.get("/decisions/{identifier}/explain")
    def explain(identifier: str, asking: Asking) -> dict[str, Any]:
        """Why: the claim, its evidence, what was considered, what each check found, what would have flipped it."""
        found = _visible(model, identifier, asking)
        body = found["decision"] or found["proposal"] or {}
        return {
            "id": identifier,
            "state": found["state"],
            "claim": body.get("decision"),
            "changes": body.get("changes"),
            "predicted_impact": body.get("impact"),
            "confidence": body.get("confidence"),
            "risk": body.get("risk"),
            "evidence": body.get("evidence", []),
            "checks": body.get("checks", []),
            "considered": body.get("alternatives", []),
            "would_flip": body.get("would_flip", ""),
            "history": found["transitions"],
        }

    @router.get("/approvals")
    def approvals(asking: Asking, limit: Limit = 50) -> dict[str, Any]:
        """What waits for a human, newest first."""
        rows = model.decisions(Filter(tenants=asking.tenants, state="awaiting_approval"), limit)
        return {"items": [model.decision(row["id"]) for row in rows]}

    def order(verb: str) -> Callable[..., Any]:
        kind, role = VERBS[verb]

        async def take(
            identifier: str,
            body: Order,
            asking: Asking,
            response: Response,
            idempotency_key: Key = None,
            wait: Wait = 0.0,
        ) -> Taken:
            _needs(asking, role)
            found = await asyncio.to_thread(_visible, model, identifier, asking)
            if body.expected_state is not None and body.expected_state != found["state"]:
                raise Problem(409, "state has changed", f"decision is {found['state']}, not {body.expected_state}")
            return await _sent(
                found["scope"], kind(decision_id=identifier), asking, body.reason, idempotency_key, wait, response
            )

        take.__doc__ = f"Order the engine to {verb} this decision; 202 when the broker has the order."
        return take

    async def _sent(
        scope: str,
        instruction: Instruction,
        asking: Caller,
        reason: str,
        key: str | None,
        wait: float,
        response: Response,
    ) -> Taken:
        sender = commands()
        identifier = await sender.send(scope, instruction, f"user:{asking.name}", reason, key)
        try:
            record = await sender.verdict(identifier, wait) if wait else None
        except Unavailable:
            # The broker has the order; only the looking failed.
            record = None
        if record is None:
            response.status_code = 202
            return Taken(command_id=identifier)
        if record["verdict"] == "refused":
            codes = "; ".join(f"{it['code']}: {it.get('detail', '')}" for it in record.get("reasons", []))
            raise Problem(409, "refused by the engine", codes)
        return Taken(command_id=identifier, verdict=record["verdict"], reasons=record.get("reasons", []))

    for verb in VERBS:
        method = ["POST"] if verb == "rollback" else ["PUT"]
        router.add_api_route(
            f"/decisions/{{identifier}}/{verb}",
            order(verb),
            methods=method,
            response_model=Taken,
            operation_id=f"{verb}_decision",
            responses={202: {"model": Taken}},
        )

    @router.get("/scopes")
    def scopes(asking: Asking) -> dict[str, Any]:
        """Scopes the caller may see."""
        return {"items": model.scopes(asking.tenants)}

    @router.get("/scopes/{scope:path}/audit")
    def audit(
        scope: str, asking: Asking, limit: Limit = 50, before: Annotated[int | None, Query(ge=1)] = None
    ) -> dict[str, Any]:
        """Journal records of a scope, newest first, below the sequence number `before`."""
        rows = model.audit(scope, before, limit) if asking.may_see(scope) else []
        if not rows and before is None:
            raise Problem(404, "unknown scope", "nothing is known of this scope")
        return {"items": rows}

    @router.post("/scopes/{scope:path}/orders", responses={202: {"model": Taken}})
    async def scope_order(
        scope: str, body: ScopeOrder, asking: Asking, response: Response, idempotency_key: Key = None, wait: Wait = 0.0
    ) -> Taken:
        """Pin, unpin, offer or withdraw prompt variants, or set the autonomy of a scope."""
        _needs(asking, Role.ADMIN if body.action == "autonomy" else Role.OPERATOR)
        known = await asyncio.to_thread(model.audit, scope, None, 1)
        if not asking.may_see(scope) or not known:
            raise Problem(404, "unknown scope", "nothing is known of this scope")
        return await _sent(scope, _instruction(body), asking, body.reason, idempotency_key, wait, response)

    @router.get("/strategies")
    def strategies(asking: Asking) -> dict[str, Any]:
        """The five strategies with their default priority."""
        return {"items": [_strategy(name) for name in sorted(_NAMES)]}

    @router.get("/strategies/{name}")
    def strategy(name: str, asking: Asking) -> dict[str, Any]:
        """One strategy, with how its decisions ended."""
        if name not in _NAMES:
            raise Problem(404, "unknown strategy", f"{name}; there are {', '.join(sorted(_NAMES))}")
        count = model.statistics(asking.tenants)["by_strategy"].get(name, 0)
        return {**_strategy(name), "decisions": count}

    @router.get("/statistics")
    def statistics(asking: Asking) -> dict[str, Any]:
        """Counts of decisions by state, kind and strategy."""
        return model.statistics(asking.tenants)

    app.include_router(router)
    add_dashboard(app, model, caught_up, PREFIX, caller)
    return app


_NAMES = {strategy.name: strategy for strategy in STRATEGIES}


def _strategy(name: str) -> dict[str, Any]:
    found = _NAMES[name]
    return {"name": name, "priority": found.priority(Policy()), "complete": found.complete}


def _visible(model: ReadModel, identifier: str, asking: Caller) -> dict[str, Any]:
    """The decision; a foreign one is as unknown as one that never was."""
    found = model.decision(identifier)
    if found is None or not asking.may_see(found["scope"]):
        raise Problem(404, "unknown decision", f"no decision {identifier[:80]} is known")
    return found


def _needs(asking: Caller, role: Role) -> None:
    if asking.role < role:
        raise Problem(
            403, "not allowed", f"this needs the role {role.name.lower()}, you are {asking.role.name.lower()}"
        )


def _instruction(body: ScopeOrder) -> Instruction:
    match body.action:
        case "pin":
            return Pin()
        case "unpin":
            return Unpin()
        case "autonomy" if body.level is not None:
            return SetAutonomy(level=body.level)
        case "offer" if body.variants:
            return Offer(variants=tuple(body.variants))
        case "withdraw" if body.variants:
            return Withdraw(variants=tuple(body.variants))
    raise Problem(
        422, "incomplete order", f"{body.action} needs {'level' if body.action == 'autonomy' else 'variants'}"
    )


def _encoded(row: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([row["at_ms"], row["id"]]).encode()).decode()


def _decoded(cursor: str | None) -> tuple[int, str] | None:
    if cursor is None:
        return None
    try:
        at_ms, identifier = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if not isinstance(at_ms, int) or not isinstance(identifier, str) or abs(at_ms) >= 2**62:
            raise ValueError(cursor)
    except ValueError as fault:
        raise Problem(422, "bad cursor", "use `next` of the page before as it was given") from fault
    return at_ms, identifier


def _guarded(settings: ApiSettings) -> Callable[..., Any]:
    async def guard(request: Request, call_next: Callable[..., Any]) -> Response:
        foreign = foreign_origin(request, settings)
        if foreign is not None:
            return _problem(403, "not from here", foreign)
        length = request.headers.get("content-length", "0")
        if request.method in ("POST", "PUT") and "content-length" not in request.headers:
            return _problem(411, "length required", "send a Content-Length")
        if not length.isdigit() or int(length) > settings.max_body_bytes:
            return _problem(413, "body is too large", f"at most {settings.max_body_bytes} bytes")
        response: Response = await call_next(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return guard


def _handle_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def expected(_request: Request, problem: Problem) -> JSONResponse:
        return _problem(problem.status, problem.title, problem.detail)

    @app.exception_handler(Unavailable)
    async def away(_request: Request, fault: Unavailable) -> JSONResponse:
        answer = _problem(503, "read model is away", f"{fault}; the engine goes on without it")
        answer.headers["Retry-After"] = "2"
        return answer

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        told = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in fault.errors()[:5])
        return _problem(422, "request is not valid", told)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(content, status_code=status, media_type=PROBLEM)
