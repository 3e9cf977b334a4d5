"""What every route needs: the model, the settings, the caller. One of it per application."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request
from starlette.convertors import PathConvertor, register_url_convertor

from ...model.policy import Policy
from ..api_settings import ApiSettings
from ..pulse import Standing
from ..read_model import ReadModel
from .access import Caller, Role, caller_of
from .commands import Sender
from .limits import Lockout, Rate
from .problems import Problem

STATISTICS_S = 1.0
"""Statistics are counted at most this often for each set of tenants."""


@dataclass(slots=True)
class Context:
    """What an application has."""

    model: ReadModel
    settings: ApiSettings
    commands: Callable[[], Sender]
    caught_up: Callable[[], bool]
    policy: Policy
    standing: Callable[[], Standing]
    requests: Rate = field(init=False)
    orders: Rate = field(init=False)
    lockout: Lockout = field(init=False)
    # Set when the listener ends: whatever goes on by itself, such as a stream, ends then.
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    counted: dict[Any, tuple[float, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.requests = Rate(self.settings.max_requests_per_s)
        self.orders = Rate(self.settings.max_orders_per_s)
        self.lockout = Lockout(self.settings.max_failed_tokens)


def context(request: Request) -> Context:
    """Of the application that is asked."""
    found: Context = request.app.state.context
    return found


Its = Annotated[Context, Depends(context)]


def caller(request: Request, its: Its) -> Caller:
    """Who asks; raises a problem for a missing or bad token, a locked address, too many requests."""
    address = request.client.host if request.client else ""
    locked = its.lockout.wait_s(address)
    if locked > 0.0:
        raise Problem(429, "too many failures", "this address sent too many bad tokens", retry_s=int(locked) + 1)
    found = caller_of(request.headers.get("authorization"), its.settings)
    if found is None:
        its.lockout.failed(address)
        raise Problem(401, "no valid token", "send `Authorization: Bearer <token>`")
    # Without tokens all share one name, and whoever reaches the machine may load it anyway.
    wait_s = its.requests.wait_s(found.name) if its.settings.tokens else 0.0
    if wait_s > 0.0:
        told = f"at most {its.settings.max_requests_per_s:g} per second and token"
        raise Problem(429, "too many requests", told, retry_s=int(wait_s) + 1)
    return found


def needs(asking: Caller, role: Role) -> None:
    """Raise a problem for a caller below the role."""
    if asking.role < role:
        told = f"this needs the role {role.name.lower()}, you are {asking.role.name.lower()}"
        raise Problem(403, "not allowed", told)


Asking = Annotated[Caller, Depends(caller)]
Limit = Annotated[int, Query(ge=1, le=1_000, description="rows of the page; the settings may allow fewer")]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^-?[0-9]{1,18}\.[!-~]{1,300}$", description="`next` of the page before: where that ended"),
]
ScopePath = Annotated[
    str,
    Path(
        max_length=200,
        pattern=r"^[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+/[A-Za-z0-9._:-]+$",
        description="tenant/service/route; its slashes may be written as they are or as %2F",
        examples=["acme/support/chat"],
    ),
]


class _ScopeConvertor(PathConvertor):
    """`{scope:scope}` in a path takes in three parts: the name of a scope has two slashes."""

    regex = "[^/]+/[^/]+/[^/]+"


register_url_convertor("scope", _ScopeConvertor())


def visible(its: Context, identifier: str, asking: Caller) -> dict[str, Any]:
    """The decision; a foreign one is as unknown as one that never was."""
    found = its.model.decision(identifier)
    if found is None or not asking.may_see(found["scope"]):
        raise Problem(404, "unknown decision", f"no decision {identifier[:80]} is known")
    return found


async def known_scope(its: Context, scope: str, asking: Caller) -> None:
    """Raise a problem for a scope that the caller may not see or that nothing is known of."""
    if not asking.may_see(scope) or not await asyncio.to_thread(its.model.audit, scope, None, 1):
        raise Problem(404, "unknown scope", "nothing is known of this scope")


def encoded(rank: int, identifier: str) -> str:
    """A cursor."""
    return f"{rank}.{identifier}"


def decoded(cursor: str | None) -> tuple[int, str] | None:
    """The row that a cursor stands for."""
    if cursor is None:
        return None
    rank, _, identifier = cursor.partition(".")
    return int(rank), identifier


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


async def order_time_ms(its: Context, scope: str) -> int:
    """The time an order carries: the clock's or, if so set, that of the newest event that the scope has seen."""
    if its.settings.clock == "events":
        newest = await asyncio.to_thread(its.model.audit, scope, None, 1)
        if newest:
            return int(newest[0]["at_ms"])
    return now_ms()
