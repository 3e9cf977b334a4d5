"""Who may do what: every route of the application, each kind of caller, each state of a token, and each limit.

`TABLE` is the whole truth. A route that is not in it fails a test, so that nothing is served without a word on rights.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from msgspec import to_builtins

from decision_stream.edge.api.access import Role, caller_of
from decision_stream.edge.api.app import PREFIX, SUBMISSION_BODIES, create_app
from decision_stream.edge.api.dashboard import FILES
from decision_stream.edge.api.limits import MAX_DEPTH
from decision_stream.edge.api_settings import ApiSettings, ApiToken
from decision_stream.edge.read_model import Filter
from decision_stream.model.command import Autonomy
from decision_stream.model.policy import Policy, SafetyPolicy
from tests.edge.callers import NOW, TOKENS, token, with_letter
from tests.edge.engine import Engine
from tests.edge.fleet import PlayedFleet
from tests.edge.served import served
from tests.factories import insight

CHAT = "acme/support/chat"
VIEWER, ANALYST, OPERATOR, ADMIN = Role.VIEWER, Role.ANALYST, Role.OPERATOR, Role.ADMIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a route asks of its caller; `least` of None asks for no token."""

    least: Role | None = VIEWER
    # What it tells of belongs to a tenant: for others it is as unknown as what never was.
    owned: bool = False
    # For those only who may see all tenants.
    of_all: bool = False
    body: dict[str, Any] | None = None
    status: int = 200


OPEN = Row(least=None)
ORDER = Row(least=OPERATOR, owned=True, body={"reason": "why not"}, status=202)
DECISION, SCOPE = f"{PREFIX}/decisions/{{identifier}}", f"{PREFIX}/scopes/{{scope}}"
TABLE: dict[tuple[str, str], Row] = {
    ("GET", "/health"): OPEN,
    ("GET", "/openapi.json"): OPEN,
    **{("GET", path): OPEN for path in FILES},
    ("GET", f"{PREFIX}/events"): Row(),
    ("GET", f"{PREFIX}/decisions"): Row(),
    ("GET", f"{PREFIX}/approvals"): Row(),
    ("GET", f"{PREFIX}/experiments"): Row(),
    ("GET", f"{PREFIX}/scopes"): Row(),
    ("GET", f"{PREFIX}/strategies"): Row(),
    ("GET", f"{PREFIX}/strategies/{{name}}"): Row(),
    ("GET", f"{PREFIX}/statistics"): Row(),
    ("GET", f"{PREFIX}/policy"): Row(),
    ("GET", DECISION): Row(owned=True),
    ("GET", f"{DECISION}/explain"): Row(owned=True),
    ("GET", f"{DECISION}/course"): Row(owned=True),
    ("GET", f"{PREFIX}/experiments/{{identifier}}"): Row(owned=True),
    ("GET", SCOPE): Row(owned=True),
    ("GET", f"{SCOPE}/configurations"): Row(owned=True),
    ("GET", f"{SCOPE}/breaker"): Row(owned=True),
    ("GET", f"{SCOPE}/budget"): Row(owned=True),
    ("GET", f"{SCOPE}/frontier"): Row(owned=True),
    ("GET", f"{SCOPE}/audit"): Row(owned=True),
    ("GET", f"{PREFIX}/dead-letters"): Row(least=ADMIN, of_all=True),
    ("GET", f"{PREFIX}/dead-letters/{{identifier}}"): Row(least=ADMIN, of_all=True),
    ("POST", f"{PREFIX}/dead-letters/{{identifier}}/replay"): Row(least=ADMIN, of_all=True, body={}, status=202),
    ("POST", f"{PREFIX}/decisions"): Row(
        least=ANALYST, owned=True, body={"insights": [to_builtins(insight(9))]}, status=202
    ),
    ("PUT", f"{DECISION}/approve"): ORDER,
    ("PUT", f"{DECISION}/reject"): ORDER,
    ("PUT", f"{DECISION}/cancel"): ORDER,
    ("PUT", f"{DECISION}/pause"): ORDER,
    ("PUT", f"{DECISION}/resume"): ORDER,
    ("POST", f"{DECISION}/rollback"): ORDER,
    ("POST", f"{SCOPE}/orders"): Row(least=OPERATOR, owned=True, body={"action": "pin"}, status=202),
}
AUTONOMY = Row(least=ADMIN, owned=True, body={"action": "autonomy", "level": "observe"}, status=202)
"""One order to a scope asks for more than the others."""
READS = [route for route in TABLE if route[0] == "GET"]
WRITES = [route for route in TABLE if route[0] != "GET"]
EVERY = [*((route, row) for route, row in TABLE.items()), (("POST", f"{SCOPE}/orders"), AUTONOMY)]
HAS_STREAM = f"{PREFIX}/events"


