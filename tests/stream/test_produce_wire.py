"""Produce requests and answers in Kafka's bytes: the same as aiokafka's own."""

import struct
from io import BytesIO

import pytest
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v3, ProduceRequest_v7, ProduceResponse_v7
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stream.hardening.produce_wire import LeanProduceRequest, Pieces, PiecewiseWriter, ProduceAnswer

int16, int32 = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
names, texts = st.text(max_size=20), st.none() | st.text(max_size=20)
batches = st.lists(st.tuples(int32, st.binary(max_size=40)), max_size=5)
requests = st.builds(ProduceRequest, texts, int16, int32, st.lists(st.tuples(names, batches), max_size=5))
places = st.lists(st.tuples(int32, int16, int64, int64, int64), max_size=5)
answers = st.builds(ProduceResponse_v7, st.lists(st.tuples(names, places), max_size=4), int32)


@given(requests)
def test_a_request_has_the_bytes_that_aiokafka_gives_it(asked):
    pieces = b"header" + LeanProduceRequest(asked).build(ProduceRequest_v7).encode()
    assert b"".join(pieces.pieces) == b"header" + asked.build(ProduceRequest_v7).encode()
    assert len(pieces) == len(b"".join(pieces.pieces))


def test_batches_are_not_copied():
    batch = bytearray(b"records")
    asked = ProduceRequest(None, -1, 1, [("t", [(3, batch), (4, batch)])])
    pieces = LeanProduceRequest(asked).build(ProduceRequest_v7).encode().pieces
    assert [piece is batch for piece in pieces] == [False, True, False, True]


class Written:
    """Keeps what comes in one piece and what comes in several."""

    def __init__(self) -> None:
        self.whole, self.pieces = [], []
        self.write, self.writelines = self.whole.append, self.pieces.extend
        self.drain = self.close = None


def test_pieces_are_written_one_by_one_and_all_else_as_it_is():
    written = Written()
    writer = PiecewiseWriter(written)
    writer.write(b"size" + Pieces([b"header", b"batch"]))
    writer.write(b"another request")
    assert (written.pieces, written.whole) == ([b"sizeheader", b"batch"], [b"another request"])


@given(requests)
def test_a_broker_of_another_version_is_asked_as_aiokafka_asks(asked):
    assert LeanProduceRequest(asked).build(ProduceRequest_v3) == asked.build(ProduceRequest_v3)


@given(answers, st.binary(max_size=8))
def test_an_answer_is_read_as_aiokafka_reads_it(answer, header):
    data = BytesIO(header + answer.encode())
    data.seek(len(header))
    read = answer_from(data)
    assert (read.topics, read.throttle_time_ms, read.API_VERSION) == (answer.topics, answer.throttle_time_ms, 7)


def answer_from(data: BytesIO) -> ProduceAnswer:
    """The answer as aiokafka's connection reads it."""
    asked = LeanProduceRequest(ProduceRequest(None, -1, 1, [])).build(ProduceRequest_v7)
    return asked.RESPONSE_TYPE.decode(data)


@given(answers, st.data())
def test_an_answer_that_is_cut_short_is_refused(answer, data):
    whole = answer.encode()
    with pytest.raises((struct.error, ValueError)):
        ProduceAnswer.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])


def test_requests_can_be_logged():
    asked = LeanProduceRequest(ProduceRequest(None, -1, 1, [("t", [(3, b"records")])]))
    assert "{'t': {3: 7}}" in repr(asked.build(ProduceRequest_v7))
