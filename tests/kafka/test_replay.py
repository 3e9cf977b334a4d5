"""Replay of the topics: what they keep of a run, also when the beginning of it has expired."""

import subprocess

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from msgspec.structs import replace

from decision_stream.model.policy import Policy
from decision_stream.tools.recording import BadRecording, read_topics
from decision_stream.tools.replay import replay
from decision_stream.wire.codec import encode
from tests.factories import estimate, insight
from tests.kafka.test_command_line import command, environment

CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0, samples=2_000),)
SCOPES = tuple(f"acme/support/route-{number}" for number in range(8))


async def decided(bench, minutes: int) -> None:
    """A worker has judged these minutes of every scope; one insight came twice, the second time with other numbers."""
    told = [
        (scope.encode(), encode(replace(insight(minute, candidates=CHEAP), id=f"{scope}-{minute}", scope=scope)))
        for minute in range(minutes)
        for scope in SCOPES
    ]
    again = replace(insight(0, error_rate=0.9), id=f"{SCOPES[0]}-0", scope=SCOPES[0])
    bench.start_worker()
    await bench.publish("insights", [*told, (SCOPES[0].encode(), encode(again))])
    await bench.wait_for("decisions", lambda records: len(records) >= len(SCOPES))
    # The journal tells of a directive in another topic, which may come a moment later.
    await bench.wait_for("journal", lambda records: tells_all(records, evaluated=len(told) + 1))


def tells_all(records, evaluated: int) -> bool:
    """Whether the journal has so many judged insights and repetitions, and a judged proposal of every scope."""
    validated = {it.key.decode() for it in records if b'"stage":"validate"' in it.value}
    return sum(it.value.count(b'"stage":"evaluate"') for it in records) >= evaluated and validated == set(SCOPES)


async def test_what_is_kept_is_replayed_and_a_scope_whose_beginning_has_expired_is_left_out(bench):
    await decided(bench, 6)
    whole = await read_topics(bench.bootstrap_servers, bench.prefix)
    done = replay(whole, Policy())
    assert whole.left_out == () and done.differences == ()
    assert done.scopes == len(SCOPES) and done.directives == len(SCOPES)

    insights = await bench.read("insights")
    partition = insights[0].partition
    lost = {record.key.decode() for record in insights if record.partition == partition}
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.bootstrap_servers)
    await admin.start()
    try:
        place = TopicPartition(bench.topic("insights"), partition)
        await admin.delete_records({place: RecordsToDelete(before_offset=1)})
    finally:
        await admin.close()
    kept = await read_topics(bench.bootstrap_servers, bench.prefix)
    assert set(kept.left_out) <= lost and 0 < len(kept.left_out) < len(SCOPES)
    done = replay(kept, Policy())
    assert done.differences == () and done.scopes == len(SCOPES) - len(kept.left_out)


async def test_an_empty_journal_and_an_unclear_wish_are_told(bench):
    with pytest.raises(BadRecording, match="is empty"):
        await read_topics(bench.bootstrap_servers, bench.prefix)
    for arguments in ((), ("some.jsonl", "--from-topic")):
        done = subprocess.run(
            command("replay", *arguments), env=environment(bench), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2 and "name a recording, or give --from-topic" in done.stderr