@dataclass(frozen=True, slots=True)
class Caller:
    """How somebody comes, and what must be known of them; a `role` of None is nobody."""

    authorization: str | None
    role: Role | None = None
    foreign: bool = False
    sees_all: bool = False


CALLERS = {
    "nobody": Caller(None),
    "an empty header": Caller(""),
    "a scheme without a secret": Caller("Bearer"),
    "another scheme": Caller("Basic ada"),
    "a bare secret": Caller("ada"),
    "an unknown secret": Caller("Bearer adb"),
    "the stored hash": Caller(f"Bearer {sha256(b'ada').hexdigest()}"),
    "an expired secret": Caller("Bearer late"),
    "a viewer": Caller("Bearer vera", VIEWER),
    "an analyst": Caller("Bearer ana", ANALYST),
    "an operator": Caller("Bearer otto", OPERATOR),
    "an admin": Caller("Bearer ada", ADMIN, sees_all=True),
    "an admin whose secret expires later": Caller("bearer soon", ADMIN, sees_all=True),
    "an admin of these tenants": Caller("Bearer tess", ADMIN),
    "a viewer of another tenant": Caller("Bearer fiona", VIEWER, foreign=True),
    "an admin of another tenant": Caller("Bearer felix", ADMIN, foreign=True),
}


def expected(row: Row, caller: Caller) -> int:
    """The status that the table promises."""
    if row.least is None:
        return row.status
    if caller.role is None:
        return 401
    if caller.role < row.least:
        return 403
    if (row.owned and caller.foreign) or (row.of_all and not caller.sees_all):
        return 404
    return row.status


@dataclass(slots=True)
class Place:
    """A listener and the engine behind it; how the paths of the table are filled in."""

    api: httpx2.Client
    engine: Engine
    ids: dict[str, str]

    def ask(self, method: str, path: str, row: Row = OPEN, authorization: str | None = None, **more: Any):
        """The answer, without the body of a stream that never ends."""
        for begin, (name, value) in self.ids.items():
            if path.startswith(begin):
                path = path.replace(name, value)
                break
        headers = {} if authorization is None else {"Authorization": authorization}
        headers |= more.pop("headers", {})
        if row.body is not None and "content" not in more:
            more["json"] = row.body
        if (method, path) == ("GET", HAS_STREAM):
            with self.api.stream(method, path, headers=headers) as answer:
                return answer
        return self.api.request(method, path, headers=headers, **more)

    @property
    def traces(self) -> tuple[int, int]:
        """Changes with whatever reaches the engine."""
        return len(self.engine.messages), len(self.engine.sent_back)


def _ids(decision: str, experiment: str, letter: str, scope: str) -> dict[str, tuple[str, str]]:
    return {
        f"{PREFIX}/decisions/": ("{identifier}", decision),
        f"{PREFIX}/experiments/": ("{identifier}", experiment),
        f"{PREFIX}/dead-letters/": ("{identifier}", letter),
        f"{PREFIX}/scopes/": ("{scope}", scope),
        f"{PREFIX}/strategies/": ("{name}", "pareto"),
    }


@pytest.fixture(scope="module")
def reading() -> Iterator[Place]:
    """For reads: a fleet with experiments and ramps behind a real listener; nothing changes it."""
    engine = PlayedFleet(60)
    settings = ApiSettings(tokens=TOKENS, max_failed_tokens=10_000, max_requests_per_s=10_000.0)
    row = engine.model.decisions(Filter(kind="start_experiment"), 1)[0]
    ids = _ids(row["id"], row["id"], with_letter(engine.model), row["scope"])
    with served(engine, settings) as address, httpx2.Client(base_url=address) as api:
        yield Place(api, engine, ids)


