"""Tokens of every role, tenant and state, and a dead letter to look at, for tests of the API."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from decision_stream.edge.api_settings import ApiToken
from decision_stream.edge.read_model import Message, ReadModel
from decision_stream.model.dead_letter import DeadLetter, ReasonCode
from decision_stream.wire.dead_letters import headers_of

NOW = datetime.now(UTC)


def token(name: str, role: str, tenants: tuple[str, ...] = (), expires_at: datetime | None = None) -> ApiToken:
    """A token whose secret is its name."""
    return ApiToken(
        name=name, sha256=sha256(name.encode()).hexdigest(), role=role, tenants=tenants, expires_at=expires_at
    )


TOKENS = (
    token("vera", "viewer", ("acme", "globex")),
    token("ana", "analyst", ("acme", "globex")),
    token("otto", "operator", ("acme", "globex")),
    token("ada", "admin"),
    token("tess", "admin", ("acme", "globex")),
    token("fiona", "viewer", ("initech",)),
    token("felix", "admin", ("initech",)),
    token("late", "admin", expires_at=NOW - timedelta(seconds=1)),
    token("soon", "admin", expires_at=NOW + timedelta(hours=1)),
)


def auth(name: str) -> dict[str, str]:
    """The header of this caller."""
    return {"Authorization": f"Bearer {name}"}


def with_letter(model: ReadModel, topic: str = "ds.insights") -> str:
    """Put a dead letter into the model; its id."""
    letter = DeadLetter(
        topic=topic, partition=3, offset=7, timestamp_ms=1, code=ReasonCode.NOT_JSON, reason="x", engine_version="1"
    )
    headers = tuple(headers_of(letter, [("traceparent", b"00-1")]))
    model.apply([Message(topic="dead-letters", partition=0, offset=7, value=b"{", key=b"k", headers=headers)])
    return letter.id
