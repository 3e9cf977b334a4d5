"""Produce requests and their answers in the bytes of Kafka's protocol, version 7, a group of fields at a time.

Version 7 is the newest that aiokafka speaks. It walks a schema value by value, and copies the batches once for each
array that they are in.
"""

from io import BytesIO
from struct import Struct
from typing import Any, ClassVar

from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7, ProduceResponse_v7

from .kafka_text import COUNT, text, text_at

_ASKED = Struct(">hii")
"""Acknowledgements, time for them, number of topics."""
_BATCH = Struct(">ii")
"""Partition, size of its batch."""
_PLACE = Struct(">ihqqq")
"""Partition, error, offset, timestamp, start of the log."""


class LeanProduceRequest(ProduceRequest):
    """The same request as another one, written and answered leanly where the broker speaks version 7."""

    def __init__(self, asked: ProduceRequest) -> None:
        super().__init__(asked._transactional_id, asked._required_acks, asked._timeout, asked._topics)

    def build(self, request_struct_class: Any) -> Any:
        """The request in the version that the broker speaks."""
        return _Asked(self) if request_struct_class is ProduceRequest_v7 else super().build(request_struct_class)

    def packed(self) -> bytes:
        """Its bytes in version 7."""
        parts: list[bytes] = [
            text(self._transactional_id),
            _ASKED.pack(self._required_acks, self._timeout, len(self._topics)),
        ]
        for topic, batches in self._topics:
            parts += (text(topic), COUNT.pack(len(batches)))
            for partition, batch in batches:
                parts += (_BATCH.pack(partition, len(batch)), batch)
        return b"".join(parts)

    def __repr__(self) -> str:
        sizes = {topic: {number: len(batch) for number, batch in batches} for topic, batches in self._topics}
        return f"LeanProduceRequest({self._required_acks}, {sizes})"


class ProduceAnswer(ProduceResponse_v7):
    """An answer with the fields that aiokafka's sender reads."""

    def __init__(self, topics: list[Any], throttle_time_ms: int) -> None:
        self.topics, self.throttle_time_ms = topics, throttle_time_ms

    @classmethod
    def decode(cls, data: BytesIO | bytes) -> "ProduceAnswer":
        """Read from where `data` stands. Raises `struct.error` or `ValueError` when bytes are missing."""
        stream = BytesIO(data) if isinstance(data, bytes) else data
        whole, at = stream.getvalue(), stream.tell()
        (count,) = COUNT.unpack_from(whole, at)
        at += COUNT.size
        topics = []
        for _ in range(count):
            topic, at = text_at(whole, at)
            (places,) = COUNT.unpack_from(whole, at)
            at += COUNT.size
            topics.append((topic, [_PLACE.unpack_from(whole, at + number * _PLACE.size) for number in range(places)]))
            at += places * _PLACE.size
        (throttle,) = COUNT.unpack_from(whole, at)
        return cls(topics, throttle)


class _Asked(ProduceRequest_v7):
    """The request as it is sent."""

    RESPONSE_TYPE: ClassVar[Any] = ProduceAnswer

    def __init__(self, request: LeanProduceRequest) -> None:
        self._request = request

    def encode(self) -> bytes:
        return self._request.packed()

    def __repr__(self) -> str:
        return repr(self._request)