def fresh(**settings: Any) -> Place:
    """For writes and limits: an engine with a decision that waits for a person."""
    engine = Engine(Policy(safety=SafetyPolicy(autonomy=Autonomy.APPROVE)))
    ids = _ids(engine.switch(CHAT), "none", with_letter(engine.model), CHAT)
    app = create_app(engine.model, ApiSettings(**{"tokens": TOKENS, **settings}), lambda: engine, lambda: True)
    return Place(TestClient(app, base_url="http://127.0.0.1"), engine, ids)


def test_the_table_has_every_route_and_no_other():
    app = create_app(Engine().model, ApiSettings(), Engine, lambda: True)
    served_routes = {
        (method, found.path.replace(":scope}", "}"))
        for found in iter_route_contexts(app.routes)
        for method in found.methods - {"HEAD"}
    }
    assert served_routes == TABLE.keys()


def test_the_openapi_document_has_the_same_routes_and_asks_for_a_token_where_the_table_does():
    document = create_app(Engine().model, ApiSettings(), Engine, lambda: True).openapi()
    told = {
        (method.upper(), path): bool(operation.get("security"))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    unlisted = {("GET", "/openapi.json"), ("GET", HAS_STREAM), *(("GET", path) for path in FILES)}
    assert told == {route: row.least is not None for route, row in TABLE.items() if route not in unlisted}


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize("route", READS, ids=" ".join)
def test_a_read_is_answered_to_whom_the_table_says(reading: Place, route, name):
    row, caller = TABLE[route], CALLERS[name]
    answer = reading.ask(*route, row, caller.authorization)
    assert answer.status_code == expected(row, caller)
    if caller.foreign and row.least is not None and route[1] != HAS_STREAM:
        assert "acme/" not in answer.text and "globex/" not in answer.text
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("name", CALLERS)
@pytest.mark.parametrize(
    ("route", "row"),
    [it for it in EVERY if it[0][0] != "GET"],
    ids=lambda it: " ".join(it) if type(it) is tuple else "",
)
def test_a_write_is_taken_from_whom_the_table_says_and_changes_nothing_otherwise(route, row: Row, name):
    place, caller = fresh(), CALLERS[name]
    before = place.traces
    answer = place.ask(*route, row, caller.authorization)
    assert answer.status_code == expected(row, caller)
    assert (place.traces != before) == (answer.status_code == row.status)


@pytest.mark.parametrize("route", [route for route, row in TABLE.items() if row.owned], ids=" ".join)
def test_what_is_foreign_is_answered_as_what_never_was(reading: Place, route):
    place = reading if route[0] == "GET" else fresh()
    foreign = place.ask(*route, TABLE[route], "Bearer felix")
    unknown = _ids("0" * 36, "0" * 36, "none", "initech/support/chat")
    if route == ("POST", f"{PREFIX}/decisions"):
        # Whoever may submit to a scope may be its first.
        assert foreign.status_code == 404
        return
    never = Place(place.api, place.engine, unknown).ask(*route, TABLE[route], "Bearer felix")
    assert never.status_code == foreign.status_code == 404
    assert never.json()["title"] == foreign.json()["title"]
    assert never.headers.keys() == foreign.headers.keys()


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_secret_in_the_address_is_none(reading: Place, route):
    if TABLE[route].least is not None:
        path = f"{route[1]}?token=ada&access_token=ada&authorization=Bearer%20ada"
        assert reading.ask(route[0], path, TABLE[route]).status_code == 401


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_a_method_that_is_not_served_is_refused(reading: Place, route):
    served_methods = {method for method, path in TABLE if path == route[1]}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"} - served_methods:
        body = {} if method in ("POST", "PUT", "PATCH", "DELETE") else None
        answer = reading.ask(method, route[1], Row(body=body), "Bearer ada")
        assert answer.status_code == 405, method
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("route", TABLE, ids=" ".join)
def test_every_answer_forbids_guessing_framing_and_keeping(reading: Place, route):
    place = reading if route[0] == "GET" else fresh()
    for authorization in (None, "Bearer ada"):
        answer = place.ask(*route, TABLE[route], authorization)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers and "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
    ids=lambda it: ": ".join(*it.items()),
)
@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_no_write_is_taken_from_another_site_even_with_a_token(route, headers):
    for place in (fresh(), fresh(tokens=())):
        before = place.traces
        answer = place.ask(*route, TABLE[route], "Bearer ada", headers=headers)
        assert answer.status_code == 403 and place.traces == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_where_no_token_is_asked_for_a_form_writes_nothing(route, kind):
    place = fresh(tokens=())
    before = place.traces
    assert place.ask(*route, TABLE[route], headers={"Content-Type": kind}).status_code == 403
    assert place.traces == before
    assert place.ask(*route, TABLE[route]).status_code == 202


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_the_body_of_every_write_is_bounded_in_size_depth_and_length(route):
    place = fresh()
    before = place.traces
    most = ApiSettings().max_body_bytes * (SUBMISSION_BODIES if route[1] == f"{PREFIX}/decisions" else 1)
    json = {"Content-Type": "application/json"}

    def status(content, **headers: str) -> int:
        return place.ask(*route, Row(), "Bearer ada", content=content, headers={**json, **headers}).status_code

    assert status(b" " * (most + 1)) == 413
    assert status(b"{}", **{"Content-Length": "99999999999999999999"}) == 413
    assert status(b"{}", **{"Content-Length": "-1"}) == 413
    assert status(iter([b"{", b"}"])) == 411
    assert status(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)) == 422
    assert status(b"[" * most) == 422
    if not route[1].endswith("replay"):
        assert [status(bad) for bad in (b"", b"{", b"null", b"[]", b'{"x":1}', b"\xff\xfe")] == [422] * 6
    assert place.traces == before


