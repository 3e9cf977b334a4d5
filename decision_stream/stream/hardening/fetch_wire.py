"""Fetch requests and their answers in the bytes of Kafka's protocol, version 11, a group of fields at a time.

aiokafka walks a schema value by value and then handles every partition that was asked for, also those that have
nothing new: of twenty partitions some five have, and a worker asks some forty times a second.
"""

from collections.abc import Callable
from io import BytesIO
from struct import Struct
from typing import Any, ClassVar

from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v11, FetchResponse_v11

from .kafka_text import COUNT, text, text_at

IsKnown = Callable[[str, int, int], bool]
"""Whether the end of a partition, by topic and number, was this already."""

_ASKED = Struct(">iiiibii")
"""Replica, longest wait, least and most bytes, isolation level, session and its epoch."""
_PLACE_ASKED = Struct(">iiqqi")
"""Partition, leader epoch, offset, start of the log, most bytes."""
_ANSWERED = Struct(">ihii")
"""Throttle time, error, session, number of topics."""
_PLACE_ANSWERED = Struct(">ihqqqi")
"""Partition, error, end, last stable offset, start of the log, number of aborted transactions."""
_ABORTED = Struct(">qq")
_REPLICA_AND_SIZE = Struct(">ii")
_CONSUMER, _UNKNOWN, _NO_SESSION = -1, -1, (0, -1)


class LeanFetchRequest(FetchRequest):
    """The same question as another one, asked and answered leanly where the broker speaks version 11.

    What is answered about a partition that has no records, no error and an end that `is_known` is left out.
    `answered_bytes` is the size of the answer, 0 before it came and where the broker speaks another version.
    """

    answered_bytes = 0

    def __init__(self, asked: FetchRequest, is_known: IsKnown) -> None:
        super().__init__(
            asked._max_wait_ms,
            asked._min_bytes,
            asked._max_bytes,
            asked._isolation_level,
            asked._topics,
            asked._rack_id,
        )
        self.is_known = is_known

    def build(self, request_struct_class: Any) -> Any:
        """The request in the version that the broker speaks."""
        if request_struct_class is FetchRequest_v11:
            return _Asked(self)
        return super().build(request_struct_class)

    def packed(self) -> bytes:
        """Its bytes in version 11."""
        parts = [
            _ASKED.pack(
                _CONSUMER,
                self._max_wait_ms,
                self._min_bytes,
                self._max_bytes,
                self._isolation_level,
                *_NO_SESSION,
            ),
            COUNT.pack(len(self._topics)),
        ]
        for topic, places in self._topics:
            parts += (text(topic), COUNT.pack(len(places)))
            parts += [
                _PLACE_ASKED.pack(partition, _UNKNOWN, offset, _UNKNOWN, most) for partition, offset, most in places
            ]
        parts += (COUNT.pack(0), text(self._rack_id))
        return b"".join(parts)


class FetchAnswer(FetchResponse_v11):
    """An answer with the fields that aiokafka's fetcher reads."""

    def __init__(self, throttle_time_ms: int, error_code: int, session_id: int, topics: list[Any]) -> None:
        self.throttle_time_ms, self.error_code, self.session_id = throttle_time_ms, error_code, session_id
        self.topics = topics

    @classmethod
    def read(cls, data: BytesIO, is_known: IsKnown) -> "FetchAnswer":
        """Read from where `data` stands, without what is known already.

        Raises `struct.error` or `ValueError` when bytes are missing.
        """
        whole, at = data.getvalue(), data.tell()
        throttle, error, session, topics = _ANSWERED.unpack_from(whole, at)
        at += _ANSWERED.size
        told = []
        for _ in range(topics):
            topic, at = text_at(whole, at)
            assert topic is not None, "a topic has a name"
            (places,) = COUNT.unpack_from(whole, at)
            at += COUNT.size
            news = []
            for _ in range(places):
                partition, code, end, stable, start, aborted = _PLACE_ANSWERED.unpack_from(whole, at)
                at += _PLACE_ANSWERED.size
                transactions = None
                if aborted >= 0:
                    transactions = [_ABORTED.unpack_from(whole, at + n * _ABORTED.size) for n in range(aborted)]
                    at += aborted * _ABORTED.size
                replica, size = _REPLICA_AND_SIZE.unpack_from(whole, at)
                at += _REPLICA_AND_SIZE.size
                if size <= 0 and not code and is_known(topic, partition, end):
                    continue
                records = whole[at : at + size] if size >= 0 else None
                at += max(size, 0)
                news.append((partition, code, end, stable, start, transactions, replica, records))
            if news:
                told.append((topic, news))
        if at > len(whole):
            raise ValueError(f"an answer of {len(whole)} bytes should have {at}")
        return cls(throttle, error, session, told)

    def __repr__(self) -> str:
        return f"FetchAnswer({self.error_code}, {[(topic, len(news)) for topic, news in self.topics]})"


class _Reader:
    """What aiokafka's connection takes for the class of an answer."""

    def __init__(self, request: LeanFetchRequest) -> None:
        self._request = request

    def decode(self, data: BytesIO) -> FetchAnswer:
        self._request.answered_bytes = len(data.getvalue())
        return FetchAnswer.read(data, self._request.is_known)


class _Asked(FetchRequest_v11):
    """The request as it is sent."""

    RESPONSE_TYPE: ClassVar[Any] = FetchAnswer

    def __init__(self, request: LeanFetchRequest) -> None:
        self._request = request
        self.RESPONSE_TYPE = _Reader(request)  # type: ignore[misc]  # One of its own for each request.

    def encode(self) -> bytes:
        return self._request.packed()

    def __repr__(self) -> str:
        return f"_Asked({self._request.topics})"
