"""The doctor's judgements that need no Kafka: libraries, settings of the API, read models, records, copies, workers."""

import time
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from socket import create_server

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError
from aiokafka.structs import ConsumerRecord

from decision_stream.broker.topics import topic_table
from decision_stream.edge.api_settings import ApiSettings, ApiToken
from decision_stream.edge.read_model import SqliteReadModel
from decision_stream.model.dead_letter import ReasonCode
from decision_stream.model.insight import Insight
from decision_stream.model.policy import Policy
from decision_stream.tools import doctor
from decision_stream.tools.doctor import (
    Finding,
    Level,
    Subject,
    cluster,
    examine,
    group,
    installed,
    read_model,
    records,
)
from decision_stream.wire.codec import MalformedMessage, encode
from decision_stream.wire.dead_letters import dead_letter, headers_of
from decision_stream.wire.schemas import schema_of
from decision_stream.wire.unknown import unknown_fields
from tests.edge.engine import Engine
from tests.factories import SCOPE, insight

SPECS = topic_table(partitions=3, replication=3)
POLICY = Policy().hash
KEY = SCOPE.encode()


def subject(api: ApiSettings, address: str | None = None) -> Subject:
    return Subject(
        address=address, specs=SPECS, prefix="ds.", app_id="it", replication=3, policy_hash=POLICY, api=api,
        probes_clock=False,
    )  # fmt: skip


def of(found: list[Finding], what: str) -> Finding:
    (one,) = [it for it in found if it.what == what]
    return one


def record(
    topic: str, value: bytes | None, key: bytes | None = SCOPE.encode(), offset: int = 0, **more
) -> ConsumerRecord:
    told = {"headers": (), "timestamp": time.time_ns() // 1_000_000, **more}
    return ConsumerRecord(
        topic=topic, partition=0, offset=offset, timestamp_type=0, key=key, value=value, checksum=None,
        serialized_key_size=0, serialized_value_size=0, **told,
    )  # fmt: skip


@pytest.mark.parametrize("package", ["aiokafka", "faust-streaming", "mode-streaming"])
def test_a_library_of_another_version_is_named_with_the_one_that_was_tested(monkeypatch, package):
    real = installed.version
    monkeypatch.setattr(installed, "version", lambda name: "9.9" if name == package else real(name))
    (fault,) = installed.installed()
    assert fault.level is Level.FAIL and fault.told.startswith(f"{package} 9.9, tested with ")


async def test_without_a_kafka_named_it_says_how_to_name_one(tmp_path):
    found = await examine(subject(ApiSettings(database=str(tmp_path / "model"))))
    assert of(found, "broker").level is Level.FAIL and "--bootstrap-servers" in of(found, "broker").fix


async def test_a_kafka_that_takes_connections_and_says_nothing_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "PATIENCE_S", 1.0)
    with closing(create_server(("127.0.0.1", 0))) as mute:
        mine = subject(ApiSettings(database=str(tmp_path / "model")), f"127.0.0.1:{mute.getsockname()[1]}")
        found = await examine(mine)
    assert "no answer within 1 s" in of(found, "broker").told
    assert not [it for it in found if it.what in ("topics", "group", "schemas")]


