"""Nothing lost, nothing done twice: workers on a real Kafka, stopped, killed, joined."""

import asyncio
import signal
from collections import Counter, defaultdict
from hashlib import sha256

import msgspec
import pytest

from decision_stream.model.actuation import Directive
from decision_stream.model.insight import Insight
from decision_stream.model.journal import JournalRecord
from decision_stream.model.knowledge import Sighting, Signal
from decision_stream.stream.record import GENESIS
from decision_stream.wire.codec import encode
from decision_stream.wire.dead_letters import read_headers
from tests.factories import estimate, insight

pytestmark = pytest.mark.usefixtures("both_ways")
SCOPES = [f"acme/support/route-{number}" for number in range(12)]
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


def insights(minutes: range) -> list[tuple[bytes, bytes]]:
    return [
        (scope.encode(), encode(insight(minute, scope=scope, candidates=CHEAP)))
        for minute in minutes
        for scope in SCOPES
    ]


def verdicts_of(records) -> dict[bytes, list[JournalRecord]]:
    """Journal records by scope, each id once; checks that repetitions are byte-equal and that the chains hold."""
    first: dict[str, bytes] = {}
    chains: dict[bytes, list[bytes]] = defaultdict(list)
    for record in records:
        decoded = msgspec.json.decode(record.value, type=JournalRecord)
        if decoded.id in first:
            assert first[decoded.id] == record.value, "a repeated record differs from the first"
            continue
        first[decoded.id] = record.value
        chains[record.key].append(record.value)
    journal = {}
    for scope, values in chains.items():
        head, journal[scope] = GENESIS.hex(), []
        for number, value in enumerate(values):
            decoded = msgspec.json.decode(value, type=JournalRecord)
            assert decoded.previous_hash == head and decoded.sequence == number + 1
            head = sha256(value).hexdigest()
            journal[scope].append(decoded)
    return journal


def applied(journal, topic: str) -> Counter:
    return Counter(
        (record.source.partition, record.source.offset)
        for records in journal.values()
        for record in records
        if record.source.topic == topic
    )


def directives_of(records) -> dict[str, bytes]:
    """Directives by id; a repeated one must be byte-equal."""
    found: dict[str, bytes] = {}
    for record in records:
        decoded = msgspec.json.decode(record.value, type=Directive)
        assert found.setdefault(decoded.id, record.value) == record.value
    return found


async def test_bad_messages_are_parked_and_good_ones_are_judged(bench):
    good = [(key, value) for key, value in insights(range(84))][:1_000]
    bad = [
        [
            (b"x/y/z", b"not json"),
            (b"x/y/z", b'{"schema_version": 9}'),
            (b"x/y/z", b'{"id": "x"}'),
            (b"wrong/key/here", good[0][1]),
            (None, b'{"x": ' + b"[" * 50_000),
            (b"x/y/z", b"\xff\xfe"),
            (b"x/y/z", None),
            (b"x/y/z", b'{"a": "' + b"x" * 300_000 + b'"}'),
            (b"x/y/z", encode(insight(10**7, scope="x/y/z"))),
            (b"x/y/z", b"NaN"),
        ][number % 10]
        for number in range(100)
    ]
    mixed = [
        record
        for number in range(1_000)
        for record in ([good[number], bad[number // 10]] if number % 10 == 0 else [good[number]])
    ]
    await bench.publish("insights", mixed)
    worker = bench.start_worker()
    journal = await bench.wait_for("journal", lambda records: sum(b'"insights"' in it.value for it in records) >= 1_000)
    parked = await bench.wait_for("dead-letters", lambda records: len(records) >= 100)
    assert sum(applied(verdicts_of(journal), "insights").values()) == 1_000
    sent = {(record.partition, record.offset): record for record in await bench.read("insights")}
    assert len(parked) == 100
    codes = Counter()
    for record in parked:
        letter = read_headers(record.headers)
        origin = sent[letter.partition, letter.offset]
        assert (record.key, record.value) == (origin.key, origin.value), "bytes and key stay as they were"
        codes[letter.code.value] += 1
    assert codes == {
        "not_json": 40,
        "wrong_version": 10,
        "schema": 10,
        "key_mismatch": 10,
        "too_deep": 10,
        "too_large": 10,
        "time_bounds": 10,
    }
    assert worker.poll() is None


async def test_six_restarts_under_load_lose_nothing_and_double_nothing(bench):
    total = 150
    feeding = asyncio.create_task(feed(bench, range(total)))
    for number in range(6):
        worker = bench.start_worker()
        await asyncio.sleep(3.0 + 0.37 * number)
        if number % 2:
            worker.kill()
        else:
            worker.send_signal(signal.SIGTERM)
        # One that is told to stop while its modules still load ends by the signal, and has touched nothing.
        expected = (-signal.SIGKILL,) if number % 2 else (0, -signal.SIGTERM)
        assert await asyncio.to_thread(worker.wait, 30) in expected
    await feeding
    bench.start_worker()
    want = total * len(SCOPES)
    records = await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= want)
    await asyncio.sleep(1.0)
    journal = verdicts_of(await bench.read("journal"))
    counts = applied(journal, "insights")
    sent = {(record.partition, record.offset) for record in await bench.read("insights")}
    assert set(counts) == sent and set(counts.values()) == {1}, "every insight has exactly one verdict"
    assert len(records) >= want
    proposals = {(record.partition, record.offset) for record in await bench.read("proposals")}
    assert set(applied(journal, "proposals")) == proposals
    directives = directives_of(await bench.read("decisions"))
    promised = {output for chain in journal.values() for record in chain for output in record.outputs}
    assert set(directives) <= promised and len(directives) >= len(SCOPES)


def judged(records, mark: bytes) -> set[bytes]:
    return {record.value for record in records if mark in record.value}


async def feed(bench, minutes: range) -> None:
    for start in minutes[::10]:
        await bench.publish("insights", insights(range(start, start + 10)))
        await asyncio.sleep(1.0)


async def test_a_clean_stop_leaves_nothing_to_do_again(bench):
    await bench.publish("insights", insights(range(20)))
    worker = bench.start_worker()
    await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= 240)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 20) == 0
    committed = await bench.committed("insights")
    ends = Counter(record.partition for record in await bench.read("insights"))
    assert {number: offset or 0 for number, offset in committed.items()} == {
        number: ends[number] for number in range(bench.partitions)
    }
    bench.start_worker()
    await asyncio.sleep(6.0)
    # What the second worker finds are proposals that the first had not come to, and nothing that it had done.
    on_the_wire = [record.value for record in await bench.read("journal")]
    assert len(on_the_wire) == len(set(on_the_wire)), "no record was told twice"
    assert len(judged(await bench.read("journal"), b'"insights"')) == 240


