"""What the topics say beside decisions and the journal, as documents that replace each other by version.

A stored scope is kept as the bytes of its changelog, decoded when it is asked for. Drawn from it when it changes: its
counters, and for each experiment and ramp the course of its intervals, one point for each slice of time, so that the
same records lead to the same document however often they come. Dead letters and the newest budget are documents too.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct, to_builtins

from ...model.insight import Budget
from ...model.knowledge import is_aggregate
from ...model.policy import Policy
from ...model.scalars import ScopeName
from ...stream.record import COLD_SUFFIX, StoredScope, UnreadableState, load
from ...wire.dead_letters import PREFIX, read_headers
from ..views import experiment_view, ramp_view
from .protocol import Message

MAX_POINTS = 200
SLICE_MS = 60_000
"""Shortest slice of time of a course; slices double when a course would have too many points."""
MORE_DRAWN = 200
"""Of a portion of records not only the last state of a scope is drawn, so that a course filled anew has its points."""
STATE, INSIGHTS, DEAD_LETTERS = "scope-state", "insights", "dead-letters"
HOT, COLD, COUNTERS, COURSE, BUDGET, LETTER = "hot", "cold", "counters", "course", "budget", "letter"
Lookup = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text of a kind under an id. Of two the one of the higher `version` stays; equal ones are the same."""

    kind: str
    id: str
    version: str
    body: str
    scope: str = ""
    rank: int = 0


class _Head(Struct, frozen=True, gc=False, array_like=True):
    """The first fields of a stored hot record."""

    format: int
    epoch: int
    sequence: int
    fence: dict[str, int]
    head: bytes
    cold_version: int


class _Rank(Struct, frozen=True, gc=False, array_like=True):
    format: int
    epoch: int
    number: int


class _Budgeted(Struct):
    """The part of an insight that is wanted."""

    scope: ScopeName
    at_ms: int
    budget: Budget | None = None


_head = msgspec.msgpack.Decoder(_Head)
_rank = msgspec.msgpack.Decoder(_Rank)
_budgeted = msgspec.json.Decoder(_Budgeted)


class Documents:
    """Draws documents from records; remembers of each scope which cold version it has drawn from."""

    def __init__(self, policy: Policy | None = None) -> None:
        self._policy = policy or Policy()
        self._drawn: dict[str, tuple[int, int]] = {}

    def forget(self) -> None:
        """Draw everything again: what was drawn is not stored."""
        self._drawn.clear()

    def of(self, messages: Iterable[Message], lookup: Lookup) -> list[Document]:
        """The documents of these records; `lookup` tells the body that is stored under a kind and an id."""
        states: dict[bytes, tuple[_Rank, bytes]] = {}
        found: dict[tuple[str, str], Document] = {}
        spare = MORE_DRAWN

        def known(kind: str, identifier: str) -> str | None:
            document = found.get((kind, identifier))
            return document.body if document is not None else lookup(kind, identifier)

        def record(key: bytes, kind: str) -> bytes | None:
            if key in states:
                return states[key][1]
            body = lookup(kind, key.removesuffix(COLD_SUFFIX).decode())
            return None if body is None else b64decode(body)

        for message in messages:
            match message.topic:
                case "scope-state" if not is_aggregate(message.key.decode()):
                    if (rank := _ranked(message.value)) is None:
                        continue
                    states[message.key] = (rank, message.value)
                    # A cold record comes before its hot one, which makes it whole.
                    if spare and not message.key.endswith(COLD_SUFFIX):
                        drawn = self._drawn_from(message.key, record, known)
                        spare -= bool(drawn)
                        for document in drawn:
                            _keep(found, document)
                case "insights":
                    _keep(found, _budget(message))
                case "dead-letters":
                    _keep(found, _letter(message))
        for key, (rank, value) in states.items():
            _keep(found, _stored(key, rank, value))
        for scope in sorted({key.removesuffix(COLD_SUFFIX) for key in states}):
            for document in self._drawn_from(scope, record, known):
                _keep(found, document)
        return list(found.values())

    def _drawn_from(self, key: bytes, record: Callable[[bytes, str], bytes | None], known: Lookup) -> list[Document]:
        """`record` tells what is stored under a key, `known` the body of a document; both know of these records."""
        scope, hot = key.decode(), record(key, HOT)
        if hot is None:
            return []
        try:
            head = _head.decode(hot)
        except msgspec.MsgspecError:
            return []
        if self._drawn.get(scope) == (head.epoch, head.cold_version):
            return []
        try:
            stored = load(scope, hot, record(key + COLD_SUFFIX, COLD), generation=None)
        except UnreadableState:
            # One of its two records has not arrived yet.
            return []
        self._drawn[scope] = (head.epoch, head.cold_version)
        version, cold = _version(head.epoch, head.cold_version), stored.state.cold
        counters = Document(
            kind=COUNTERS,
            id=scope,
            scope=scope,
            version=version,
            body=json.dumps({**to_builtins(cold.counters), "savings": len(cold.savings)}),
        )
        return [counters, *self._courses(stored, version, known)]

    def _courses(self, stored: StoredScope, version: str, known: Lookup) -> list[Document]:
        cold, at_ms = stored.state.cold, stored.state.hot.at_ms
        shown = [ramp_view(live, self._policy) for live in cold.live if live.ramp is not None]
        if cold.experiment is not None:
            shown.append(experiment_view(cold.experiment, self._policy))
        documents = []
        for view in shown:
            before = known(COURSE, view["id"])
            points = json.loads(before)["points"] if before else []
            body = {**view, "scope": stored.state.scope, "at_ms": at_ms, "points": with_point(points, at_ms, view)}
            documents.append(
                Document(
                    kind=COURSE,
                    id=view["id"],
                    scope=stored.state.scope,
                    rank=at_ms,
                    version=version,
                    body=json.dumps(body),
                )
            )
        return documents


