"""The API on a real Kafka: a proposal waits, is approved over HTTP, ramps, and is rolled back; the model survives."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from socket import socket
from typing import Any

import pytest
from msgspec.structs import replace

from decision_stream.model.command import Autonomy, SetAutonomy
from decision_stream.wire.codec import encode
from tests.factories import SCOPE, command, estimate, insight


def ask(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as fault:
        return fault.code, json.load(fault)


def until(what: str, found, seconds: float = 40.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (value := found()) is not None:
                return value
        except OSError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within {seconds:g} s")


def start_api(bench, port: int, database) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
        "DS_KAFKA__APP_ID": bench.app_id,
        "DS_KAFKA__PARTITIONS": str(bench.partitions),
        "DS_API__PORT": str(port),
        "DS_API__DATABASE": str(database),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "decision_stream", "api", "-b", bench.bootstrap_servers], env=environment
    )


def free_port() -> int:
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_a_proposal_is_approved_and_rolled_back_over_http(bench, tmp_path):
    bench.start_worker()
    cheaper = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
    # The engine's time is that of its events, and orders over HTTP are given now.
    now_ms = time.time_ns() // 1_000_000
    cautious = replace(command(0.1, SetAutonomy(level=Autonomy.APPROVE)), at_ms=now_ms - 10_000)
    await bench.publish("commands", [(SCOPE.encode(), encode(cautious))])
    port, database = free_port(), tmp_path / "model.sqlite"
    api = start_api(bench, port, database)
    try:
        until("the order of the operator", lambda: ask(port, "GET", "/api/v1/scopes")[1]["items"] or None)
        insights = [
            replace(insight(number, candidates=cheaper), at_ms=now_ms - 5_000 + 1_000 * number)
            for number in range(1, 4)
        ]
        await bench.publish("insights", [(SCOPE.encode(), encode(one)) for one in insights])
        (waiting,) = until("a proposal", lambda: ask(port, "GET", "/api/v1/approvals")[1]["items"] or None)
        assert waiting["kind"] == "model_switch" and waiting["proposal"]["evidence"]
        path = f"/api/v1/decisions/{waiting['id']}"
        status, taken = ask(port, "PUT", f"{path}/approve?wait=20", {"reason": "cheaper and as good"})
        assert (status, taken.get("verdict")) == (200, "applied"), taken
        assert ask(port, "GET", path)[1]["state"] in ("executing", "monitoring")
        orders = until("the first order", lambda: ask(port, "GET", path)[1]["orders"] or None)
        assert orders[0]["order"]["kind"] == "update_configuration"
        status, _ = ask(port, "POST", f"{path}/rollback?wait=20", {"reason": "not tonight"})
        assert status == 200
        assert ask(port, "GET", path)[1]["state"] == "rolling_back"
        before = ask(port, "GET", "/api/v1/statistics")[1]
    finally:
        api.terminate()
        assert api.wait(20) == 0
    database.unlink()
    rebuilt = start_api(bench, port, database)
    try:
        until("the rebuilt model", lambda: (ask(port, "GET", "/health")[1]["status"] == "ready") or None)
        assert ask(port, "GET", "/api/v1/statistics")[1] == before
    finally:
        rebuilt.terminate()
        rebuilt.wait(20)
