"""The doctor on a real Kafka: nothing to say about an engine that runs, and the right line for each thing broken."""

import asyncio
import json
import subprocess
import time
from types import SimpleNamespace

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from msgspec.structs import replace

from decision_stream import ENGINE_VERSION
from decision_stream.broker.topics import admin, apply, topic_table
from decision_stream.edge.api_settings import ApiSettings
from decision_stream.model.journal import JournalRecord
from decision_stream.model.policy import Policy
from decision_stream.tools.doctor import Finding, Level, Subject, clock, examine
from decision_stream.wire.codec import encode
from tests.factories import SCOPE, insight
from tests.kafka.bench import Bench, read_topic
from tests.kafka.test_command_line import command, environment


def subject(bench: Bench, **more) -> Subject:
    specs = topic_table(prefix=bench.prefix, app_id=bench.app_id, partitions=bench.partitions)
    told = {
        "address": bench.bootstrap_servers,
        "specs": specs,
        "prefix": bench.prefix,
        "app_id": bench.app_id,
        "replication": 1,
        "policy_hash": Policy().hash,
        "api": ApiSettings(database="/dev/shm/none/such"),
        "probes_clock": False,
    }
    return Subject(**{**told, **more})


def of(found: list[Finding], what: str) -> Finding:
    (one,) = [it for it in found if it.what == what]
    return one


def worries(found: list[Finding]) -> list[str]:
    return [str(it) for it in found if it.level is not Level.OK and it.what not in ("read model", "broker")]


def in_key(message) -> tuple[bytes, bytes]:
    return message.scope.encode(), encode(message)


async def decided(bench: Bench, count: int = 20) -> None:
    """A worker that has judged some insights and committed its places."""
    bench.start_worker()
    await bench.publish("insights", [in_key(insight(minute)) for minute in range(count)])
    await bench.wait_for("journal", lambda records: len(records) >= count)
    deadline = time.monotonic() + 30
    while max(offset or 0 for offset in (await bench.committed("insights")).values()) < count:
        assert time.monotonic() < deadline, "the worker does not commit"
        await asyncio.sleep(0.1)


async def send(bench: Bench, topic: str, key: bytes | None, value: bytes, **more) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bench.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=key, **more)
    finally:
        await producer.stop()


async def test_an_engine_that_runs_gives_no_cause_for_worry(bench):
    await decided(bench)
    found = await examine(subject(bench))
    deadline = time.monotonic() + 30
    # What the insights led to across scopes is committed a moment later.
    while of(found, "lag").told != "nothing waits":
        assert time.monotonic() < deadline, of(found, "lag")
        found = await examine(subject(bench))
    assert worries(found) == []
    assert "Kafka 4.0 or later" in next(it.told for it in found if it.what == "broker")
    assert of(found, "topics").told == "10 with 4 partitions each, settings as they must be"
    assert of(found, "group").told == "1 worker(s), Stable"
    assert of(found, "version").told == f"last decided by {ENGINE_VERSION}, as this is"


async def test_the_brokers_clock_is_read_from_a_topic_that_is_gone_afterwards(bench, monkeypatch):
    told = subject(bench, probes_clock=True)
    one = of(await examine(told), "clock")
    assert "this machine's" in one.told, one
    # This machine's clock an hour slow.
    slow = SimpleNamespace(time=lambda: time.time() - 3_600.0, monotonic=time.monotonic)
    monkeypatch.setattr(clock, "time", slow)
    one = of(await examine(told), "clock")
    assert one.level is Level.FAIL and " ahead of this machine's" in one.told and "NTP" in one.fix
    async with admin(bench.bootstrap_servers) as client:
        assert f"{bench.prefix}doctor-clock" not in await client.list_topics()


async def test_a_missing_topic_and_another_setting_are_mended_by_apply(bench):
    insights = f"{bench.prefix}insights"
    async with admin(bench.bootstrap_servers) as client:
        await client.delete_topics([f"{bench.prefix}journal"])
        resource = ConfigResource(ConfigResourceType.TOPIC, insights, configs={"cleanup.policy": "compact"})
        await client.alter_configs([resource])
    found = await examine(subject(bench))
    assert [it.told.split(":")[0] for it in found if it.level is Level.FAIL] == [insights, f"{bench.prefix}journal"]
    assert all("decision-stream topics apply" in it.fix for it in found if it.level is Level.FAIL)
    async with admin(bench.bootstrap_servers) as client:
        assert f"{bench.prefix}journal" not in await client.list_topics(), "a doctor creates nothing"


async def test_topics_that_are_not_divided_alike_need_a_person(bench):
    async with admin(bench.bootstrap_servers) as client:
        await client.delete_topics([f"{bench.prefix}outcomes"])
    odd = topic_table(prefix=bench.prefix, app_id=bench.app_id, partitions=3)
    assert [it for it in await apply(bench.bootstrap_servers, odd) if it.topic.endswith("outcomes")] == []
    one = of(await examine(subject(bench)), "topics")
    assert one.level is Level.FAIL and "found 3 partitions, expected 4" in one.told and "in place" in one.fix


async def test_more_copies_than_nodes_are_refused(bench):
    found = [it for it in await examine(subject(bench, replication=300)) if it.what == "broker"]
    assert found[-1].level is Level.FAIL and "kafka.replication is 300" in found[-1].told


