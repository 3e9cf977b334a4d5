"""A caller of the REST API, for the command line: standard library only, the token from the environment."""

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

ADDRESS = "DECISION_STREAM_API"
TOKEN = "DECISION_STREAM_TOKEN"
DEFAULT_ADDRESS = "http://127.0.0.1:8080"
GRACE_S = 10.0
PAGE = 200
"""Rows asked for at once; the API may give fewer."""


class ApiFault(Exception):
    """The API refused or did not answer; `status` is that of HTTP, 0 without an answer."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Client:
    """Asks one API. The token is taken from the environment, where other users of the machine cannot read it."""

    def __init__(self, address: str | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self.address = (address or environment.get(ADDRESS) or DEFAULT_ADDRESS).rstrip("/")
        self._token = environment.get(TOKEN)

    def get(self, *path: str, **query: Any) -> Any:
        """The JSON at a path, its parts given apart. Raises `ApiFault`."""
        return self._ask("GET", path, query, None, None)

    def items(self, *path: str, most: int, cursor: str = "cursor", **query: Any) -> tuple[list[dict[str, Any]], bool]:
        """The rows of a list, page after page, and whether there are more than `most`. Raises `ApiFault`.

        `cursor` is the name of the parameter that asks for the next page.
        """
        found: list[dict[str, Any]] = []
        while True:
            page = self.get(*path, **{**query, "limit": min(PAGE, most - len(found))})
            found += page["items"]
            if page["next"] is None or len(found) >= most:
                return found, page["next"] is not None
            query[cursor] = page["next"]

    def order(self, method: str, *path: str, body: dict[str, Any], key: str | None, wait_s: float) -> Any:
        """Send an order and wait for the engine's verdict. Raises `ApiFault`."""
        return self._ask(method, path, {"wait": wait_s}, body, key)

    def _ask(
        self, method: str, path: tuple[str, ...], query: dict[str, Any], body: dict[str, Any] | None, key: str | None
    ) -> Any:
        known = {name: value for name, value in query.items() if value is not None}
        target = f"{self.address}/api/v1/{'/'.join(quote(part) for part in path)}"
        request = Request(f"{target}?{urlencode(known)}" if known else target, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        if key:
            request.add_header("Idempotency-Key", key)
        try:
            with urlopen(request, timeout=GRACE_S + float(query.get("wait") or 0.0)) as answer:
                return json.load(answer)
        except HTTPError as fault:
            raise ApiFault(fault.code, _told(fault)) from None
        except (URLError, OSError, json.JSONDecodeError) as fault:
            raise ApiFault(0, f"no API answers at {self.address} ({fault}); start `decision-stream api`") from None


def _told(fault: HTTPError) -> str:
    try:
        problem = json.load(fault)
        told = f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        told = f"{fault.code} {fault.reason}"
    return f"{told} (set {TOKEN})" if fault.code == 401 else told
