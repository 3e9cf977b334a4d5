"""Deadlines that pass while nobody runs are found by the next worker, and only by scopes that have one."""

import asyncio
import signal
from collections import Counter

import msgspec
import pytest

from decision_stream.model.journal import JournalRecord
from decision_stream.wire.codec import encode
from tests.factories import estimate, insight

CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)
ORDERED = [f"acme/support/ordered-{number}" for number in range(4)]
QUIET = [f"acme/support/quiet-{number}" for number in range(20)]


@pytest.mark.usefixtures("both_ways")
async def test_orders_that_nobody_carried_out_are_given_up_by_the_worker_after_the_next_start(bench):
    def told(scopes, offers):
        return [(it.encode(), encode(insight(at, scope=it, candidates=offers))) for at in range(12) for it in scopes]

    await bench.publish("insights", told(ORDERED, CHEAP) + told(QUIET, ()))
    worker = bench.start_worker()
    await bench.wait_for("decisions", lambda records: {it.key for it in records} >= {it.encode() for it in ORDERED})
    await bench.wait_for("journal", lambda records: sum(b'"insights"' in it.value for it in records) >= 12 * 24)
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 20) == 0
    assert await bench.read("commands") == [], "this worker was told not to tick"
    bench.start_worker(tick_interval_ms=250)
    given_up = await bench.wait_for(
        "journal",
        lambda records: len({it.key for it in records if b"did not acknowledge within" in it.value}) >= len(ORDERED),
    )
    ticked = Counter(record.key.decode() for record in await bench.read("commands"))
    assert set(ticked) == set(ORDERED), "nobody else was waiting for anything"
    judged = [msgspec.json.decode(record.value, type=JournalRecord) for record in given_up]
    assert all(record.actor == "engine:ticker" for record in judged if record.source.topic == "commands")
    await asyncio.sleep(1.0)
    before = Counter(record.key.decode() for record in await bench.read("commands"))
    await asyncio.sleep(2.0)
    assert Counter(record.key.decode() for record in await bench.read("commands")) == before, "all is over"
