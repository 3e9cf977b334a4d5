"""Replay of what another version of the engine, or another policy, has decided."""

import json

import pytest

from decision_stream.model.policy import ParetoPolicy, Policy
from decision_stream.stream.record import JOURNAL
from decision_stream.tools.recording import BadRecording, Recording, read_recording
from decision_stream.tools.replay import replay
from tests.edge.test_tracing import Line
from tests.factories import SCOPE

OTHER = Policy(pareto=ParetoPolicy(min_gain=0.5))


@pytest.fixture
def recorded() -> Recording:
    line = Line()
    line.switched()
    line.recording.journal[SCOPE] = [output.value for output in line.outputs if output.topic == JOURNAL]
    return line.recording


def changed(recording: Recording, old: bytes, new: bytes) -> Recording:
    """The recording as if this had stood in it."""
    for values in (recording.directives, recording.signals):
        for identifier, value in values.items():
            values[identifier] = value.replace(old, new)
    recording.journal[SCOPE] = [value.replace(old, new) for value in recording.journal[SCOPE]]
    return recording


def version(recording: Recording) -> bytes:
    return b'"engine_version":"%s"' % json.loads(recording.journal[SCOPE][0])["engine_version"].encode()


def test_what_another_version_recorded_is_compared_but_for_the_version(recorded):
    done = replay(changed(recorded, version(recorded), b'"engine_version":"0.0.1"'), Policy())
    assert done.differences == () and done.versions == ("0.0.1",)


def test_what_another_version_decided_otherwise_is_told(recorded):
    changed(recorded, version(recorded), b'"engine_version":"0.0.1"')
    first = changed(recorded, b'"verdict":"proposed"', b'"verdict":"no_decision"')
    told = replay(first, Policy()).differences
    assert "verdict: recorded no_decision, replayed proposed" in told[0]


def test_records_are_stepped_under_the_policy_they_were_made_under(recorded):
    assert "policy_hash" in replay(recorded, OTHER).differences[0]
    assert replay(recorded, OTHER, {Policy().hash: Policy()}).differences == ()


def test_a_file_that_is_no_recording_is_refused(tmp_path):
    path = tmp_path / "no.jsonl"
    for text in ("no json\n", '{"topic": "journal"}\n', "[]\n"):
        path.write_text(text)
        with pytest.raises(BadRecording, match="is no recording"):
            read_recording(path)
    with pytest.raises(BadRecording, match="is no recording"):
        read_recording(tmp_path / "nowhere.jsonl")
