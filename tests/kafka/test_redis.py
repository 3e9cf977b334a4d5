"""A Redis that hangs, dies or forgets while workers decide on a real Kafka: no decision waits, and it catches up.

How fast both are is measured by `bench/edge.py`.
"""

import os
import subprocess
import sys
from contextlib import closing

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from decision_stream.edge.read_model import RedisReadModel
from decision_stream.model.journal import JournalRecord, Stage
from decision_stream.wire.codec import encode
from tests.edge.redis_server import RedisServer
from tests.factories import insight
from tests.kafka.bench import Bench
from tests.kafka.test_api import ask, environment, free_port, start_api, until

SCOPES = [f"acme/support/route-{number}" for number in range(20)]
MINUTES = 10
BATCH = len(SCOPES) * MINUTES


async def tell(bench: Bench, batch: int) -> None:
    """The next minutes of every scope."""
    await bench.publish(
        "insights",
        [
            (scope.encode(), encode(insight(minute, scope=scope)))
            for minute in range(batch * MINUTES, (batch + 1) * MINUTES)
            for scope in SCOPES
        ],
    )


def start(bench: Bench, is_cohosted: bool, port: int, url: str) -> list[subprocess.Popen[bytes]]:
    """A worker and the API, in one process or in two."""
    if not is_cohosted:
        return [bench.start_worker(), start_api(bench, port, "unused", DS_API__REDIS_URL=url)]
    told = environment(
        bench, port, "unused", DS_API__REDIS_URL=url, DS_API__COHOST="true", DS_MONITORING__METRICS_PORT="0"
    )
    command = [sys.executable, "-m", "decision_stream", "run", "-b", bench.bootstrap_servers]
    return [subprocess.Popen(command, env={**os.environ, **told})]


@pytest.mark.parametrize("is_cohosted", [False, True], ids=["beside", "inside"])
async def test_a_redis_that_hangs_dies_or_forgets_delays_no_decision_and_catches_up(bench, own_redis, is_cohosted):
    redis: RedisServer = own_redis
    redis.start()
    port = free_port()
    bench.workers += [it for it in start(bench, is_cohosted, port, redis.url) if it not in bench.workers]
    until("the API is ready", lambda: ask(port, "GET", "/health")[1]["status"] == "ready" or None)
    breaks = {"hang": (redis.hang, redis.go_on), "kill": (redis.kill, redis.start), "empty": (redis.empty, None)}
    told = 0
    for number, (name, (break_it, mend_it)) in enumerate(breaks.items()):
        await tell(bench, 2 * number)
        break_it()
        await tell(bench, 2 * number + 1)
        told += 2 * BATCH
        # All are judged while it is broken.
        judged = await bench.wait_for("journal", lambda found, told=told: len(verdicts(found)) >= told)
        assert len(verdicts(judged)) == len(set(verdicts(judged))) == told, f"{name}: each exactly once"
        if mend_it is not None:
            until("questions are refused", lambda: ask(port, "GET", "/api/v1/scopes")[0] == 503 or None)
            mend_it()
        expected = newest(await bench.read("journal"))

        def known(expected: dict[str, int] = expected) -> bool | None:
            status, page = ask(port, "GET", "/api/v1/scopes?limit=200")
            found = {row["scope"]: row["events"] for row in page["items"]} if status == 200 else {}
            return all(found.get(scope, 0) >= sequence for scope, sequence in expected.items()) or None

        until(f"the read model has caught up after {name}", known)
    with closing(RedisReadModel(redis.url, bench.prefix)) as model:
        for scope in SCOPES:
            audit = [it["sequence"] for it in model.audit(scope, None, 1_000)]
            assert audit == list(range(audit[0], 0, -1)) and audit[0] >= expected[scope], "no gap in what is known"


def verdicts(journal: list[ConsumerRecord]) -> list[str]:
    """Insights that were judged, as often as the journal tells of them in different records."""
    told = {record.value: msgspec.json.decode(record.value, type=JournalRecord) for record in journal}
    return [it.event_id for it in told.values() if it.stage is Stage.EVALUATE]


def newest(journal: list[ConsumerRecord]) -> dict[str, int]:
    """The last sequence number of each scope."""
    found: dict[str, int] = {}
    for record in journal:
        it = msgspec.json.decode(record.value, type=JournalRecord)
        if it.scope in SCOPES:
            found[it.scope] = max(found.get(it.scope, 0), it.sequence)
    return found