async def test_a_second_worker_joins_and_the_first_leaves_without_loss(bench):
    total = 60
    first = bench.start_worker()
    feeding = asyncio.create_task(feed(bench, range(total)))
    await bench.wait_for("journal", lambda found: len(found) > 0)
    bench.start_worker()
    await asyncio.sleep(3.0)
    first.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(first.wait, 30) == 0
    await feeding
    await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= total * len(SCOPES))
    journal = verdicts_of(await bench.read("journal"))
    counts = applied(journal, "insights")
    assert len(counts) == total * len(SCOPES) and set(counts.values()) == {1}


async def test_a_worker_that_was_frozen_ends_itself_and_contradicts_nobody(bench):
    total = 60
    frozen = bench.start_worker()
    await bench.publish("insights", insights(range(20)))
    await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= 240)
    feeding = asyncio.create_task(feed(bench, range(20, total)))
    await asyncio.sleep(1.5)
    frozen.send_signal(signal.SIGSTOP)
    bench.start_worker()
    await asyncio.sleep(12.0)
    bench.workers.remove(frozen)
    frozen.send_signal(signal.SIGCONT)
    assert await asyncio.to_thread(frozen.wait, 20) == 70
    await feeding
    await bench.wait_for("journal", lambda found: len(judged(found, b'"insights"')) >= total * len(SCOPES))
    counts = applied(verdicts_of(await bench.read("journal")), "insights")
    assert len(counts) == total * len(SCOPES) and set(counts.values()) == {1}


async def test_a_refused_publish_ends_the_worker_without_a_commit(bench, kafka):
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await client.start()
    tiny = ConfigResource(ConfigResourceType.TOPIC, bench.topic("journal"), configs={"max.message.bytes": "100"})
    await client.alter_configs([tiny])
    await client.close()
    await bench.publish("insights", insights(range(5)))
    worker = bench.start_worker()
    assert await asyncio.to_thread(worker.wait, 30) == 70
    assert all(not offset for offset in (await bench.committed("insights")).values())


async def test_records_of_the_topics_step_through_the_core_to_the_same_bytes(bench):
    from decision_stream.model.decision import Proposal
    from decision_stream.model.policy import Policy
    from decision_stream.stream.record import apply, empty

    await bench.publish("insights", insights(range(30)))
    worker = bench.start_worker()
    await bench.wait_for(
        "journal", lambda found: len(judged(found, b'"insights"')) >= 360 and len(judged(found, b'"proposals"')) >= 12
    )
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 20) == 0
    journal = verdicts_of(await bench.read("journal"))
    values = {
        (name, record.partition, record.offset): msgspec.json.decode(record.value, type=kind)
        for name, kind in (("insights", Insight), ("proposals", Proposal), ("signals", Sighting | Signal))
        for record in await bench.read(name)
    }
    outputs: dict[str, list[bytes]] = defaultdict(list)
    for scope, records in journal.items():
        stored = empty(scope.decode())
        for record in records:
            source = record.source
            event = values[source.topic, source.partition, source.offset]
            done = apply(stored, source, event, Policy())
            stored = done.stored
            for output in done.outputs:
                outputs[output.topic].append(output.value)
    for topic in ("decisions", "journal", "proposals", "signals"):
        assert sorted(outputs[topic]) == sorted({record.value for record in await bench.read(topic)})
