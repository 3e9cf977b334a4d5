"""A Redis for the tests of this folder: REDIS_URL, or a server of their own."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import used_services
from tests.edge.redis_server import RedisServer, binary


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One Redis for all tests that only need it to be there."""
    if external := os.environ.get("REDIS_URL"):
        used_services.append("Redis: external")
        yield external
        return
    server = RedisServer()
    server.start()
    used_services.append(f"Redis: {binary()}")
    try:
        yield server.url
    finally:
        server.kill()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that may be broken; not begun yet."""
    server = RedisServer()
    try:
        yield server
    finally:
        server.kill()