def test_a_body_that_dribbles_in_is_given_up():
    with ExitStack() as held:
        address = held.enter_context(served(Engine(), ApiSettings(body_timeout_s=0.3)))
        wire = held.enter_context(closing(socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=10)))
        head = b"PUT /api/v1/decisions/x/approve HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        wire.sendall(head + b"Content-Type: application/json\r\n\r\n{")
        assert wire.recv(4_096).startswith(b"HTTP/1.1 408 ")


def test_too_many_requests_of_one_token_are_put_off_and_others_are_not():
    place = fresh(max_requests_per_s=3.0)
    path = f"{PREFIX}/strategies"
    statuses = [place.ask("GET", path, OPEN, "Bearer vera") for _ in range(4)]
    assert [it.status_code for it in statuses] == [200, 200, 200, 429]
    assert int(statuses[-1].headers["retry-after"]) >= 1
    assert place.ask("GET", path, OPEN, "Bearer otto").status_code == 200


def test_too_many_orders_to_one_scope_are_put_off_whoever_gives_them():
    place = fresh(max_orders_per_s=2.0)
    pin = ("POST", f"{SCOPE}/orders", Row(body={"action": "pin"}))
    statuses = [place.ask(*pin, f"Bearer {name}").status_code for name in ("otto", "ada", "tess")]
    assert statuses == [202, 202, 429]
    assert (
        place.ask("POST", f"{PREFIX}/decisions", TABLE["POST", f"{PREFIX}/decisions"], "Bearer ana").status_code == 429
    )


def test_an_address_that_guesses_is_locked_out_with_any_token_and_another_is_not():
    place = fresh(max_failed_tokens=3)
    path = f"{PREFIX}/strategies"
    guesses = [place.ask("GET", path, OPEN, f"Bearer guess-{number}") for number in range(4)]
    assert [it.status_code for it in guesses] == [401, 401, 401, 429]
    locked = place.ask("GET", path, OPEN, "Bearer ada")
    assert locked.status_code == 429 and 1 <= int(locked.headers["retry-after"]) <= 61
    elsewhere = TestClient(place.api.app, base_url="http://127.0.0.1", client=("192.0.2.7", 1))
    assert elsewhere.get(path, headers={"Authorization": "Bearer ada"}).status_code == 200
    assert place.ask("GET", "/health").status_code == 200


def test_a_secret_is_replaced_while_both_are_valid():
    old, new = token("ada", "admin"), ApiToken(name="ada", sha256=sha256(b"new").hexdigest(), role="admin")
    app = create_app(Engine().model, ApiSettings(tokens=(old, new)), Engine, lambda: True)
    for secret in ("ada", "new"):
        answer = TestClient(app).get(f"{PREFIX}/policy", headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 200


def test_a_secret_ends_at_its_time():
    settings = ApiSettings(tokens=(token("brief", "admin", expires_at=NOW),))
    assert caller_of("Bearer brief", settings, NOW - timedelta(microseconds=1)) is not None
    assert caller_of("Bearer brief", settings, NOW) is None
