"""The read model in SQLite, for one machine: one file, one writer.

Every record is taken in once: its offset is stored in the same transaction, and a repeated record
with another offset changes nothing, because rows are keyed by what they say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from ...model.policy import Policy
from .documents import COURSE, LETTER, Document, Documents
from .protocol import KEY_S, Filter, Keep, Message, Position, Rewound, Unavailable
from .said import Applied, Move, Ordered, Proposed, read

_TABLES = """
CREATE TABLE IF NOT EXISTS positions (topic TEXT, part INTEGER, next INTEGER, PRIMARY KEY (topic, part));
CREATE TABLE IF NOT EXISTS journal (
  scope TEXT, sequence INTEGER, at_ms INTEGER, stage TEXT, verdict TEXT, event_id TEXT, body TEXT,
  PRIMARY KEY (scope, sequence));
CREATE INDEX IF NOT EXISTS journal_event ON journal (event_id);
CREATE TABLE IF NOT EXISTS decisions (
  id TEXT PRIMARY KEY, scope TEXT, at_ms INTEGER, kind TEXT, strategy TEXT, state TEXT, proposal TEXT, decision TEXT);
CREATE INDEX IF NOT EXISTS decisions_newest ON decisions (at_ms DESC, id DESC);
CREATE TABLE IF NOT EXISTS transitions (
  decision_id TEXT, at_ms INTEGER, scope TEXT, sequence INTEGER, place INTEGER, from_state TEXT, to_state TEXT,
  reason TEXT, actor TEXT, PRIMARY KEY (scope, sequence, place));
CREATE INDEX IF NOT EXISTS transitions_decision ON transitions (decision_id);
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, decision_id TEXT, step INTEGER, at_ms INTEGER, body TEXT);
CREATE TABLE IF NOT EXISTS floor (place INTEGER PRIMARY KEY CHECK (place = 0), at_ms INTEGER, id TEXT);
CREATE TABLE IF NOT EXISTS scopes (scope TEXT PRIMARY KEY, at_ms INTEGER, events INTEGER);
CREATE TABLE IF NOT EXISTS documents (
  kind TEXT, id TEXT, scope TEXT, rank INTEGER, version TEXT, body TEXT, PRIMARY KEY (kind, id));
