"""The main job as a person starts it: a worker and a fleet on a real Kafka, twice with the same seed."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from msgspec.structs import replace

from decision_stream.settings import parse
from decision_stream.sim.inprocess import simulate
from decision_stream.sim.policy import DEMO_SETTINGS
from decision_stream.sim.world import INCIDENTS, LAST_MINUTE, World
from decision_stream.tools.recording import Recording, read_recording
from decision_stream.tools.replay import replay
from decision_stream.tools.verify import verify
from decision_stream.tools.whatif import what_if

SEED = 7
POLICY = parse(DEMO_SETTINGS, {}).policy


def play(bootstrap_servers: str, record: Path) -> str:
    """Run the demo; its output."""
    command = [sys.executable, "-m", "decision_stream", "demo", "--headless", "--seconds", "20", "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--record", str(record), "-b", bootstrap_servers],
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "160"},
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def runs(kafka, tmp_path_factory) -> list[tuple[str, Recording]]:
    directory = tmp_path_factory.mktemp("demo")
    made = []
    for number in range(2):
        path = directory / f"{number}.jsonl"
        made.append((play(kafka.bootstrap_servers, path), read_recording(path)))
    return made


def decisions(recording: Recording) -> list[dict]:
    """Decisions of the incidents' minutes, in order of time."""
    found = {}
    for value in recording.directives.values():
        decision = json.loads(value)["decision"]
        found[decision["id"]] = decision
    return sorted(found.values(), key=lambda decision: (decision["at_ms"], decision["id"]))


def shown(recording: Recording) -> list[tuple]:
    """What was decided up to the minute that every run reaches: type, scope and target."""
    end_ms = min(event.at_ms for event in recording.events.values()) + (LAST_MINUTE - 1) * 60_000
    return [
        (decision["decision"]["kind"], decision["scope"], decision["to_configuration_id"], decision["at_ms"])
        for decision in decisions(recording)
        if decision["at_ms"] <= end_ms
    ]


def test_the_incidents_are_answered_and_the_placebo_is_left_alone(runs):
    output, recording = runs[0]
    assert {"model_switch", "rollback", "circuit_break", "start_experiment", "conclude_experiment"} <= {
        made[0] for made in shown(recording)
    }
    assert "left alone, rightly" in output and "UNEXPECTED" not in output and "WRONG" not in output
    (placebo,) = [incident for incident in INCIDENTS if not incident.good_answers]
    assert all(made[1] != placebo.scope for made in shown(recording))


def test_every_decision_is_traceable_from_insight_to_outcome(runs):
    _, recording = runs[0]
    journal = [json.loads(value) for values in recording.journal.values() for value in values]
    by_event = {record["event_id"]: record for record in journal}
    by_output = {output: record for record in journal for output in record["outputs"]}
    outcomes = {event.decision_id for event in recording.events.values() if hasattr(event, "decision_id")}
    for value in recording.directives.values():
        directive = json.loads(value)
        decision = directive["decision"]
        assert directive["id"] in by_output, "the journal names every directive"
        assert decision["insight_id"] in by_event, "the cause is in the journal"
        assert decision["proposal_id"] in by_event or decision["strategy"] not in ("pareto", "threshold_based")
        assert decision["id"] in outcomes, "the actuator reported on it"
        assert decision["evidence"], "every decision of the run carries its evidence"


def test_the_recorded_events_step_through_the_core_to_the_same_bytes(runs):
    for _, recording in runs:
        done = replay(recording, POLICY)
        assert done.differences == ()
        assert done.directives == len(recording.directives) > 10 and done.events > 1_500


def test_the_same_seed_gives_the_same_decisions_on_kafka_and_in_process(runs):
    one, other = (shown(recording) for _, recording in runs)
    assert one == other
    pure = simulate(World(SEED), POLICY, LAST_MINUTE - 1)
    assert sorted((made.kind, made.scope) for made in pure.decisions) == sorted(made[:2] for made in one)


def test_another_policy_is_told_by_its_first_difference(runs):
    done = replay(runs[0][1], parse(DEMO_SETTINGS + "breaker: {min_decisions: 9}\n", {}).policy)
    assert done.differences and "policy_hash" in done.differences[0]


def test_the_journal_is_a_whole_chain_and_a_missing_or_changed_record_is_told(runs, tmp_path):
    values = [value for scope in runs[0][1].journal.values() for value in scope]
    whole = verify(values)
    assert whole.faults == () and whole.scopes == 8 and whole.aggregates and whole.records == len(values)
    assert verify([*values, values[0]]).repeats == 1
    (gap,) = verify(values[:5] + values[6:]).faults
    assert "expected" in gap
    changed = values[5].replace(b'"at_ms":', b'"at_ms": ', 1)
    assert any("names" in fault for fault in verify([*values[:5], changed, *values[6:]]).faults)
    assert verify([b"no record"]).faults


def command_on(kafka, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command about the topics of the first run."""
    topics = asyncio.run(_topics(kafka.bootstrap_servers))
    journal = next(name for name in sorted(topics) if name.startswith("demo-") and name.endswith(".journal"))
    return subprocess.run(
        [sys.executable, "-m", "decision_stream", *arguments, "-b", kafka.bootstrap_servers],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DS_KAFKA__TOPIC_PREFIX": journal.removesuffix("journal")},
    )


def test_the_chain_is_verified_from_the_topic_by_the_command_line(runs, kafka):
    done = command_on(kafka, "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 scopes" in done.stdout and "the chain is whole" in done.stdout


def test_the_topics_themselves_are_replayed_byte_for_byte_by_the_command_line(runs, kafka):
    done = command_on(kafka, "replay", "--from-topic", "--demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of 8 scopes" in done.stdout and "all the same" in done.stdout and "left out" not in done.stderr
    other = command_on(kafka, "replay", "--from-topic")
    assert other.returncode == 1 and "policy_hash" in other.stdout.splitlines()[0]


def test_what_was_decided_under_earlier_settings_is_replayed_under_them(runs, kafka, tmp_path):
    settings = tmp_path / "earlier.yaml"
    settings.write_text(DEMO_SETTINGS)
    done = command_on(kafka, "replay", "--from-topic", "--earlier", str(settings))
    assert done.returncode == 0, done.stdout + done.stderr


async def _topics(bootstrap_servers: str) -> set[str]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers)
    await consumer.start()
    try:
        return await consumer.topics()
    finally:
        await consumer.stop()


def test_another_policy_parts_from_the_recorded_history_where_it_decides_otherwise(runs):
    recording = runs[0][1]
    assert what_if(recording, POLICY) == ()
    partings = what_if(recording, replace(POLICY, pareto=replace(POLICY.pareto, enabled=False)))
    assert partings
    first = partings[0]
    assert first.recorded is not None and first.recorded.kind == "model_switch"
    assert first.supposed is None or first.supposed.kind != "model_switch"
