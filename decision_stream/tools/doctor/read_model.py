"""The API's settings, and what keeps its read model."""

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from redis import Redis, RedisError

from ...edge.api.access import Unprotected, check_bind
from ...edge.api_settings import ApiSettings
from .finding import Finding, fail, ok, warn

TIMEOUT_S = 3.0
NEARLY_FULL = 0.9
LITTLE_BYTES = 256 << 20


def api_of(settings: ApiSettings) -> Iterable[Finding]:
    """An address without tokens, and tokens that have expired."""
    try:
        check_bind(settings)
    except Unprotected as fault:
        yield fail("api", str(fault), "`decision-stream api --new-token NAME`")
    now = datetime.now(UTC)
    for token in settings.tokens:
        if token.expires_at is not None and token.expires_at <= now:
            yield warn("api", f"the token of {token.name} has expired", "`decision-stream api --new-token NAME`")


def read_model(settings: ApiSettings) -> list[Finding]:
    """Whether it can be kept where the settings say."""
    return _redis(settings.redis_url) if settings.redis_url else _sqlite(Path(settings.database))


def _redis(url: str) -> list[Finding]:
    """Never tells the URL, which may hold a password; nor what Redis' client says of it."""
    try:
        client = Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=None)
    except ValueError:
        return [fail("redis", "api.redis_url is no URL", "redis://[:password@]host:port/0")]
    with closing(client):
        try:
            told = client.info()
        except RedisError as fault:
            return [
                fail(
                    "redis",
                    f"no answer: {type(fault).__name__}; decisions go on, the API answers 503",
                    "start it, or mend DS_API__REDIS_URL",
                )
            ]
    found = [ok("redis", f"Redis {told['redis_version']}, {told['used_memory_human']} used")]
    policy, most = told.get("maxmemory_policy", "noeviction"), int(told.get("maxmemory", 0))
    if most and policy != "noeviction":
        found.append(
            warn("redis", f"maxmemory-policy is {policy}: parts of the read model would vanish", "set it to noeviction")
        )
    if most and int(told["used_memory"]) > NEARLY_FULL * most:
        found.append(
            warn("redis", f"more than {NEARLY_FULL:.0%} of its memory is used", "raise maxmemory, or lower api.keep_*")
        )
    return found


def _sqlite(path: Path) -> list[Finding]:
    place = next(parent for parent in (path, *path.parents) if parent.exists())
    if not os.access(place, os.W_OK):
        return [fail("read model", f"{place} cannot be written", "api.database names a place of the API's own")]
    free = shutil.disk_usage(place).free
    if free < LITTLE_BYTES:
        return [warn("read model", f"{free >> 20} MiB are free at {place}", "make room, or lower api.keep_*")]
    if not path.exists():
        return [ok("read model", f"SQLite, {path} is made and filled by the API's first start")]
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=TIMEOUT_S)) as database:
            (scopes,) = database.execute("SELECT COUNT(*) FROM scopes").fetchone()
    except sqlite3.Error as fault:
        return [fail("read model", f"{path}: {fault}", "delete it; it is filled again from the topics")]
    return [ok("read model", f"SQLite, {path}, {scopes} scope(s)")]
