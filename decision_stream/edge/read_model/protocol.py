"""What a read model takes in and answers, whatever keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from msgspec import Struct

Position = tuple[str, int]
"""A topic without its prefix, and a partition."""


class Unavailable(Exception):
    """What keeps the model does not answer; nothing is known to have changed."""


class Rewound(Exception):
    """The model stands before where its writer left it: emptied, or set back to an older state."""


class Message(Struct, frozen=True, gc=False, kw_only=True):
    """A record of a topic, the topic without its prefix."""

    topic: str
    partition: int
    offset: int
    value: bytes
    key: bytes = b""
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which decisions: None is any. `before` is the cursor: (at_ms, id) of the last row seen."""

    tenants: frozenset[str] | None = None
    scope: str | None = None
    state: str | None = None
    kind: str | None = None
    strategy: str | None = None
    before: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How much is kept: the newest decisions of all scopes, the newest journal records of each scope, and so on.

    Of a stored scope and its budget there is one each; of courses and dead letters the newest are kept.
    """

    decisions: int = 100_000
    records: int = 1_000
    courses: int = 2_000
    letters: int = 1_000


KEY_S = 86_400
"""How long an idempotency key is remembered."""


class ReadModel(Protocol):
    """Tables to be asked, written by a projector; every question may raise `Unavailable`.

    Records may come again, and in any order between topics; the answers are the same.
    """

    def close(self) -> None:
        """Let go of files and connections."""

    def positions(self) -> dict[Position, int]:
        """Next offset wanted of each topic and partition seen so far."""

    def apply(self, messages: Iterable[Message], after: Mapping[Position, int] | None = None) -> int:
        """Take in records in the order of their offsets, all or none; returns how many were new.

        `after` is where the caller believes the model to stand at least. Raises `Rewound` when it stands before that,
        because the records between would be missing for ever.
        """

    def decisions(self, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        """Decisions, newest first, without their bodies."""

    def decision(self, identifier: str) -> dict[str, Any] | None:
        """A decision with its proposal, its record, its transitions and orders; None when it is not known."""

    def scopes(self, tenants: frozenset[str] | None, after: str = "", limit: int = 1_000) -> list[dict[str, Any]]:
        """Scopes by name, past the name `after`: when they were last heard of, how many events they applied."""

    def audit(self, scope: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Journal records of a scope, newest first, below a sequence number."""

    def verdict(self, event_id: str) -> dict[str, Any] | None:
        """The journal record of an event; None while it was not applied, and when its record is no longer kept.

        Redis finds an event for a day, and the verdict on an order of somebody as long even if its record is gone.
        """

    def statistics(self, tenants: frozenset[str] | None) -> dict[str, Any]:
        """Counts of decisions by state, kind and strategy."""

    def document(self, kind: str, identifier: str) -> str | None:
        """The body of a document (`documents.py`); None when there is none."""

    def documents(
        self, kind: str, tenants: frozenset[str] | None, before: tuple[int, str] | None, limit: int
    ) -> list[tuple[int, str, str]]:
        """Rank, id and body of documents, highest rank first, below `before`."""

    def claim(self, key: str, content: str, now_s: float) -> str:
        """Keep `content` under an idempotency key for a day, unless something is kept there: then that is returned."""
