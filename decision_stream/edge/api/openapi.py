"""What the OpenAPI document tells beside the routes: problems, tokens, and insights as the topic has them."""

from inspect import cleandoc
from typing import Any

import msgspec
from fastapi import FastAPI

from ...model.insight import Insight
from .problems import ProblemBody

_REFERENCE = "#/components/schemas/{name}"


def describe(app: FastAPI) -> None:
    """Complete the document that the application makes of its routes."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(made())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    schemas["ProblemBody"] = ProblemBody.model_json_schema()
    (reference,), messages = msgspec.json.schema_components([Insight], ref_template=_REFERENCE)
    assert not messages.keys() & schemas.keys(), "a body and a message have one name"
    schemas.update({name: _plain(schema) for name, schema in messages.items()})
    schemas["Submission"]["properties"]["insights"]["items"] = reference
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if path != "/health":
                operation["security"] = [{"token": []}]


def _plain(schema: Any) -> Any:
    """The schema for readers that know ECMAScript's patterns only, where `$` is the very end, and without indents."""
    match schema:
        case dict():
            return {name: _told(name, value) for name, value in schema.items()}
        case list() | tuple():
            return [_plain(item) for item in schema]
        case _:
            return schema


def _told(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return {"pattern": value.replace(r"$(?!\n)", "$"), "description": cleandoc(value)}.get(name, value)
    return _plain(value)
