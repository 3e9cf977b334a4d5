"""Dead letters: the original key, bytes and headers, with origin and reason as headers beside them."""

from collections.abc import Iterable

from .. import ENGINE_VERSION
from ..model.dead_letter import DeadLetter, ReasonCode
from .codec import MalformedMessage

PREFIX = "dlq."
Headers = list[tuple[str, bytes]]


def dead_letter(fault: MalformedMessage, topic: str, partition: int, offset: int, timestamp_ms: int) -> DeadLetter:
    """Where a bad message came from and what was wrong with it."""
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=timestamp_ms,
        code=fault.code,
        reason=fault.reason,
        engine_version=ENGINE_VERSION,
    )


def headers_of(letter: DeadLetter, original: Iterable[tuple[str, bytes]]) -> Headers:
    """The original headers, then ours; of a message that was parked before, the newest parking counts."""
    kept = [(name, value) for name, value in original if not name.startswith(PREFIX)]
    ours = {
        "id": letter.id,
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "timestamp_ms": str(letter.timestamp_ms),
        "code": letter.code.value,
        "reason": _printable(letter.reason),
        "engine_version": letter.engine_version,
    }
    return kept + [(PREFIX + name, value.encode()) for name, value in ours.items()]


def read_headers(headers: Iterable[tuple[str, bytes]]) -> DeadLetter:
    """The reason and origin of a parked message. Raises KeyError for a record that is no dead letter."""
    found = {name.removeprefix(PREFIX): value.decode() for name, value in headers if name.startswith(PREFIX)}
    return DeadLetter(
        topic=found["topic"],
        partition=int(found["partition"]),
        offset=int(found["offset"]),
        timestamp_ms=int(found["timestamp_ms"]),
        code=ReasonCode(found["code"]),
        reason=found["reason"],
        engine_version=found["engine_version"],
    )


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
