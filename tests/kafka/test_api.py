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

CHEAPER = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


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


def environment(bench, port: int, database, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
        "DS_KAFKA__APP_ID": bench.app_id,
        "DS_KAFKA__PARTITIONS": str(bench.partitions),
        "DS_API__PORT": str(port),
        "DS_API__DATABASE": str(database),
        **more,
    }


def start_api(bench, port: int, database, **more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "decision_stream", "api", "-b", bench.bootstrap_servers],
        env=environment(bench, port, database, **more),
    )


def free_port() -> int:
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


async def test_a_proposal_is_approved_and_rolled_back_over_http(bench, tmp_path):
    bench.start_worker()
    # The engine's time is that of its events, and orders over HTTP are given now.
    now_ms = time.time_ns() // 1_000_000
    cautious = replace(command(0.1, SetAutonomy(level=Autonomy.APPROVE)), at_ms=now_ms - 10_000)
    await bench.publish("commands", [(SCOPE.encode(), encode(cautious))])
    port, database = free_port(), tmp_path / "model.sqlite"
    api = start_api(bench, port, database)
    try:
        until("the order of the operator", lambda: ask(port, "GET", "/api/v1/scopes")[1]["items"] or None)
        insights = [
            replace(insight(number, candidates=CHEAPER), at_ms=now_ms - 5_000 + 1_000 * number)
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


async def test_a_worker_serves_the_api_in_its_own_process(bench, tmp_path):
    port = free_port()
    cohosting = environment(
        bench, port, tmp_path / "model.sqlite",
        DS_API__COHOST="true", DS_SAFETY__AUTONOMY="approve", DS_MONITORING__METRICS_PORT="0",
    )  # fmt: skip
    command_line = [sys.executable, "-m", "decision_stream", "run", "-b", bench.bootstrap_servers]
    worker = subprocess.Popen(command_line, env=cohosting)
    bench.workers.append(worker)
    until("the read model", lambda: (ask(port, "GET", "/health")[1]["status"] == "ready") or None)
    now_ms = time.time_ns() // 1_000_000
    insights = [replace(insight(n, candidates=CHEAPER), at_ms=now_ms - 5_000 + 1_000 * n) for n in range(1, 4)]
    await bench.publish("insights", [(SCOPE.encode(), encode(one)) for one in insights])
    (waiting,) = until("a proposal", lambda: ask(port, "GET", "/api/v1/approvals")[1]["items"] or None)
    status, taken = ask(port, "PUT", f"/api/v1/decisions/{waiting['id']}/approve?wait=20", {})
    assert (status, taken.get("verdict")) == (200, "applied"), taken
    # A second one on this machine cannot have the port, and says so before it joins the group.
    second = subprocess.run(command_line, env=cohosting, capture_output=True, text=True, timeout=60)
    assert second.returncode == 3 and "api cannot be served" in second.stderr and "Traceback" not in second.stderr
    worker.terminate()
    assert worker.wait(20) == 0
    with pytest.raises(OSError):
        ask(port, "GET", "/health")


def test_an_api_that_cannot_begin_says_why(bench, tmp_path):
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (tmp_path / "none").write_bytes(b"no database " * 200)
        for other_port, database, told in (
            (port, tmp_path / "model", f"cannot listen on 127.0.0.1:{port}"),
            (0, tmp_path / "none", "delete it"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "decision_stream", "api", "-b", bench.bootstrap_servers],
                env=environment(bench, other_port, database),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr
