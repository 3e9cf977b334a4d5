"""What is known across scopes on a real Kafka: it reaches scopes in other partitions, survives a kill, and replays."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import msgspec
from aiokafka.structs import ConsumerRecord

from decision_stream.model.actuation import Directive
from decision_stream.model.configuration import Configuration
from decision_stream.model.journal import JournalRecord
from decision_stream.model.knowledge import (
    CatalogNews,
    Comparison,
    Contribution,
    ProviderHealth,
    Sighting,
    Signal,
    aggregate_of,
    catalog_aggregates,
    is_aggregate,
)
from decision_stream.model.policy import Policy
from decision_stream.tools.recording import Recording
from decision_stream.tools.replay import replay
from decision_stream.tools.verify import verify
from decision_stream.wire.codec import encode
from tests.factories import START_MS, insight

SHARED = Configuration(model="shared")
SCOPES = tuple(f"tenant{number % 3}/service/route-{number}" for number in range(12))
EARLY, LATE = SCOPES[:9], SCOPES[9:]
WATCH = aggregate_of("provider", "shared", SCOPES[0], 1)
PRIORS = {aggregate_of("prior", scope.split("/")[0], scope, 1) for scope in SCOPES}


def windows(scopes, minutes: range, **more: object) -> Iterator[tuple[bytes, bytes]]:
    for minute in minutes:
        for scope in scopes:
            yield scope.encode(), encode(insight(minute, scope=scope, configuration=SHARED, **more))


def heard(records: list[ConsumerRecord], stage: str) -> list[JournalRecord]:
    found = {record.value: msgspec.json.decode(record.value, type=JournalRecord) for record in records}
    return [entry for entry in found.values() if entry.stage == stage]


async def all_heard(bench, kind: type, scopes: Iterable[str]) -> list[ConsumerRecord]:
    """Journal records of each of the scopes having heard a signal with content of this kind; waits until it is so."""

    def told(found: list[ConsumerRecord]) -> dict[str, str]:
        signals = (msgspec.json.decode(record.value, type=Sighting | Signal) for record in found)
        return {it.id: it.scope for it in signals if isinstance(it, Signal) and isinstance(it.content, kind)}

    signals = await bench.wait_for("signals", lambda found: set(told(found).values()) >= set(scopes))
    ids = {it for it, scope in told(signals).items() if scope in scopes}
    journal = await bench.wait_for("journal", lambda found: ids <= {entry.event_id for entry in heard(found, "hear")})
    return [record for record in journal if json.loads(record.value)["event_id"] in ids]


async def recorded(bench) -> Recording:
    recording = Recording()
    for topic in ("insights", "commands", "proposals", "decisions", "signals", "journal"):
        for record in await bench.read(topic):
            recording.note(topic, record.value)
    return recording


async def test_an_incident_is_told_across_partitions_and_through_a_kill_and_all_of_it_replays(bench):
    worker = bench.start_worker()
    await bench.publish("insights", windows(SCOPES, range(5)))
    await bench.wait_for("journal", lambda found: len(heard(found, "gather")) == 3 * len(SCOPES))
    await bench.publish("insights", windows(EARLY, range(5, 7), error_rate=0.5))
    await bench.wait_for("journal", lambda found: len(heard(found, "evaluate")) == 5 * 12 + 2 * 9)
    worker.kill()
    worker.wait()
    # The third bad window fires the limits: a new owner finds out, and tells those that are still well.
    await bench.publish("insights", windows(EARLY, range(7, 8), error_rate=0.5))
    bench.start_worker()
    bench.start_worker()
    partitions = {record.partition for record in await all_heard(bench, ProviderHealth, SCOPES)}
    assert len(partitions) > 1, "the scopes lie in several partitions"
    await bench.publish("insights", windows(LATE, range(8, 12), error_rate=0.5))
    orders = await bench.wait_for(
        "decisions", lambda found: {json.loads(record.value)["scope"] for record in found} >= set(LATE)
    )
    for order in (msgspec.json.decode(record.value, type=Directive) for record in orders):
        if order.scope in LATE:
            assert [evidence.method for evidence in order.decision.evidence] == ["hard_limit", "coincidence"]
    # Everything that follows has come to rest when the gathered and heard are as many as were told.
    for worker in bench.workers[1:]:
        worker.terminate()
        assert worker.wait(60) == 0
    recording = await recorded(bench)
    sent = {msgspec.json.decode(value)["id"] for value in recording.signals.values()}
    applied = {json.loads(value)["event_id"] for values in recording.journal.values() for value in values}
    assert sent <= applied, "every sighting and signal was applied"
    assert {scope for scope in recording.journal if is_aggregate(scope)} == {WATCH, *PRIORS, *catalog_aggregates(1)}
    assert replay(recording, Policy()).differences == ()
    assert verify([record.value for record in await bench.read("journal")]).faults == ()
    assert await bench.read("dead-letters") == []


MODELS = """
- {model: cheap, provider: mill, quality: 0.895, quality_stddev: 0.2, cost_usd: 0.002, cost_stddev_usd: 0.0005,
   latency_p50_ms: 950, latency_p95_ms: 1900, samples: 2000}
