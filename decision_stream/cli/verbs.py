"""The operator's verbs on the command line: what the dashboard offers, for terminals and scripts.

They ask the REST API, so that rights, tenants and the audit trail are the same as in a browser. Exit status: 0 done,
1 refused, 2 not askable (no API, no right, nothing of that name).
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from ..tools.client import ADDRESS, ApiFault, Client
from .common import AsJson, say
from .tables import show

CONFLICT = 409
Identifier = Annotated[str, typer.Argument(help="Id of the decision, as `approvals` and `inspect` show it.")]
Scope = Annotated[str, typer.Argument(help="Such as acme/support/chat.")]
Address = Annotated[str | None, typer.Option("--api", metavar="URL", help=f"The API; or {ADDRESS}.")]
Why = Annotated[str, typer.Option("--reason", "-r", help="Why; it stands in the audit trail.")]
Key = Annotated[str | None, typer.Option("--key", help="Idempotency key: the same order twice is one.")]
Seen = Annotated[str | None, typer.Option("--expected-state", help="Refuse when the decision is in another state.")]
Wait = Annotated[float, typer.Option("--wait", help="Seconds to wait for the engine's verdict.", min=0.0, max=30.0)]
Limit = Annotated[
    int, typer.Option("--limit", help="Rows at most; whether there are more is told.", min=1, max=100_000)
]
ROWS = 1_000

DECISION_VERBS = {
    "approve": "Let a waiting decision go.",
    "reject": "Refuse a waiting decision.",
    "cancel": "Withdraw a decision that was not yet executed.",
    "pause": "Hold a ramp at its present weight.",
    "resume": "Let a held ramp go on.",
    "rollback": "Undo a decision, running or completed.",
}
SCOPE_VERBS = {
    "pin": "Fix a scope's configuration: nothing but safety decisions until it is unpinned.",
    "unpin": "End a pin.",
}


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb, told in DECISION_VERBS.items():
        app.command(verb, help=told)(_decision_verb(verb))
    for verb, told in SCOPE_VERBS.items():
        app.command(verb, help=told)(_scope_verb(verb))
    questions: tuple[Callable[..., None], ...] = (approvals, inspect, explain, experiments)
    for question in questions:
        app.command()(question)


def approvals(limit: Limit = ROWS, api: Address = None, as_json: AsJson = False) -> None:
    """List what waits for a person."""
    found = _listed(Client(api), "approvals", most=limit, as_json=as_json)
    if as_json:
        print(json.dumps(found))
        return
    _decisions(found, "nothing waits for a person")


def inspect(
    what: Annotated[str | None, typer.Argument(help="A decision's id or a scope; without it, all scopes.")] = None,
    limit: Limit = ROWS,
    api: Address = None,
    as_json: AsJson = False,
) -> None:
    """Show a decision, a scope with its audit trail, or all scopes."""
    client = Client(api)
    if what is None:
        scopes = _listed(client, "scopes", most=limit, as_json=as_json)
        if as_json:
            print(json.dumps(scopes))
            return
        _show(Table("scope", "events"), [(row["scope"], str(row["events"])) for row in scopes], "no scope is known yet")
    elif "/" in what:
        decisions = _listed(client, "decisions", most=limit, as_json=as_json, scope=what)
        path = ("scopes", *what.split("/"), "audit")
        audit = _listed(client, *path, most=limit, as_json=as_json, cursor="before")
        if as_json:
            print(json.dumps({"scope": what, "decisions": decisions, "audit": audit}))
            return
        _decisions(decisions, "no decision was made on this scope")
        rows = [(str(it["sequence"]), it["verdict"], it.get("actor") or "engine", _codes(it)) for it in audit]
        _show(Table("#", "verdict", "by", "why"), rows, "")
    else:
        found = _asked(lambda: client.get("decisions", what), as_json)
        if as_json:
            print(json.dumps(found))
            return
        _decisions([found], "")
        moves = [(it["to_state"], it["actor"] or "engine", it["reason"]) for it in found["transitions"]]
        _show(Table("state", "by", "why"), moves, "")


def explain(identifier: Identifier, api: Address = None, as_json: AsJson = False) -> None:
    """Tell why: the claim, its evidence, the checks, what was considered, what would have flipped it."""
    why = _asked(lambda: Client(api).get("decisions", identifier, "explain"), as_json)
    if as_json:
        print(json.dumps(why))
        return
    claim = why["claim"] or {}
    print(f"{claim.get('kind', 'decision')}: {claim.get('reason', '')}\nstate: {why['state']}")
    if why["risk"]:
        print(f"risk: {why['risk']['level']} ({why['risk']['score']:.2f})")
    for it in why["evidence"]:
        print("\n".join(evidence_lines(it)))
    for it in why["checks"]:
        print(_words("check:", it["name"], "passed" if it["passed"] else "failed", it.get("detail")))
    for it in why["considered"]:
        print(_words(f"not chosen: {it['what']}: {it['code']}", it.get("detail")))
    if why["would_flip"]:
        print(f"would have been otherwise: {why['would_flip']}")


def evidence_lines(evidence: dict) -> list[str]:
    """A line for the method, and one for each term of a linear model, the largest first.

    >>> evidence_lines({"method": "linear_contributions", "contributions": {"load": -0.01, "intercept": 0.1}})
    ['evidence: linear_contributions, n 0', '  +0.1000 intercept', '  -0.0100 load']
    """
    terms = sorted(evidence.get("contributions", {}).items(), key=lambda term: (-abs(term[1]), term[0]))
    told = _words("evidence:", evidence["method"], evidence.get("metric")) + f", n {evidence.get('samples', 0)}"
    return [_words(told, evidence.get("detail")), *(f"  {value:+.4f} {name}" for name, value in terms)]


def _words(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def experiments(
    scope: Annotated[str | None, typer.Option(help="Only of this scope.")] = None,
    running: Annotated[bool | None, typer.Option("--running/--ended", help="Only these; both by default.")] = None,
    limit: Limit = ROWS,
    api: Address = None,
    as_json: AsJson = False,
) -> None:
    """List experiments, newest first: who stands where, with its interval, and why it is not over yet."""
    # Asked for as HTTP writes them.
    only = None if running is None else str(running).lower()
    found = _listed(Client(api), "experiments", most=limit, as_json=as_json, scope=scope, running=only)
    if as_json:
        print(json.dumps(found))
        return
    table = Table("id", "scope", "state", "gain of each challenger", "why it is not over")
    table.columns[0].no_wrap = True
    rows = [(it["id"], it["scope"], it["state"], *experiment_cells(it)) for it in found]
    _show(table, rows, "no experiment was begun yet")


def experiment_cells(row: dict[str, Any]) -> tuple[str, str]:
    """The gain of each challenger with its interval, and why the experiment is not over; blanks before any report.

    >>> gain = {"gain": 0.02, "interval": {"low": -0.01, "high": 0.05}, "fraction": 0.4}
    >>> course = {"comparisons": {"terse": gain}, "status": {"detail": "no winner yet"}, "sample_ratio": {}}
    >>> experiment_cells({"running": True, "course": course})
    ('terse +0.0200 (-0.0100 to +0.0500), 40% of the planned evidence', 'no winner yet')
    """
    course = row["course"] or {}
    gains = [
        f"{name} {it['gain']:+.4f} ({it['interval']['low']:+.4f} to {it['interval']['high']:+.4f}), "
        f"{it['fraction']:.0%} of the planned evidence"
        for name, it in sorted(course.get("comparisons", {}).items())
    ]
    why = course.get("status", {}).get("detail", "") if row["running"] else ""
    if course.get("sample_ratio", {}).get("mismatch"):
        why = f"units do not arrive in the ordered shares (p {course['sample_ratio']['p_value']:.2g}); {why}"
    return "\n".join(gains), why


def _decision_verb(verb: str):
    def order(
        identifier: Identifier,
        reason: Why = "",
        wait: Wait = 10.0,
        key: Key = None,
        expected_state: Seen = None,
        api: Address = None,
        as_json: AsJson = False,
    ) -> None:
        body = {"reason": reason, "expected_state": expected_state}
        method = "POST" if verb == "rollback" else "PUT"
        done = _asked(
            lambda: Client(api).order(method, "decisions", identifier, verb, body=body, key=key, wait_s=wait), as_json
        )
        _done(verb, done, as_json)

    return order


def _scope_verb(verb: str):
    def order(
        scope: Scope,
        reason: Why = "",
        wait: Wait = 10.0,
        key: Key = None,
        api: Address = None,
        as_json: AsJson = False,
    ) -> None:
        body, path = {"action": verb, "reason": reason}, ("scopes", *scope.split("/"), "orders")
        _done(verb, _asked(lambda: Client(api).order("POST", *path, body=body, key=key, wait_s=wait), as_json), as_json)

    return order


def _asked(ask: Callable[[], Any], as_json: bool) -> Any:
    """The answer; else the end, with what was refused also as JSON where that was asked for."""
    try:
        return ask()
    except ApiFault as fault:
        if as_json:
            print(json.dumps({"status": fault.status, "detail": str(fault)}))
        print(f"decision-stream: {fault}", file=sys.stderr)
        sys.exit(1 if fault.status == CONFLICT else 2)


def _listed(client: Client, *path: str, most: int, as_json: bool, **query: Any) -> list[dict[str, Any]]:
    rows, has_more = _asked(lambda: client.items(*path, most=most, **query), as_json)
    if has_more:
        say(f"only the first {len(rows)}; more with --limit")
    return rows


def _done(verb: str, done: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(done))
    elif done["verdict"]:
        print(f"{verb}: {done['verdict']}")
    else:
        print(f"{verb}: sent as {done['command_id']}, not yet applied")


def _decisions(rows: list[dict[str, Any]], otherwise: str) -> None:
    table = Table("id", "what", "scope", "strategy", "state")
    table.columns[0].no_wrap = True
    _show(table, [(it["id"], it["kind"], it["scope"], it["strategy"], it["state"]) for it in rows], otherwise)


def _codes(record: dict[str, Any]) -> str:
    return ", ".join(it["code"] for it in record.get("reasons", []))


def _show(table: Table, rows: Sequence[tuple[str, ...]], otherwise: str) -> None:
    for row in rows:
        table.add_row(*row)
    if rows:
        show(table)
    elif otherwise:
        print(otherwise)
