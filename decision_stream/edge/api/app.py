"""The application: routes of the seed's appendix B with what it lacked, the dashboard, and what guards both."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from starlette.types import Scope

from ... import ENGINE_VERSION
from ...model.policy import Policy
from ..api_settings import ApiSettings
from ..pulse import Standing
from ..read_model import ReadModel
from . import decisions, operations, ordering, scopes
from .commands import Sender
from .context import Context
from .dashboard import add_dashboard, foreign_origin
from .limits import BoundedBodies
from .openapi import describe
from .problems import handle_problems, problem

PREFIX = "/api/v1"
SUBMISSION_BODIES = 16
"""A submission may be so many times as large as an order."""


def create_app(
    model: ReadModel,
    settings: ApiSettings,
    commands: Callable[[], Sender],
    caught_up: Callable[[], bool],
    policy: Policy | None = None,
    standing: Callable[[], Standing] = lambda: Standing.READY,
) -> FastAPI:
    """The application; `commands` is called when something is to be sent."""
    app = FastAPI(title="decision_stream", version=ENGINE_VERSION, docs_url=None, redoc_url=None)
    app.state.context = Context(model, settings, commands, caught_up, policy or Policy(), standing)
    handle_problems(app)
    app.include_router(operations.health_router)
    for router in (ordering.router, decisions.router, operations.router, scopes.router):
        app.include_router(router, prefix=PREFIX)
    add_dashboard(app, PREFIX)
    describe(app)

    def most(scope: Scope) -> int:
        submits = scope["path"] == f"{PREFIX}/decisions"
        return settings.max_body_bytes * (SUBMISSION_BODIES if submits else 1)

    app.add_middleware(BoundedBodies, most=most, timeout_s=settings.body_timeout_s)
    app.middleware("http")(_guarded(settings))
    return app


_Next = Callable[[Request], Awaitable[Response]]


def _guarded(settings: ApiSettings) -> Callable[[Request, _Next], Awaitable[Response]]:
    async def guard(request: Request, call_next: _Next) -> Response:
        foreign = foreign_origin(request, settings)
        response = problem(403, "not from here", foreign) if foreign is not None else await call_next(request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        return response

    return guard
