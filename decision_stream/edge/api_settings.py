"""Settings of the REST API."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..model.scalars import Name


class ApiToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A caller: the SHA-256 of the secret (never the secret), its role, and the tenants it may see; none is all."""

    name: Name
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    role: Literal["viewer", "analyst", "operator", "admin"] = "viewer"
    tenants: tuple[Name, ...] = ()


class ApiSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The REST API and its read model."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8_080
    # The read model; it is rebuilt from the topics when it is deleted.
    database: Annotated[str, Meta(min_length=1)] = ".decision_stream/read-model.sqlite"
    # Empty: SQLite. Otherwise the read model is kept in this Redis, redis://[:password@]host:port/0, which several
    # API processes may share. It may hold a password: it is never told, and best set by DS_API__REDIS_URL.
    redis_url: Annotated[str, Meta(max_length=1_000)] = ""
    # The newest decisions of all scopes, and the newest journal records of each scope; older ones are in the topics.
    keep_decisions: Annotated[int, Meta(ge=10, le=10_000_000)] = 100_000
    keep_records: Annotated[int, Meta(ge=10, le=1_000_000)] = 1_000
    # Without tokens only a loopback address is accepted.
    tokens: tuple[ApiToken, ...] = ()
    # Rows of one page at most.
    max_page: Annotated[int, Meta(ge=1, le=1_000)] = 200
    # The time that orders carry: the wall's, or, where events are played faster than the wall's clock or from the past,
    # that of the scope's newest event (`events`).
    clock: Literal["wall", "events"] = "wall"
    max_body_bytes: Annotated[int, Meta(ge=100, le=1_000_000)] = 16_384

    def __repr__(self) -> str:
        """Without tokens and the address of Redis."""
        return f"ApiSettings(host={self.host!r}, port={self.port}, redis={bool(self.redis_url)})"
