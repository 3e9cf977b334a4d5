"""What goes wrong, as problem+json (RFC 9457): expected failures, bad requests, unknown paths, an absent model."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ..read_model import Unavailable

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"


class Problem(Exception):
    """An expected failure, answered as problem+json; `retry_s` is when asking again may help."""

    def __init__(self, status: int, title: str, detail: str, retry_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail, self.retry_s = status, title, detail, retry_s


class ProblemBody(BaseModel):
    """The body of every answer from 400 on."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


_MAY_BE = {
    400: "the request cannot be read",
    401: "no valid token",
    403: "the caller's role does not reach, or the request comes from another site",
    404: "unknown, or of another tenant",
    408: "the body did not arrive in time",
    409: "refused by the engine, or the state has changed since it was looked at",
    411: "a body without Content-Length",
    413: "the body is too large",
    422: "the request is not valid",
    429: "too many requests; Retry-After tells when to ask again",
    503: "the read model or the broker does not answer",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": told, "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}}
    for status, told in _MAY_BE.items()
}
"""What any route may answer beside its own; for the OpenAPI document."""


def problem(status: int, title: str, detail: str, retry_s: int | None = None) -> JSONResponse:
    """The answer."""
    content = ProblemBody(title=title, status=status, detail=detail).model_dump()
    headers = {} if retry_s is None else {"Retry-After": str(retry_s)}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(content, status_code=status, media_type=PROBLEM, headers=headers)


def handle_problems(app: FastAPI) -> None:
    """Answer every failure as problem+json; of what is unexpected only the log tells more."""

    @app.exception_handler(Problem)
    async def expected(_request: Request, fault: Problem) -> JSONResponse:
        return problem(fault.status, fault.title, fault.detail, fault.retry_s)

    @app.exception_handler(Unavailable)
    async def away(_request: Request, fault: Unavailable) -> JSONResponse:
        return problem(503, "read model is away", f"{fault}; the engine goes on without it", retry_s=2)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, fault: RequestValidationError) -> JSONResponse:
        told = "; ".join(f"{'.'.join(map(str, it['loc']))}: {it['msg']}" for it in fault.errors()[:5])
        return problem(422, "request is not valid", told)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, fault: HTTPException) -> JSONResponse:
        title = HTTPStatus(fault.status_code).phrase.lower()
        answer = problem(fault.status_code, title, str(fault.detail))
        answer.headers.update(fault.headers or {})
        if fault.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_allowed(request))
        return answer

    @app.exception_handler(Exception)
    async def unexpected(request: Request, fault: Exception) -> JSONResponse:
        log.error("request failed", extra={"path": request.url.path, "why": type(fault).__name__})
        return problem(500, "internal error", "the request could not be answered; the log of the API tells more")


def _allowed(request: Request) -> list[str]:
    """The methods that this path takes: it may have several routes, of which the framework tells the first."""
    return [
        method
        for method in ("GET", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]
