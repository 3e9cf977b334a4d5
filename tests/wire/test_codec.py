"""Strict on the way in, canonical on the way out."""

import contextlib
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from decision_stream.model.command import Command, Tick
from decision_stream.model.dead_letter import ReasonCode
from decision_stream.model.insight import Insight
from decision_stream.model.journal import (
    Alert,
    FrontierPoint,
    JournalRecord,
    Learning,
    Reason,
    Source,
    Stage,
    Transition,
    Verdict,
)
from decision_stream.model.knowledge import ProviderReport, Sighting, Signal
from decision_stream.model.lifecycle import DecisionState
from decision_stream.model.outcome import Outcome
from decision_stream.wire.codec import MAX_BYTES, MalformedMessage, encode, encode_journal, parser
from decision_stream.wire.dead_letters import dead_letter, headers_of, read_headers
from tests.factories import SCOPE, command, insight

NOW_MS = 2_000_000_000_000
parse = parser(Insight)


def changed(**fields: object) -> bytes:
    """A good insight with some fields replaced, as JSON."""
    document = json.loads(encode(insight(0)))
    for path, value in fields.items():
        place = document
        *parents, last = path.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    return json.dumps(document).encode()


def test_what_was_encoded_is_read_back_the_same():
    assert parse(encode(insight(3)), SCOPE.encode(), NOW_MS) == insight(3)


def test_equal_messages_have_equal_bytes_with_sorted_keys():
    value = encode(insight(3))
    assert value == encode(insight(3))
    assert list(json.loads(value)) == sorted(json.loads(value))


def test_a_journal_record_has_the_canonical_bytes_without_being_sorted():
    point = FrontierPoint(
        model="m",
        quality=0.5,
        cost_usd=0.1,
        latency_p95_ms=1.0,
        samples=1,
        utility=0.3,
        standing="in_use",
        code="c",
        detail="d",
    )
    moved = Transition(
        decision_id="d", from_state=DecisionState.PENDING, to_state=DecisionState.VALIDATING, reason="r", at_ms=1
    )
    record = JournalRecord(
        id="a/b/c#1",
        scope=SCOPE,
        sequence=1,
        at_ms=1,
        stage=Stage.EVALUATE,
        source=Source(topic="insights", partition=0, offset=0),
        event_id="i",
        verdict=Verdict.PROPOSED,
        reasons=(Reason(source="s", code="c", detail="d", value=1.0, limit=2.0),),
        transitions=(moved,),
        alerts=(Alert(code="c", detail="d", severity="critical"),),
        learnings=(Learning(what="w", before=None, after=1.0, decision_id="d"),),
        frontier=(point,),
        outputs=("p",),
        signals=("s",),
        actor="a",
        policy_hash="h",
        engine_version="v",
        previous_hash="00",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert encode_journal(record) == encode(record)
    parts = (record, record.source, *record.reasons, moved, *record.alerts, *record.learnings, point)
    # Every field of every part is written, or its place would not be compared.
    assert encode(record).count(b'":') == sum(len(part.__struct_fields__) for part in parts)


def test_plain_json_without_key_is_accepted_and_so_is_confluent_framing():
    value = encode(insight(0))
    assert parse(value, None, NOW_MS) == parse(b"\x00\x00\x00\x00\x07" + value, None, NOW_MS)


def test_a_message_from_outside_may_not_name_an_aggregate():
    with pytest.raises(MalformedMessage) as fault:
        parse(changed(scope=":provider/openai/0"), None, NOW_MS)
    assert fault.value.code is ReasonCode.SEMANTIC
    parse_signal = parser(Sighting | Signal)
    told = Sighting(
        id="s", scope=":provider/openai/0", at_ms=1, member=SCOPE, number=1, content=ProviderReport(provider="x")
    )
    assert parse_signal(encode(told), b":provider/openai/0", NOW_MS) == told
    for wrong in (replace(told, scope=SCOPE), replace(told, scope=":Provider/openai/0")):
        with pytest.raises(MalformedMessage):
            parse_signal(encode(wrong), None, NOW_MS)


def test_unknown_fields_are_ignored():
    assert parse(changed(novelty=1), None, NOW_MS) == insight(0)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, ReasonCode.NOT_JSON),
        (b"", ReasonCode.NOT_JSON),
        (b"nonsense", ReasonCode.NOT_JSON),
        (b"\xff\xfe{}", ReasonCode.NOT_JSON),
        (b"\xef\xbb\xbf{}", ReasonCode.NOT_JSON),
        (b'{"id": NaN}', ReasonCode.NOT_JSON),
        (b"[1]", ReasonCode.SCHEMA),
        (b"{}", ReasonCode.SCHEMA),
        (b'{"x": ' + b"[" * 100_000, ReasonCode.TOO_DEEP),
        (b" " * (MAX_BYTES + 1), ReasonCode.TOO_LARGE),
        (changed(schema_version=2), ReasonCode.WRONG_VERSION),
        (changed(quality__score="0.9"), ReasonCode.SCHEMA),
        (changed(quality__score=True), ReasonCode.SCHEMA),
        (changed(quality__score=90.0), ReasonCode.SCHEMA),
        (changed(quality__score=-0.1), ReasonCode.SCHEMA),
        (changed(quality__samples=-1), ReasonCode.SCHEMA),
        (changed(quality__samples=1.5), ReasonCode.SCHEMA),
        (changed(performance__latency_p95_ms=1e300), ReasonCode.SCHEMA),
        (changed(scope="no slashes"), ReasonCode.SCHEMA),
        (changed(scope="a/b/c\n"), ReasonCode.SCHEMA),
        (changed(id=""), ReasonCode.SCHEMA),
        (changed(id="x" * 200), ReasonCode.SCHEMA),
        (changed(at_ms=NOW_MS + 300_001), ReasonCode.TIME_BOUNDS),
        (changed(window_ms=0), ReasonCode.SCHEMA),
        (changed(anomalies=[{}] * 51), ReasonCode.SCHEMA),
    ],
)
def test_what_cannot_be_an_insight_is_refused_with_its_code(value, code):
    with pytest.raises(MalformedMessage) as caught:
        parse(value, None, NOW_MS)
    assert caught.value.code is code


