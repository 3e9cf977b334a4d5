"""The commands against a real Kafka: a worker with its probes, a refusal to start, a demo that is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from decision_stream.broker.embedded import free_port
from decision_stream.broker.topics import apply_now, topic_table
from tests.factories import insight
from tests.kafka.bench import Bench


def environment(bench: Bench, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "DS_KAFKA__APP_ID": bench.app_id,
        "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
        "DS_KAFKA__PARTITIONS": str(bench.partitions),
        "DS_MONITORING__LOG_FORMAT": "json",
        **more,
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "decision_stream", *arguments]


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except urllib.error.URLError:
        return 0, ""


async def test_a_worker_answers_probes_counts_and_drains(bench):
    from decision_stream.wire.codec import encode

    port = free_port()
    worker = subprocess.Popen(
        command("run", "-b", bench.bootstrap_servers),
        env=environment(bench, DS_MONITORING__METRICS_PORT=str(port)),
        stderr=subprocess.PIPE,
    )
    bench.workers.append(worker)
    seen = set()
    deadline = time.monotonic() + 30
    while 200 not in seen:
        assert time.monotonic() < deadline and worker.poll() is None
        seen.add(asked(port, "/readyz")[0])
        time.sleep(0.05)
    assert 503 in seen, "it answers before it is ready"
    assert asked(port, "/livez")[0] == 200
    await bench.publish("insights", [(b"acme/support/chat", encode(insight(minute))) for minute in range(20)])
    await bench.wait_for("journal", lambda records: len(records) >= 20)
    text = asked(port, "/metrics")[1]
    assert 'decision_engine_insights_total{result="no_decision"} 20.0' in text
    worker.send_signal(signal.SIGTERM)
    _, errors = worker.communicate(timeout=20)
    assert worker.returncode == 0
    lines = [json.loads(line) for line in errors.decode().splitlines() if line.startswith("{")]
    assert {"draining", "stopped"} <= {line["message"] for line in lines}


def test_a_worker_refuses_topics_that_are_not_as_they_must_be(kafka, bench):
    done = subprocess.run(
        command("run", "-b", kafka.bootstrap_servers),
        env=environment(bench, DS_KAFKA__PARTITIONS="7"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert "found 4 partitions, expected 7 partitions" in done.stderr and "Traceback" not in done.stderr


def test_a_worker_without_topics_names_the_command_that_makes_them(kafka, bench):
    done = subprocess.run(
        command("run", "-b", kafka.bootstrap_servers),
        env=environment(bench, DS_KAFKA__TOPIC_PREFIX="nowhere."),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 3 and "decision-stream topics apply" in done.stderr


def test_topics_are_planned_applied_and_checked_by_command(kafka, bench):
    told = environment(
        bench, DS_KAFKA__TOPIC_PREFIX=f"{bench.prefix}cli.", KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers
    )

    def topics(verb: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command("topics", verb, *more), env=told, capture_output=True, text=True, timeout=60)

    assert topics("check").returncode == 1
    assert len(json.loads(topics("plan", "--json").stdout)) == len(topic_table()) - 1
    assert topics("apply").returncode == 0
    assert topics("check").returncode == 0 and "as they should be" in topics("plan").stdout
    assert apply_now(kafka.bootstrap_servers, ()) == ()


async def test_dead_letters_are_listed_shown_and_sent_back(bench):
    from decision_stream.wire.codec import encode

    good = encode(insight(3))
    await bench.publish("insights", [(b"acme/support/chat", good), (b"wrong/key/here", good), (b"x/y/z", b"oops")])
    bench.start_worker()
    await bench.wait_for("dead-letters", lambda records: len(records) >= 2)

    def dlq(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        told = environment(bench, KAFKA_BOOTSTRAP_SERVERS=bench.bootstrap_servers)
        return subprocess.run(command("dlq", *arguments), env=told, capture_output=True, timeout=60)

    listed = json.loads(dlq("list", "--json").stdout)
    assert sorted(row["code"] for row in listed) == ["key_mismatch", "not_json"]
    (place,) = [row["place"] for row in listed if row["code"] == "not_json"]
    assert dlq("show", place).stdout == b"oops"
    assert b"there is no dead letter at 9:9" in dlq("show", "9:9").stderr
    assert b"2 message(s) would be sent back" in dlq("replay", "--dry-run").stdout
    assert b"1 message(s) sent back" in dlq("replay", "--code", "not_json").stdout
    again = await bench.wait_for("dead-letters", lambda records: len(records) >= 3)
    assert [record.value for record in again].count(b"oops") == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_drains_and_leaves_nothing_running(kafka, number):
    demo = subprocess.Popen(
        command("demo", "--headless", "--seconds", "60", "-b", kafka.bootstrap_servers),
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    for line in demo.stdout:
        if "model_switch" in line:
            break
    (worker,) = children(demo.pid)
    demo.send_signal(number)
    output = demo.stdout.read()
    assert demo.wait(40) == 0, output
    demo.stdout.close()
    assert "summary against the known truth" in output
    assert not os.path.exists(f"/proc/{worker}")


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as told:
        return [int(number) for number in told.read().split()]