async def test_what_waits_without_a_worker_is_told_with_its_age(bench):
    hour_ago_ms = time.time_ns() // 1_000_000 - 3_600_000
    await send(bench, bench.topic("insights"), *in_key(insight(1)), timestamp_ms=hour_ago_ms)
    found = await examine(subject(bench))
    assert of(found, "group").told == "no worker is there" and "decision-stream run" in of(found, "group").fix
    assert of(found, "lag").level is Level.WARN
    assert of(found, "lag").told.startswith("1 event(s) wait, the oldest for 36")


async def test_events_that_expired_before_they_were_applied_are_told(bench):
    await decided(bench)
    bench.end_workers()
    await bench.publish("insights", [in_key(insight(minute)) for minute in range(20, 30)])
    async with admin(bench.bootstrap_servers) as client:
        (part,) = [
            TopicPartition(bench.topic("insights"), n) for n, at in (await bench.committed("insights")).items() if at
        ]
        await client.delete_records({part: RecordsToDelete(27)})
    fault = of([it for it in await examine(subject(bench)) if it.level is Level.FAIL], "group")
    assert fault.told.endswith("7 event(s) expired before they were applied")


async def test_a_topic_that_was_made_anew_is_told(bench):
    await decided(bench)
    bench.end_workers()
    async with admin(bench.bootstrap_servers) as client:
        await client.delete_topics([bench.topic("insights")])
    await apply(bench.bootstrap_servers, subject(bench).specs)
    fault = of([it for it in await examine(subject(bench)) if it.level is Level.FAIL], "state")
    assert f"{bench.prefix}insights was deleted and created again" in fault.told and "adopt_topics" in fault.fix


async def test_senders_that_speak_otherwise_are_told_with_topic_and_field(bench):
    known = json.loads(encode(insight(1)))
    newer = {**known, "mood": "good", "cost": {**known["cost"], "currency": "EUR"}}
    await bench.publish("insights", [in_key(insight(0)), (SCOPE.encode(), json.dumps(newer).encode())])
    await bench.publish("outcomes", [(SCOPE.encode(), b'{"schema_version": 2}')])
    found = [it for it in await examine(subject(bench)) if it.what == "schemas"]
    assert [(it.level.value, it.told.split(",")[0].split(" of ")[-1]) for it in found] == [
        ("fail", "the newest 1 are not readable (wrong_version)"),
        ("warn", "the newest 2 have cost/currency"),
        ("warn", "the newest 2 have mood"),
    ]


async def test_state_of_another_format_is_told_before_a_worker_ends_on_it(bench):
    await decided(bench)
    bench.end_workers()
    changelog = f"{bench.app_id}-scope-state-changelog"
    stored = await read_topic(bench.bootstrap_servers, changelog, bench.partitions)
    (newest,) = [it for it in stored if it.key == SCOPE.encode()][-1:]
    other = msgspec.msgpack.decode(newest.value)
    other[0] = 99
    await send(bench, changelog, newest.key, msgspec.msgpack.encode(other), partition=newest.partition)
    one = of(await examine(subject(bench)), "state")
    assert one.level is Level.FAIL and "format 99, this version reads 1" in one.told


async def test_another_version_and_another_policy_are_told(bench):
    await decided(bench)
    found = await examine(subject(bench, policy_hash="0123456789abcdef"))
    assert of(found, "policy").told == f"last decided under policy {Policy().hash}; these settings are 0123456789abcdef"
    (last, *_) = sorted(await bench.read("journal"), key=lambda it: -it.offset)
    newer = replace(msgspec.json.decode(last.value, type=JournalRecord), engine_version="99.0.0")
    await send(bench, bench.topic("journal"), last.key, encode(newer), partition=last.partition)
    one = of(await examine(subject(bench)), "version")
    assert one.level is Level.WARN and "99.0.0; this is" in one.told


async def test_fresh_dead_letters_are_counted_by_reason(bench):
    await bench.publish("insights", [(b"x/y/z", b"oops"), (b"x/y/z", b"again")])
    bench.start_worker()
    await bench.wait_for("dead-letters", lambda records: len(records) >= 2)
    assert of(await examine(subject(bench)), "letters").told.endswith("2 not_json")


def test_the_command_ends_with_1_when_something_is_broken_and_with_0_otherwise(bench):
    told = environment(bench, DS_MONITORING__METRICS_PORT="0")

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command("doctor", *words), env={**told, **more}, capture_output=True, text=True, timeout=90
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    fine = run("-b", bench.bootstrap_servers)
    assert fine.returncode == 0 and "\nok    topics" in fine.stdout and "\nok    clock" in fine.stdout, fine.stdout
    rows = json.loads(run("-b", bench.bootstrap_servers, "--json", "--read-only").stdout)
    assert {row["level"] for row in rows} <= {"ok", "warn"} and "clock" not in {row["what"] for row in rows}
    wrong = run("-b", bench.bootstrap_servers, DS_KAFKA__PARTITIONS="5")
    assert wrong.returncode == 1 and "found 4 partitions, expected 5" in wrong.stdout
    away = run("-b", "127.0.0.1:9")
    assert away.returncode == 1 and "\nfail  broker     no Kafka answers at 127.0.0.1:9" in away.stdout
    misspelt = run(DS_SAFETY__MAX_COST_INCRAESE="1", DS_KAFKA__PARTITIONS="none")
    assert misspelt.returncode == 1 and misspelt.stdout.count("\nfail  settings") == 2
