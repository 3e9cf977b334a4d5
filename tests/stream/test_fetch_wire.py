"""Fetch requests and answers in Kafka's bytes: the same as aiokafka's own, without what is known already."""

import struct
from io import BytesIO

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v4, FetchRequest_v11, FetchResponse_v11
from hypothesis import given
from hypothesis import strategies as st

from decision_stream.stream.hardening.fetch_wire import FetchAnswer, LeanFetchRequest

int32, int64 = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
names = st.text(max_size=20)
places_asked = st.lists(st.tuples(int32, int64, int32), max_size=6)
requests = st.builds(
    FetchRequest,
    int32,
    int32,
    int32,
    st.sampled_from([0, 1]),
    st.lists(st.tuples(names, places_asked), max_size=5),
    names,
)
transactions = st.none() | st.lists(st.tuples(int64, int64), max_size=3)
places_answered = st.tuples(
    int32, st.integers(-1, 100), int64, int64, int64, transactions, int32, st.none() | st.binary(max_size=40)
)
answers = st.builds(
    FetchResponse_v11, int32, st.integers(-1, 100), int32, st.lists(st.tuples(names, st.lists(places_answered)))
)


def nothing_is_known(topic: str, partition: int, end: int) -> bool:
    return False


def lean(asked: FetchRequest, is_known=nothing_is_known) -> LeanFetchRequest:
    return LeanFetchRequest(asked, is_known)


@given(requests)
def test_a_request_has_the_bytes_that_aiokafka_gives_it(asked):
    assert lean(asked).build(FetchRequest_v11).encode() == asked.build(FetchRequest_v11).encode()


@given(requests.filter(lambda asked: asked._isolation_level == 0))
def test_a_broker_of_another_version_is_asked_as_aiokafka_asks(asked):
    assert lean(asked).build(FetchRequest_v4) == asked.build(FetchRequest_v4)


@given(answers, st.binary(max_size=8))
def test_an_answer_is_read_as_aiokafka_reads_it(answer, header):
    data = BytesIO(header + answer.encode())
    data.seek(len(header))
    read = FetchAnswer.read(data, nothing_is_known)
    assert (read.throttle_time_ms, read.error_code, read.session_id) == (
        answer.throttle_time_ms,
        answer.error_code,
        answer.session_id,
    )
    assert read.topics == [(topic, places) for topic, places in answer.topics if places]


@given(answers, st.data())
def test_an_answer_that_is_cut_short_is_refused(answer, data):
    whole = answer.encode()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises((struct.error, ValueError)):
        FetchAnswer.read(BytesIO(cut), nothing_is_known)


def test_what_is_known_already_is_left_out():
    answer = FetchResponse_v11(
        0,
        0,
        0,
        [
            ("idle", [(0, 0, 5, 5, 0, None, -1, b"")]),
            (
                "busy",
                [
                    (0, 0, 5, 5, 0, None, -1, b""),
                    (1, 0, 6, 6, 0, None, -1, b""),
                    (2, 0, 5, 5, 0, None, -1, b"records"),
                    (3, 6, 5, 5, 0, None, -1, b""),
                ],
            ),
        ],
    )
    asked = lean(FetchRequest(1, 1, 1, 0, []), lambda topic, partition, end: end == 5).build(FetchRequest_v11)
    read = asked.RESPONSE_TYPE.decode(BytesIO(answer.encode()))
    assert [(topic, [place[0] for place in places]) for topic, places in read.topics] == [("busy", [1, 2, 3])]
    assert read.API_VERSION == 11


@pytest.mark.parametrize("level", [0, 1])
def test_requests_and_answers_can_be_logged(level):
    asked = lean(FetchRequest(20, 1, 100, level, [("t", [(0, 7, 100)])])).build(FetchRequest_v11)
    assert "t" in repr(asked)
    assert "[('t', 1)]" in repr(FetchAnswer(0, 0, 0, [("t", [(0, 0, 5, 5, 0, None, -1, b"")])]))