def test_an_api_that_anybody_could_use_and_tokens_that_nobody_can():
    vera = ApiToken(name="vera", sha256=sha256(b"x").hexdigest(), expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    (fault,) = read_model.api_of(ApiSettings(host="0.0.0.0"))
    assert fault.level is Level.FAIL and "others can reach" in fault.told
    (stale,) = read_model.api_of(ApiSettings(tokens=(vera,)))
    assert stale.level is Level.WARN and "vera has expired" in stale.told
    assert list(read_model.api_of(ApiSettings())) == []


def test_a_read_model_that_cannot_be_kept_is_told(tmp_path):
    (tmp_path / "model").write_bytes(b"something else entirely " * 100)
    (one,) = read_model.read_model(ApiSettings(database=str(tmp_path / "model")))
    assert one.level is Level.FAIL and "not a database" in one.told and "delete it" in one.fix
    (fresh,) = read_model.read_model(ApiSettings(database=str(tmp_path / "new" / "model")))
    assert fresh.level is Level.OK and "first start" in fresh.told
    assert not (tmp_path / "new").exists(), "it only looks"
    kept = SqliteReadModel(tmp_path / "kept")
    Engine(model=kept).switch(SCOPE)
    kept.close()
    (good,) = read_model.read_model(ApiSettings(database=str(tmp_path / "kept")))
    assert good.told.endswith("1 scope(s)")


def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(read_model, "LITTLE_BYTES", 1 << 60)
    (one,) = read_model.read_model(ApiSettings(database=str(tmp_path / "model")))
    assert one.level is Level.WARN and "MiB are free" in one.told


def test_a_redis_that_is_away_or_forgets_is_told_without_its_password(own_redis):
    told = ApiSettings(redis_url=own_redis.url)
    (away,) = read_model.read_model(told)
    assert away.level is Level.FAIL and "decisions go on" in away.told and "canary" not in str(away)
    own_redis.start()
    (good,) = read_model.read_model(told)
    assert good.level is Level.OK
    own_redis.configure(**{"maxmemory": "1000000", "maxmemory-policy": "allkeys-lru"})
    found = read_model.read_model(told)
    assert [it.level.value for it in found] == ["ok", "warn", "warn"] and "allkeys-lru" in found[1].told


def partitions(*described: tuple[int, int, int]) -> list[dict]:
    """Leader, copies and copies in sync of each."""
    return [
        {"leader": leader, "replicas": list(range(copies)), "isr": list(range(in_sync))}
        for leader, copies, in_sync in described
    ]


@pytest.mark.parametrize(
    ("described", "level", "told"),
    [
        ((-1, 3, 0), Level.FAIL, "without a leader"),
        ((1, 3, 1), Level.FAIL, "writes are refused"),
        ((1, 3, 2), Level.WARN, "out of sync"),
        ((1, 2, 2), Level.WARN, "too few copies"),
    ],
)
def test_copies_that_are_not_as_they_should_be_are_counted(described, level, told):
    (one,) = cluster._copies(SPECS[0], partitions(described, described, (1, 3, 3)))
    assert one.level is level and one.told.startswith("ds.insights: 2 partition(s)") and told in one.told


def test_copies_that_are_fine_are_not_spoken_of():
    assert cluster._copies(SPECS[0], partitions((1, 3, 3), (2, 3, 3))) == []


@pytest.mark.parametrize(
    ("state", "members", "told"),
    [
        ("Stable", 2, "2 worker(s), Stable"),
        ("Empty", 0, "no worker is there"),
        ("PreparingRebalance", 2, "2 worker(s), PreparingRebalance"),
        ("Stable", 5, "5 workers for 3 partitions: 2 idle"),
    ],
)
def test_the_group_is_told_as_kafka_sees_it(state, members, told):
    (one,) = group._members(state, members, 3)
    assert one.told == told and (one.level is Level.OK) == (told.startswith("2") and state == "Stable")


async def test_a_kafka_that_has_no_groups_yet_is_asked_again(monkeypatch):
    monkeypatch.setattr(group, "PAUSE_S", 0.0)
    answers = [GroupCoordinatorNotAvailableError(), GroupLoadInProgressError(), "here"]

    async def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert await group._told(ask) == "here" and answers == []
    monkeypatch.setattr(group, "COORDINATOR_S", -1.0)
    answers = [GroupCoordinatorNotAvailableError()]
    with pytest.raises(GroupCoordinatorNotAvailableError):
        await group._told(ask)


def test_a_place_beyond_the_end_is_told_as_lost():
    part = TopicPartition("ds.insights", 2)
    (one,) = group.gone({part: 20}, {part: 0}, {part: 7})
    assert one.level is Level.FAIL and "committed up to 20, but the topic ends at 7" in one.told
    assert group.gone({part: 5}, {part: 5}, {part: 5}) == []


def test_records_that_are_read_are_counted_in_one_line():
    engine, looked = Engine(), records.Looked()
    engine.switch(SCOPE)
    for number, message in enumerate(engine.messages):
        looked.take(message.topic, record(message.topic, message.value, key=message.key or None, offset=number))
    looked.take("insights", record("insights", encode(insight(1))))
    looked.take("insights", record("insights", b"\x00\x00\x00\x00\x07" + encode(insight(2))))
    looked.take("insights", record("insights", encode(insight(3)), key=None))
    found = looked.findings(engine.policy.hash)
    assert [it.level.value for it in found] == ["ok", "ok"], found
    assert found[0].told == f"the newest {len(engine.messages) + 3} records of all topics are read by this version"


def test_no_record_at_all_is_no_fault():
    (one,) = records.Looked().findings(POLICY)
    assert one.level is Level.OK and one.told == "no record yet"


def test_a_foreign_record_among_the_dead_letters_is_told_and_old_letters_are_not():
    looked = records.Looked()
    fault = MalformedMessage(ReasonCode.NOT_JSON, "oops")
    letter = headers_of(dead_letter(fault, "ds.insights", 0, 1, 2), ())
    looked.take("dead-letters", record("dead-letters", b"x", headers=letter))
    looked.take("dead-letters", record("dead-letters", b"x", headers=letter, timestamp=0))
    looked.take("dead-letters", record("dead-letters", b"x", offset=7))
    found = looked.findings(POLICY)
    assert "(no_dead_letter), the last at partition 0, offset 7" in of(found, "schemas").told
    assert of(found, "letters").told.endswith("1 not_json")


def test_stored_state_of_another_format_is_told():
    engine, looked = Engine(), records.Looked()
    engine.switch(SCOPE)
    for message in engine.messages:
        if message.topic == "scope-state":
            other = msgspec.msgpack.decode(message.value)
            other[0] = 7
            looked.take("scope-state", record("changelog", msgspec.msgpack.encode(other), key=message.key))
    looked.take("scope-state", record("changelog", None))
    one = of(looked.findings(POLICY), "state")
    assert one.level is Level.FAIL and "format 7, this version reads 1" in one.told


def test_what_a_message_says_of_its_own_kind_only_is_known():
    schema = schema_of("command")
    told = {"instruction": {"kind": "approve", "decision_id": "x", "until_ms": 1}}
    assert unknown_fields(told, schema) == ["instruction/until_ms"]
    assert unknown_fields({"instruction": {"kind": "of a newer version", "more": 1}}, schema) == []


def test_every_example_of_a_message_has_known_fields_only():
    known = msgspec.json.decode(encode(insight(1)))
    assert unknown_fields(known, schema_of("insight")) == []
    assert set(known) <= {field.encode_name for field in msgspec.structs.fields(Insight)}
