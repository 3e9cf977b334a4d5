"""A worker that protects itself and its input: floods of bad messages, standstill."""

import asyncio
import json
import subprocess
import sys
import time

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import ConsumerRecord

from decision_stream.broker.embedded import free_port
from decision_stream.broker.topics import apply, topic_table
from decision_stream.wire.codec import encode
from tests.factories import insight
from tests.kafka.test_command_line import asked, command, environment

LIMIT = 30


async def test_a_flood_pauses_its_partition_only_and_a_retry_finds_the_good_messages_behind_it(bench):
    good = "acme/support/chat"
    port = free_port()
    told = environment(
        bench,
        DS_KAFKA__FLOOD_IN_A_ROW=str(LIMIT),
        DS_KAFKA__FLOOD_PAUSE="3s",
        DS_MONITORING__METRICS_PORT=str(port),
    )
    names = (f"a/b/{number}" for number in range(99))
    other = next(name for name in names if partition(bench, name) != partition(bench, good))
    flood = [(good.encode(), b"oops")] * (LIMIT + 200)
    await bench.publish("insights", [(good.encode(), encode(insight(0))), *flood])
    worker = subprocess.Popen(command("run", "-b", bench.bootstrap_servers), env=told, stderr=subprocess.PIPE)
    bench.workers.append(worker)
    deadline = time.monotonic() + 30
    while "a flood of" not in (page := asked(port, "/readyz"))[1]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    health = json.loads(page[1])
    assert page[0] == 503 and health["flooded"] == [f"insights-{partition(bench, good)}"]
    assert 'decision_engine_paused_partitions{topic="insights"} 1.0' in asked(port, "/metrics")[1]
    await bench.wait_for("dead-letters", lambda records: len(records) >= LIMIT)
    await asyncio.sleep(1.0)
    assert len(await bench.read("dead-letters")) <= LIMIT + 50, "the topic was not drained into the dead letters"
    await bench.publish("insights", [(other.encode(), encode(insight(1, scope=other)))])
    await bench.wait_for("journal", lambda records: any(record.key == other.encode() for record in records))
    worker.terminate()
    _, errors = worker.communicate(timeout=20)
    assert worker.returncode == 0 and b"flood of bad messages: partition paused" in errors


@pytest.mark.usefixtures("both_ways")
async def test_a_paused_partition_goes_on_where_it_stopped_once_its_messages_are_good(bench):
    key = b"acme/support/chat"
    mixed = [(key, b"oops")] * LIMIT + [(key, encode(insight(minute))) for minute in range(200)]
    await bench.publish("insights", mixed)
    bench.start_worker(flood_in_a_row=LIMIT, flood_pause_ms=2_000)
    journal = await bench.wait_for("journal", lambda records: len(judged(records)) >= 200)
    assert len({record.value for record in judged(journal)}) == 200
    assert len(await bench.read("dead-letters")) == LIMIT


def judged(records: list[ConsumerRecord]) -> list[ConsumerRecord]:
    """Verdicts on insights: what scopes and aggregates tell each other leaves verdicts too."""
    return [record for record in records if json.loads(record.value)["source"]["topic"] == "insights"]


def partition(bench, key: str) -> int:
    """Where Kafka's own partitioner puts the key."""
    everywhere = list(range(bench.partitions))
    return DefaultPartitioner()(key.encode(), everywhere, everywhere)


async def recreate(bench, name: str) -> None:
    """Delete a topic and create it again, as a person might in a hurry."""
    client = AIOKafkaAdminClient(bootstrap_servers=bench.bootstrap_servers)
    await client.start()
    try:
        await client.delete_topics([name])
        while name in await client.list_topics():
            await asyncio.sleep(0.1)
    finally:
        await client.close()
    await asyncio.sleep(0.5)
    specs = topic_table(prefix=bench.prefix, app_id=bench.app_id, partitions=bench.partitions)
    assert await apply(bench.bootstrap_servers, specs) == ()


@pytest.mark.usefixtures("both_ways")
async def test_a_topic_that_was_created_again_is_refused_until_it_is_adopted(bench):
    key = b"acme/support/chat"
    await bench.publish("insights", [(key, encode(insight(minute))) for minute in range(20)])
    worker = bench.start_worker()
    await bench.wait_for("journal", lambda records: len(judged(records)) >= 20)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 20) == 0
    await recreate(bench, bench.topic("insights"))
    await bench.publish("insights", [(key, encode(insight(minute))) for minute in range(20, 30)])
    refusing = bench.start_worker()
    bench.workers.remove(refusing)
    assert await asyncio.to_thread(refusing.wait, 30) == 70
    assert len(judged(await bench.read("journal"))) == 20
    bench.start_worker(adopt_topics=True)
    journal = await bench.wait_for("journal", lambda records: len(judged(records)) >= 30)
    minutes = [json.loads(record.value)["at_ms"] for record in judged(journal)]
    assert len(minutes) == 30 and minutes == sorted(set(minutes)), "nothing was passed over"


@pytest.mark.usefixtures("both_ways")
async def test_state_that_is_gone_while_offsets_are_committed_is_refused(bench):
    key = b"acme/support/chat"
    await bench.publish("insights", [(key, encode(insight(minute))) for minute in range(5)])
    worker = bench.start_worker()
    await bench.wait_for("journal", lambda records: len(records) >= 5)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 20) == 0
    await recreate(bench, f"{bench.app_id}-scope-state-changelog")
    refusing = bench.start_worker()
    bench.workers.remove(refusing)
    assert await asyncio.to_thread(refusing.wait, 30) == 70


async def test_a_worker_on_a_patched_package_says_what_is_missing_and_consumes_nothing(bench):
    await bench.publish("insights", [(b"acme/support/chat", encode(insight(0)))])
    patched = (
        "from aiokafka.consumer.fetcher import Fetcher as it; it._ask = it._proc_fetch_request;"
        "del it._proc_fetch_request; from decision_stream.__main__ import main; main()"
    )
    called = [sys.executable, "-c", patched, "run", "-b", bench.bootstrap_servers]
    ended = await asyncio.to_thread(subprocess.run, called, env=environment(bench), capture_output=True, timeout=60)
    assert ended.returncode == 2 and b"aiokafka fetcher has no _proc_fetch_request" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert await bench.read("journal") == []
