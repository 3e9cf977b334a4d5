"""Who may ask and order what: tokens, roles and tenants."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from hashlib import sha256

from ..api_settings import ApiSettings, ApiToken, is_loopback


class Role(IntEnum):
    """Rising rights: look; submit insights; order about decisions and scopes; everything."""

    VIEWER = 1
    ANALYST = 2
    OPERATOR = 3
    ADMIN = 4


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `tenants` of None may see all."""

    name: str
    role: Role
    tenants: frozenset[str] | None

    @property
    def actor(self) -> str:
        """As the audit trail names the caller."""
        return f"user:{self.name}"

    def may_see(self, scope: str) -> bool:
        """Whether the scope belongs to one of the caller's tenants."""
        return self.tenants is None or scope.split("/", 1)[0] in self.tenants


LOCAL = Caller("local", Role.ADMIN, None)
"""Whoever reaches a loopback listener without tokens configured."""


class Unprotected(Exception):
    """The API would listen to the network without tokens."""


def check_bind(settings: ApiSettings) -> None:
    """Raise `Unprotected` for an address others can reach while no token is configured."""
    if settings.tokens or is_loopback(settings.host):
        return
    raise Unprotected(
        f"api.host is {settings.host}, which others can reach, and api.tokens is empty; "
        "add a token (`decision-stream api --new-token NAME`) or listen on 127.0.0.1"
    )


def caller_of(authorization: str | None, settings: ApiSettings, now: datetime | None = None) -> Caller | None:
    """The caller of a request by its Authorization header; None for a missing, unknown or expired token."""
    if not settings.tokens:
        return LOCAL
    scheme, _, secret = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        return None
    digest = sha256(secret.strip().encode()).hexdigest()
    # Every token is compared, in constant time: how long it takes tells nothing.
    found: ApiToken | None = None
    for token in settings.tokens:
        if hmac.compare_digest(token.sha256, digest):
            found = token
    if found is None or (found.expires_at is not None and (now or datetime.now(UTC)) >= found.expires_at):
        return None
    return Caller(found.name, Role[found.role.upper()], frozenset(found.tenants) if found.tenants else None)
