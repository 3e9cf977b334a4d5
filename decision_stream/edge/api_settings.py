"""Settings of the REST API."""

from datetime import datetime
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from ..model.scalars import Name

MIN_SECRET = 16
SECRET = {"secret": True}
"""Marks a setting that is repeated in no message and shown by no command."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiToken(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A caller: the SHA-256 of the secret (never the secret), its role, and the tenants it may see; none is all.

    A secret is replaced by a second entry of the same name; both are valid until the first is taken out or expires.
    """

    # Names the caller in the audit trail, as `user:<name>`.
    name: Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9._@-]+$(?!\n)")]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    role: Literal["viewer", "analyst", "operator", "admin"] = "viewer"
    tenants: tuple[Name, ...] = ()
    # Such as 2027-01-31T00:00:00Z; without it the secret is valid until it is taken out.
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class WebhookSettings(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Where to tell of pending approvals and of rollbacks."""

    # Empty: nobody is told. https, or http to this machine.
    url: Annotated[str, Meta(max_length=2_000, extra=SECRET)] = ""
    # Signs what is told (HMAC-SHA256): 16 characters at least, or `whsec_` and base64. Never told itself, best set by
    # DS_API__WEBHOOK__SECRET.
    secret: Annotated[str, Meta(max_length=500, extra=SECRET)] = ""
    # For one attempt; an answer that redirects counts as a failure.
    timeout_s: Annotated[float, Meta(gt=0.0, le=60.0)] = 5.0
    # A message that cannot be delivered for so long is given up with an error in the log.
    give_up_s: Annotated[float, Meta(gt=0.0, le=86_400.0)] = 3_600.0

    def __post_init__(self) -> None:
        if not self.url:
            return
        # Neither is repeated in a message: both may be secret.
        try:
            found = urlsplit(self.url)
            scheme, host, _ = found.scheme, found.hostname or "", found.port
        except ValueError:
            scheme, host = "", ""
        if not host or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
            raise ValueError("url must begin with https, or with http and name this machine")
        if len(self.secret) < MIN_SECRET:
            raise ValueError(f"a webhook needs a secret of {MIN_SECRET} characters at least")

    def __repr__(self) -> str:
        """Without the secret; the URL may hold one too."""
        return f"WebhookSettings(told={bool(self.url)})"


class ApiSettings(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The REST API and its read model."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8_080
    # The read model; it is rebuilt from the topics when it is deleted.
    database: Annotated[str, Meta(min_length=1)] = ".decision_stream/read-model.sqlite"
    # Empty: SQLite. Otherwise the read model is kept in this Redis, redis://[:password@]host:port/0, which several
    # API processes may share. It may hold a password: it is never told, and best set by DS_API__REDIS_URL.
    redis_url: Annotated[str, Meta(max_length=1_000, extra=SECRET)] = ""
    # The newest decisions of all scopes, and the newest journal records of each scope; older ones are in the topics.
    keep_decisions: Annotated[int, Meta(ge=10, le=10_000_000)] = 100_000
    keep_records: Annotated[int, Meta(ge=10, le=1_000_000)] = 1_000
    # Without tokens only a loopback address is accepted.
    tokens: Annotated[tuple[ApiToken, ...], Meta(extra=SECRET)] = ()
    # Rows of one page at most.
    max_page: Annotated[int, Meta(ge=1, le=1_000)] = 200
    # The time that orders carry: the wall's, or, where events are played faster than the wall's clock or from the past,
    # that of the scope's newest event (`events`).
    clock: Literal["wall", "events"] = "wall"
    # Of an order; submitted insights may have sixteen times as much. Both must arrive within the timeout.
    max_body_bytes: Annotated[int, Meta(ge=100, le=1_000_000)] = 16_384
    body_timeout_s: Annotated[float, Meta(gt=0.0, le=600.0)] = 10.0
    # Requests per second of one token, and orders per second to one scope; in each API process.
    max_requests_per_s: Annotated[float, Meta(ge=1.0, le=1e6)] = 50.0
    max_orders_per_s: Annotated[float, Meta(ge=1.0, le=1e6)] = 5.0
    # Failed tokens per minute after which an address is refused for the rest of it.
    max_failed_tokens: Annotated[int, Meta(ge=1, le=10_000)] = 10
    # Open connections, and pages among them that listen for news.
    max_connections: Annotated[int, Meta(ge=10, le=100_000)] = 1_500
    max_listeners: Annotated[int, Meta(ge=1, le=100_000)] = 200
    # A connection must begin with a whole request within this, and is closed when it is idle for longer.
    header_timeout_s: Annotated[float, Meta(gt=0.0, le=600.0)] = 5.0
    keep_alive_s: Annotated[int, Meta(ge=1, le=3_600)] = 75
    # Serve the API inside the worker's process as well.
    cohost: bool = False
    webhook: WebhookSettings = WebhookSettings()

    def __repr__(self) -> str:
        """Without tokens and the address of Redis."""
        return f"ApiSettings(host={self.host!r}, port={self.port}, redis={bool(self.redis_url)})"