def test_a_key_that_is_not_the_scope_is_refused():
    with pytest.raises(MalformedMessage) as caught:
        parse(encode(insight(0)), b"other/scope/name", NOW_MS)
    assert caught.value.code is ReasonCode.KEY_MISMATCH


def test_an_arm_with_more_errors_than_requests_is_refused():
    document = b"""{"id":"o","scope":"a/b/c","at_ms":1,"decision_id":"d","directive_id":"e","step":0,
        "status":"measured","arms":{"control":{"requests":1,"errors":2}}}"""
    with pytest.raises(MalformedMessage, match="2 errors"):
        parser(Outcome)(document, None, NOW_MS)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(value=st.binary(max_size=200) | st.text().map(lambda text: json.dumps({"id": text}).encode()))
def test_whatever_arrives_is_an_insight_or_malformed(value):
    try:
        parse(value, None, NOW_MS)
    except MalformedMessage as fault:
        assert fault.code in ReasonCode and len(fault.reason) <= 500


@settings(derandomize=True, max_examples=300, deadline=None)
@given(place=st.integers(0, 600), bit=st.integers(0, 7))
def test_a_flipped_bit_is_read_or_refused_but_never_a_crash(place, bit):
    value = bytearray(encode(insight(0)))
    value[place % len(value)] ^= 1 << bit
    with contextlib.suppress(MalformedMessage):
        parse(bytes(value), None, NOW_MS)


def test_a_reason_never_repeats_the_payload():
    secret = "hunter2-hunter2"
    with pytest.raises(MalformedMessage) as caught:
        parse(changed(quality__score=secret), None, NOW_MS)
    assert secret not in str(caught.value)


def test_every_kind_of_instruction_survives_the_wire():
    told = command(0, Tick())
    assert parser(Command)(encode(told), None, NOW_MS) == told


def test_a_dead_letter_keeps_the_original_headers_and_says_where_it_came_from():
    letter = dead_letter(MalformedMessage(ReasonCode.SCHEMA, "bad\nline"), "ds.insights", 3, 42, 1_000)
    headers = headers_of(letter, [("traceparent", b"00-1"), ("dlq.code", b"old")])
    assert headers[0] == ("traceparent", b"00-1")
    assert letter.id == "ds.insights-3-42"
    read = read_headers(headers)
    assert (read.code, read.reason) == (ReasonCode.SCHEMA, "bad?line")
    assert msgspec.structs.replace(read, reason=letter.reason) == letter
