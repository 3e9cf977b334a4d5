"""The webhook on a real Kafka: a receiver that fails, an API that is killed meanwhile, and two that share the work."""

import base64
import hmac
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from msgspec.structs import replace

from decision_stream.model.command import Autonomy, SetAutonomy
from decision_stream.wire.codec import encode
from tests.factories import command, insight
from tests.kafka.test_api import CHEAPER, ask, free_port, start_api, until

SECRET = "sixteen characters or more"
SCOPES = [f"acme/hooked/{number}" for number in range(6)]


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent; answers 503 until it is healed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_healthy = False
        self.refused = 0
        self.taken: list[tuple[dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/hook"

    def told(self) -> list[dict]:
        """The messages that were taken."""
        return [json.loads(body) for _, body in self.taken]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.is_healthy:
            self.server.taken.append((dict(self.headers), body))
        else:
            self.server.refused += 1
        self.send_response(204 if self.server.is_healthy else 503)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Silent."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


async def test_everything_is_told_though_the_receiver_fails_and_the_api_is_killed(bench, receiver, tmp_path):
    bench.start_worker()
    now_ms = time.time_ns() // 1_000_000
    hook = {"DS_API__WEBHOOK__URL": receiver.url, "DS_API__WEBHOOK__SECRET": SECRET}
    ports = [free_port(), free_port()]
    apis = [start_api(bench, ports[0], tmp_path / "one", **hook)]
    try:
        until("the read model", lambda: (ask(ports[0], "GET", "/health")[1]["status"] == "ready") or None)
        cautious = [replace(command(0.1, SetAutonomy(level=Autonomy.APPROVE), scope=it), at_ms=now_ms) for it in SCOPES]
        await bench.publish("commands", [(one.scope.encode(), encode(one)) for one in cautious])
        await bench.wait_for("journal", lambda found: len(found) >= len(SCOPES))
        insights = [
            replace(insight(minute, scope=scope, candidates=CHEAPER), at_ms=now_ms + 1_000 * minute)
            for minute in range(1, 4)
            for scope in SCOPES
        ]
        await bench.publish("insights", [(one.scope.encode(), encode(one)) for one in insights])
        until("attempts", lambda: receiver.refused >= 2 or None)
        apis[0].send_signal(signal.SIGKILL)
        apis[0].wait()
        assert receiver.taken == []
        receiver.is_healthy = True
        # Two share the partitions now.
        apis += [start_api(bench, port, tmp_path / f"{port}", **hook) for port in ports]
        until("all messages", lambda: len({it["scope"] for it in receiver.told()}) == len(SCOPES) or None, 60)
        assert {it["kind"] for it in receiver.told()} == {"approval_due"}
        identifier = receiver.told()[0]["decision_id"]
        path = f"/api/v1/decisions/{identifier}"
        assert ask(ports[1], "PUT", f"{path}/approve?wait=20", {})[0] == 200
        assert ask(ports[1], "POST", f"{path}/rollback?wait=20", {"reason": "not tonight"})[0] == 200
        until("the rollback", lambda: any(it["kind"] == "rollback_begun" for it in receiver.told()) or None)
        rollback = next(it for it in receiver.told() if it["kind"] == "rollback_begun")
        assert rollback["decision_id"] == identifier and rollback["actor"] == "user:local"
        assert "not tonight" in rollback["reason"]
        for headers, body in receiver.taken:
            told = {name.lower(): value for name, value in headers.items()}
            signed = b".".join((told["webhook-id"].encode(), told["webhook-timestamp"].encode(), body))
            mac = base64.b64encode(hmac.new(SECRET.encode(), signed, sha256).digest()).decode()
            assert told["webhook-signature"] == f"v1,{mac}"
        # A message may come again when partitions move, always under its own id.
        assert max(Counter(it["id"] for it in receiver.told()).values()) <= 2
    finally:
        for api in apis:
            api.kill()
            api.wait()
