"""Produce requests and their answers in the bytes of Kafka's protocol, version 7, a group of fields at a time.

Version 7 is the newest that aiokafka speaks. It walks a schema value by value, copies the batches once for each array
that they are in, and twice more before they reach the transport. Here they are handed to it as they are.
"""

from asyncio import StreamWriter
from io import BytesIO
from struct import Struct
from typing import Any, ClassVar

from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7, ProduceResponse_v7

from .kafka_text import COUNT, text, text_at

Bytes = bytes | bytearray

_ASKED = Struct(">hii")
"""Acknowledgements, time for them, number of topics."""
_BATCH = Struct(">ii")
"""Partition, size of its batch."""
_PLACE = Struct(">ihqqq")
"""Partition, error, offset, timestamp, start of the log."""


class Pieces:
    """Bytes in pieces that follow each other; what is put before them goes to the first one."""

    def __init__(self, pieces: list[Bytes]) -> None:
        self.pieces = pieces

    def __radd__(self, before: bytes) -> "Pieces":
        first, *rest = self.pieces
        return Pieces([before + first, *rest])

    def __len__(self) -> int:
        return sum([len(piece) for piece in self.pieces])


class PiecewiseWriter:
    """What aiokafka's connection writes to: hands pieces to the transport without joining them."""

    def __init__(self, writer: StreamWriter) -> None:
        self._writer = writer
        self.drain, self.close = writer.drain, writer.close

    def write(self, data: bytes | Pieces) -> None:
        """Write a request as aiokafka has put it together."""
        if isinstance(data, Pieces):
            self._writer.writelines(data.pieces)
        else:
            self._writer.write(data)


class LeanProduceRequest(ProduceRequest):
    """The same request as another one, written and answered leanly where the broker speaks version 7."""

    def __init__(self, asked: ProduceRequest) -> None:
        super().__init__(asked._transactional_id, asked._required_acks, asked._timeout, asked._topics)

    def build(self, request_struct_class: Any) -> Any:
        """The request in the version that the broker speaks."""
        return _Asked(self) if request_struct_class is ProduceRequest_v7 else super().build(request_struct_class)

    def pieces(self) -> Pieces:
        """Its bytes in version 7."""
        pieces: list[Bytes] = []
        fields = text(self._transactional_id)
        fields += _ASKED.pack(self._required_acks, self._timeout, len(self._topics))
        for topic, batches in self._topics:
            fields += text(topic) + COUNT.pack(len(batches))
            for partition, batch in batches:
                pieces += (fields + _BATCH.pack(partition, len(batch)), batch)
                fields = b""
        return Pieces([*pieces, fields] if fields else pieces)

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

    def encode(self) -> Pieces:  # aiokafka puts header and size before it and hands it to the writer.
        return self._request.pieces()

    def __repr__(self) -> str:
        return repr(self._request)