def stored_scope(scope: str, hot: str, cold: str | None) -> StoredScope:
    """A scope from the two bodies that are stored of it. Raises `UnreadableState`."""
    return load(scope, b64decode(hot), b64decode(cold) if cold is not None else None, generation=None)


def with_point(points: list[dict[str, Any]], at_ms: int, view: dict[str, Any]) -> list[dict[str, Any]]:
    """A course with one more point; of each slice of time the newest stays, at most `MAX_POINTS` in all."""
    told: dict[str, Any] = {
        name: view[name] for name in ("weight", "comparisons", "sample_ratio", "gain", "guards") if name in view
    }
    requests = {name: arm["requests"] for name, arm in view["arms"].items()}
    # Later ones stay: records may come again, and not each of them is drawn again.
    every = [point for point in points if point["at_ms"] != at_ms]
    every.append({"at_ms": at_ms, "requests": requests, **told})
    every.sort(key=lambda point: point["at_ms"])
    width = SLICE_MS
    while True:
        newest = {point["at_ms"] // width: point for point in every}
        if len(newest) <= MAX_POINTS:
            return list(newest.values())
        width *= 2


def letter_body(document: str) -> tuple[str, int, bytes | None, bytes | None, list[tuple[str, bytes]]]:
    """Where a dead letter came from (topic, partition), and its key, value and headers, untouched."""
    found = json.loads(document)
    key, value = (None if found[name] is None else b64decode(found[name]) for name in ("key", "value"))
    return found["topic"], found["partition"], key, value, [(name, b64decode(it)) for name, it in found["headers"]]


def _ranked(value: bytes) -> _Rank | None:
    try:
        return _rank.decode(value)
    except msgspec.MsgspecError:
        # Nothing the engine wrote; it refuses to start on it.
        return None


def _stored(key: bytes, rank: _Rank, value: bytes) -> Document:
    scope = key.removesuffix(COLD_SUFFIX).decode()
    return Document(
        kind=COLD if key.endswith(COLD_SUFFIX) else HOT,
        id=scope,
        scope=scope,
        version=_version(rank.epoch, rank.number),
        body=b64encode(value).decode(),
    )


def _budget(message: Message) -> Document | None:
    if b'"budget":{' not in message.value:
        return None
    try:
        insight = _budgeted.decode(message.value)
    except msgspec.MsgspecError:
        # The engine parks it.
        return None
    if insight.budget is None:
        return None
    body = {"scope": insight.scope, "at_ms": insight.at_ms, **to_builtins(insight.budget)}
    return Document(
        kind=BUDGET, id=insight.scope, scope=insight.scope, version=_version(insight.at_ms), body=json.dumps(body)
    )


def _letter(message: Message) -> Document | None:
    try:
        letter = read_headers(message.headers)
    except (KeyError, ValueError):
        return None
    untouched = [(name, value) for name, value in message.headers if not name.startswith(PREFIX)]
    body = {
        **to_builtins(letter),
        "id": letter.id,
        "key": None if message.key is None else b64encode(message.key).decode(),
        "value": b64encode(message.value).decode(),
        "headers": [(name, b64encode(value).decode()) for name, value in untouched],
    }
    return Document(
        kind=LETTER, id=letter.id, version=_version(message.offset), rank=letter.timestamp_ms, body=json.dumps(body)
    )


def _version(*numbers: int) -> str:
    """Compares as the numbers do."""
    return ".".join(f"{number:019d}" for number in numbers)


def _keep(found: dict[tuple[str, str], Document], document: Document | None) -> None:
    if document is None:
        return
    other = found.get((document.kind, document.id))
    if other is None or other.version <= document.version:
        found[document.kind, document.id] = document
