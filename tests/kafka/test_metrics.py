"""What a worker on a real Kafka shows at /metrics: its lag, and after a restart still what waits."""

import os
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from decision_stream.broker.embedded import free_port
from decision_stream.wire.codec import encode
from tests.factories import SCOPE, estimate, insight

CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


def start(bench, port: int) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ,
        "PYTHONPATH": ".",
        "DS_KAFKA__APP_ID": bench.app_id,
        "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
        "DS_KAFKA__PARTITIONS": str(bench.partitions),
        "DS_MONITORING__METRICS_PORT": str(port),
        "DS_SAFETY__AUTONOMY": "approve",
        "DS_KAFKA__TICK_INTERVAL": "0",
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "decision_stream", "run", "-b", bench.bootstrap_servers], env=environment
    )
    bench.workers.append(worker)
    return worker


def scraped(port: int) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by name and label values; nothing while the worker does not listen yet."""
    try:
        text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except (URLError, OSError):
        return {}
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def until(port: int, enough, seconds: float = 60.0) -> dict[tuple[str, tuple[str, ...]], float]:
    deadline = time.monotonic() + seconds
    while not enough(found := scraped(port)):
        assert time.monotonic() < deadline, {key: value for key, value in found.items() if value}
        time.sleep(0.2)
    return found


async def test_lag_goes_to_zero_and_a_restart_forgets_nothing_that_waits(bench):
    port = free_port()
    await bench.publish("insights", [(SCOPE.encode(), encode(insight(n, candidates=CHEAP))) for n in range(5)])
    worker = start(bench, port)
    waiting = ("decision_engine_pending_approvals", ())
    found = until(port, lambda it: it.get(waiting) == 1.0)
    assert found[("decision_engine_active_decisions", ("awaiting_approval",))] == 1.0
    found = until(port, lambda it: _lags(it) and not any(_lags(it).values()))
    partitions = {str(number) for number in range(bench.partitions)}
    assert {partition for partition, topic in _lags(found) if topic == "insights"} == partitions
    assert found[("decision_engine_insights_total", ("proposed",))] >= 1.0
    assert found[("decision_engine_recovery_seconds", ())] > 0.0
    worker.terminate()
    assert worker.wait(30) == 0

    worker = start(bench, port)
    found = until(port, lambda it: it.get(waiting) == 1.0)
    assert found[("decision_engine_oldest_pending_approval_seconds", ())] > 0.0
    assert sum(value for (name, _), value in found.items() if name == "decision_engine_events_total") == 0.0
    worker.terminate()
    assert worker.wait(30) == 0


def _lags(found) -> dict[tuple[str, ...], float]:
    return {labels: value for (name, labels), value in found.items() if name == "decision_engine_consumer_lag"}