CREATE INDEX IF NOT EXISTS documents_rank ON documents (kind, rank DESC, id DESC);
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, content TEXT, until_s REAL);
CREATE INDEX IF NOT EXISTS keys_until ON keys (until_s);
CREATE INDEX IF NOT EXISTS orders_decision ON orders (decision_id);
"""


class SqliteReadModel:
    """`path` of None keeps it in memory, for tests. Raises `Unavailable` for a file that is something else."""

    def __init__(self, path: Path | None = None, keep: Keep | None = None, policy: Policy | None = None) -> None:
        self._keep = keep or Keep()
        self._drawing = Documents(policy)
        self._db = sqlite3.connect(str(path) if path else ":memory:", check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._lock = Lock()
        with self._asking():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def positions(self) -> dict[Position, int]:
        """Next offset wanted of each topic and partition seen so far."""
        return {(row["topic"], row["part"]): row["next"] for row in self._ask("SELECT * FROM positions")}

    def apply(self, messages: Iterable[Message], after: Mapping[Position, int] | None = None) -> int:
        """Take in records in the order of their offsets, all or none; returns how many were new."""
        messages = list(messages)
        try:
            return self._applied(messages, after or {})
        except Exception:
            self._drawing.forget()
            raise

    def _applied(self, messages: list[Message], after: Mapping[Position, int]) -> int:
        new, documents = 0, self._drawing.of(messages, self.document)
        with self._asking():
            known = {(row["topic"], row["part"]): row["next"] for row in self._db.execute("SELECT * FROM positions")}
            if any(known.get(place, 0) < next_ for place, next_ in after.items()):
                raise Rewound("the read model was emptied or set back")
            records: list[tuple[Applied, bytes]] = []
            for message in messages:
                place = (message.topic, message.partition)
                if message.offset < known.get(place, 0):
                    continue
                known[place] = message.offset + 1
                new += 1
                match read(message):
                    case Applied() as applied:
                        records.append((applied, message.value))
                    case Proposed() as proposed:
                        self._proposal(proposed, message.value)
                    case Ordered() as ordered:
                        self._order(ordered, message.value)
            self._journal(records)
            self._put(documents)
            self._forget({applied.scope for applied, _ in records})
            self._db.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)", [(*place, next_) for place, next_ in known.items()]
            )
        return new

    def decisions(self, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        """Decisions, newest first, without their bodies."""
        where, values = ["TRUE"], []
        for column in ("scope", "state", "kind", "strategy"):
            if (value := getattr(wanted, column)) is not None:
                where.append(f"{column} = ?")
                values.append(value)
        if wanted.before is not None:
            where.append("(at_ms, id) < (?, ?)")
            values += wanted.before
        _within(wanted.tenants, where, values)
        rows = self._ask(
            "SELECT id, scope, at_ms, kind, strategy, state FROM decisions "
            f"WHERE {' AND '.join(where)} ORDER BY at_ms DESC, id DESC LIMIT ?",
            (*values, limit),
        )
        return [dict(row) for row in rows]

    def decision(self, identifier: str) -> dict[str, Any] | None:
        """A decision with its proposal, its record, its transitions and orders; None when it is not known."""
        rows = self._ask("SELECT * FROM decisions WHERE id = ?", (identifier,))
        if not rows:
            return None
        found = dict(rows[0])
        for body in ("proposal", "decision"):
            found[body] = json.loads(found[body]) if found[body] else None
        moves = self._ask(
            "SELECT at_ms, from_state, to_state, reason, actor FROM transitions "
            "WHERE decision_id = ? ORDER BY scope, sequence, place",
            (identifier,),
        )
        orders = self._ask("SELECT body FROM orders WHERE decision_id = ? ORDER BY step", (identifier,))
        found["transitions"] = [dict(row) for row in moves]
        found["orders"] = [
            {key: order[key] for key in ("id", "at_ms", "step", "order")}
            for order in (json.loads(row["body"]) for row in orders)
        ]
        return found

    def scopes(self, tenants: frozenset[str] | None, after: str = "", limit: int = 1_000) -> list[dict[str, Any]]:
        """Scopes by name, past the name `after`: when they were last heard of, how many events they applied."""
        where, values = ["scope > ?"], [after]
        _within(tenants, where, values)
        rows = self._ask(
            f"SELECT scope, at_ms, events FROM scopes WHERE {' AND '.join(where)} ORDER BY scope LIMIT ?",
            (*values, limit),
        )
        return [dict(row) for row in rows]

    def audit(self, scope: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Journal records of a scope, newest first, below a sequence number."""
        rows = self._ask(
            "SELECT body FROM journal WHERE scope = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?",
            (scope, before if before is not None else 2**62, limit),
        )
        return [json.loads(row["body"]) for row in rows]

    def verdict(self, event_id: str) -> dict[str, Any] | None:
        """The journal record of an event; None while it was not applied."""
        rows = self._ask("SELECT body FROM journal WHERE event_id = ? ORDER BY sequence LIMIT 1", (event_id,))
        return json.loads(rows[0]["body"]) if rows else None

    def statistics(self, tenants: frozenset[str] | None) -> dict[str, Any]:
        """Counts of decisions by state, kind and strategy."""
        where: list[str] = ["TRUE"]
        values: list[Any] = []
        _within(tenants, where, values)
        counts: dict[str, Any] = {}
        for column in ("state", "kind", "strategy"):
            rows = self._ask(
                f"SELECT {column} AS name, COUNT(*) AS count FROM decisions WHERE {' AND '.join(where)} "
                f"GROUP BY {column} ORDER BY {column}",
                tuple(values),
            )
            counts[f"by_{column}"] = {row["name"]: row["count"] for row in rows}
        return {"decisions": sum(counts["by_state"].values()), **counts}

    def document(self, kind: str, identifier: str) -> str | None:
        """The body of a document; None when there is none."""
        rows = self._ask("SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, identifier))
        return rows[0]["body"] if rows else None

    def documents(
        self, kind: str, tenants: frozenset[str] | None, before: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str, str]]:
        """Rank, id and body of documents, highest rank first, below `before`."""
        where: list[str] = ["kind = ?"]
        values: list[Any] = [kind]
        if before is not None:
            where.append("(rank, id) < (?, ?)")
            values += before
        _within(tenants, where, values)
        rows = self._ask(
            f"SELECT rank, id, body FROM documents WHERE {' AND '.join(where)} ORDER BY rank DESC, id DESC LIMIT ?",
            (*values, limit),
        )
        return [tuple(row) for row in rows]

    def claim(self, key: str, content: str, now_s: float) -> str:
        """Keep `content` under an idempotency key for a day, unless something is kept there: then that is returned."""
        with self._asking():
            self._db.execute("DELETE FROM keys WHERE until_s <= ?", (now_s,))
            self._db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?, ?)", (key, content, now_s + KEY_S))
            return str(self._db.execute("SELECT content FROM keys WHERE key = ?", (key,)).fetchone()[0])

    def _put(self, documents: Iterable[Document]) -> None:
        self._db.executemany(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET "
            "rank = excluded.rank, version = excluded.version, body = excluded.body "
            "WHERE excluded.version >= documents.version",
            [(it.kind, it.id, it.scope, it.rank, it.version, it.body) for it in documents],
        )
        for kind, kept in ((COURSE, self._keep.courses), (LETTER, self._keep.letters)):
            if any(it.kind == kind for it in documents):
                self._db.execute(
                    "DELETE FROM documents WHERE kind = ?1 AND id IN (SELECT id FROM documents WHERE kind = ?1 "
                    "ORDER BY rank DESC, id DESC LIMIT -1 OFFSET ?2)",
                    (kind, kept),
                )

    def _ask(self, query: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._asking():
            return self._db.execute(query, values).fetchall()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One at a time and whole or not at all; a full disk, a locked or a broken file is told as `Unavailable`."""
        try:
            with self._lock, self._db:
                yield
        except sqlite3.DatabaseError as fault:
            raise Unavailable(f"the read model cannot be used: {fault}") from None

    def _journal(self, records: list[tuple[Applied, bytes]]) -> None:
        heard: dict[str, tuple[int, int]] = {}
        for it, _ in records:
            at_ms, events = heard.get(it.scope, (it.at_ms, it.sequence))
            heard[it.scope] = (max(at_ms, it.at_ms), max(events, it.sequence))
        self._db.executemany(
            "INSERT INTO scopes VALUES (?, ?, ?) ON CONFLICT (scope) DO UPDATE SET "
            "at_ms = MAX(at_ms, excluded.at_ms), events = MAX(events, excluded.events)",
            [(scope, *it) for scope, it in heard.items()],
        )
        self._db.executemany(
            "INSERT OR IGNORE INTO journal VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (it.scope, it.sequence, it.at_ms, it.stage, it.verdict, it.event_id, body.decode(errors="replace"))
                for it, body in records
            ],
        )
        for it, _ in records:
            for place, move in enumerate(it.transitions):
                self._move(it, place, move)

    def _move(self, record: Applied, place: int, move: Move) -> None:
        if not self._known(move.decision_id, record.scope, move.at_ms, first=move.is_first):
            return
        told = (move.from_state, move.to_state, move.reason, record.actor)
        self._db.execute(
            "INSERT OR IGNORE INTO transitions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (move.decision_id, move.at_ms, record.scope, record.sequence, place, *told),
        )
        self._db.execute(
            "UPDATE decisions SET state = (SELECT to_state FROM transitions WHERE decision_id = ?1 "
            "ORDER BY sequence DESC, place DESC LIMIT 1) WHERE id = ?1",
            (move.decision_id,),
        )

    def _proposal(self, proposal: Proposed, body: bytes) -> None:
        if not self._known(proposal.decision_id, proposal.scope, proposal.at_ms):
            return
        self._db.execute(
            "UPDATE decisions SET kind = ?, strategy = ?, proposal = ? WHERE id = ?",
            (proposal.decision.kind, proposal.strategy, body.decode(errors="replace"), proposal.decision_id),
        )

    def _order(self, order: Ordered, body: bytes) -> None:
        it = order.decision
        if not self._known(it.id, order.scope, it.at_ms):
            return
        self._db.execute(
            "UPDATE decisions SET kind = ?, strategy = ?, decision = ? WHERE id = ?",
            (it.decision.kind, it.strategy, order.body.decode(), it.id),
        )
        self._db.execute(
            "INSERT OR IGNORE INTO orders VALUES (?, ?, ?, ?, ?)",
            (order.id, it.id, order.step, order.at_ms, body.decode(errors="replace")),
        )

    def _known(self, identifier: str, scope: str, at_ms: int, first: bool = True) -> bool:
        """A row to fill: topics have no order between them, so any of them may speak of a decision first.

        False for a decision that is too old to be kept. Once some were let go, a later move (not `first`) of an unknown
        decision is one of those: its own time says nothing of how old the decision is.
        """
        # Its time is the earliest that is told of it: a later move may be heard of first.
        known = self._db.execute("UPDATE decisions SET at_ms = MIN(at_ms, ?) WHERE id = ?", (at_ms, identifier))
        if known.rowcount:
            return True
        floor = self._db.execute("SELECT at_ms, id FROM floor").fetchone()
        if floor is not None and (not first or (at_ms, identifier) <= tuple(floor)):
            return False
        self._db.execute(
            "INSERT INTO decisions (id, scope, at_ms, kind, strategy, state) VALUES (?, ?, ?, '', '', 'pending')",
            (identifier, scope, at_ms),
        )
        return True

    def _forget(self, scopes: Iterable[str]) -> None:
        """Let go of what is beyond the bounds, and remember where the oldest decision that is kept begins."""
        for scope in sorted(scopes):
            self._db.execute(
                "DELETE FROM journal WHERE scope = ?1 "
                "AND sequence <= (SELECT MAX(sequence) FROM journal WHERE scope = ?1) - ?2",
                (scope, self._keep.records),
            )
        newest_gone = self._db.execute(
            "SELECT at_ms, id FROM decisions ORDER BY at_ms DESC, id DESC LIMIT 1 OFFSET ?", (self._keep.decisions,)
        ).fetchone()
        if newest_gone is None:
            return
        self._db.execute("INSERT OR REPLACE INTO floor VALUES (0, ?, ?)", tuple(newest_gone))
        gone = "(SELECT id FROM decisions WHERE (at_ms, id) <= (?, ?))"
        for table, column in (("transitions", "decision_id"), ("orders", "decision_id"), ("decisions", "id")):
            self._db.execute(f"DELETE FROM {table} WHERE {column} IN {gone}", tuple(newest_gone))


def _within(tenants: frozenset[str] | None, where: list[str], values: list[Any]) -> None:
    """Only scopes of these tenants: the part before the first slash."""
    if tenants is None:
        return
    marks = ", ".join("?" * len(tenants))
    where.append(f"substr(scope, 1, instr(scope || '/', '/') - 1) IN ({marks})")
    values += sorted(tenants)