"""


def told(bench, *words: str) -> str:
    return ordered(bench, "catalog", *words)


def ordered(bench, *words: str) -> str:
    environment = {
        **os.environ,
        "DS_KAFKA__APP_ID": bench.app_id,
        "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
        "DS_KAFKA__PARTITIONS": str(bench.partitions),
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "decision_stream", *words, "-b", bench.bootstrap_servers]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_an_operators_catalogue_changes_what_is_decided_and_a_later_scope_knows_it_too(bench, tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(MODELS)
    bench.start_worker()
    early, late = SCOPES[:4], SCOPES[4:6]
    await bench.publish("insights", windows(early, range(3)))
    await bench.wait_for("journal", lambda found: len(heard(found, "gather")) == 3 * len(early))
    assert "the catalogue is empty" in await asyncio.to_thread(told, bench, "show")
    assert await asyncio.to_thread(told, bench, "apply", str(file), "--dry-run") == "cheap: put in\n"
    assert await asyncio.to_thread(told, bench, "apply", str(file), "--as", "user:ada") == "cheap: put in\n"
    await all_heard(bench, CatalogNews, early)
    await bench.publish("insights", windows(late, range(1)))
    await all_heard(bench, CatalogNews, (*early, *late))
    await bench.publish("insights", windows((*early, *late), range(3, 6)))
    orders = await bench.wait_for(
        "decisions", lambda found: {json.loads(record.value)["scope"] for record in found} >= {*early, *late}
    )
    directives = [msgspec.json.decode(record.value, type=Directive) for record in orders]
    assert {directive.decision.kind for directive in directives} == {"model_switch"}
    assert {directive.decision.changes.model.new for directive in directives} == {"cheap"}
    shown = json.loads(await asyncio.to_thread(told, bench, "show", "--json"))
    assert [(entry["model"]["estimate"]["model"], entry["actor"]) for entry in shown] == [("cheap", "user:ada")]
    assert "mill" in await asyncio.to_thread(told, bench, "show")
    assert await asyncio.to_thread(told, bench, "apply", str(file)) == "nothing changed\n"
    bench.workers[0].terminate()
    assert await asyncio.to_thread(bench.workers[0].wait, 60) == 0
    assert replay(await recorded(bench), Policy()).differences == ()


async def test_what_was_learnt_is_exported_from_the_state_and_imported_by_a_command(bench, tmp_path):
    out, pool, other = tmp_path / "learnt.json", ":prior/tenant0/0", ":prior/elsewhere/0"
    ratios = Comparison(old="shared", new="cheap", quality=-0.01, cost=-2.0, latency=0.1, samples=500)
    told_by = [
        Sighting(
            id=f"told-{number}",
            scope=pool,
            at_ms=START_MS,
            member=f"tenant0/service/{number}",
            number=1,
            content=Contribution(comparisons=(ratios,)),
        )
        for number in range(5)
    ]
    bench.start_worker()
    await bench.publish("signals", [(pool.encode(), encode(it)) for it in told_by])
    await bench.wait_for("journal", lambda found: len(heard(found, "gather")) == 5)
    told = await asyncio.to_thread(ordered, bench, "learn", "export", "--out", str(out))
    assert told == "shared against cheap: 5 scopes, 2500 scored requests\n" and "tenant0" not in out.read_text()
    await asyncio.to_thread(ordered, bench, "learn", "import", str(out), "--tenant", "elsewhere", "--as", "user:ada")
    entries = await bench.wait_for("journal", lambda found: len(heard(found, "govern")) == 1)
    (applied,) = heard(entries, "govern")
    assert (applied.scope, applied.verdict, applied.actor) == (other, "applied", "user:ada")
    assert [it.what for it in applied.learnings] == ["imported_priors"]
    bench.workers[0].terminate()
    assert await asyncio.to_thread(bench.workers[0].wait, 60) == 0
    # The test told the pool for scopes that are none.
    differences = replay(await recorded(bench), Policy()).differences
    assert differences == tuple(f"signal {it.id} was recorded but is not sent again" for it in told_by)
