"""Messages as JSON: strict on the way in, canonical on the way out.

What comes in is judged like a stranger's: size, depth, version, types, bounds, key and time are checked before the
engine sees it, and whatever fails is a `MalformedMessage` with a reason code. Plain JSON needs no header; the five
bytes of Confluent framing are skipped. Unknown fields are ignored, so that a newer analyzer may say more.
"""

import threading
from collections.abc import Callable
from types import UnionType

import msgspec

from ..model.actuation import Directive
from ..model.command import Command, ImportPriors, UpdateCatalog
from ..model.dead_letter import ReasonCode
from ..model.decision import Proposal
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import JournalRecord
from ..model.knowledge import CatalogEntry, Sighting, is_aggregate
from ..model.outcome import Outcome

MAX_BYTES = 256 * 1024
FUTURE_TOLERANCE_MS = 5 * 60_000
"""An event may lie this far after the broker's time of the record; further ahead it would freeze the scope's clock."""
CONFLUENT_HEADER_BYTES = 5
SUPPORTED_VERSION = 1

Message = Event | Directive | CatalogEntry | JournalRecord
Kind = type[Event] | UnionType
"""What a topic carries: one kind of event, or several that name theirs."""


class MalformedMessage(Exception):
    """A message that cannot be an event; `code` and the text go to the dead letters, the payload is not echoed."""

    def __init__(self, code: ReasonCode, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason[:500]


class _Version(msgspec.Struct):
    schema_version: int = SUPPORTED_VERSION


_canonical = msgspec.json.Encoder(order="sorted")
_in_order = msgspec.json.Encoder()
_version = msgspec.json.Decoder(_Version)


def encode(message: Message) -> bytes:
    """Canonical JSON: keys sorted, shortest floats, no blanks; equal messages have equal bytes."""
    return packed(_canonical, message)


def encode_journal(record: JournalRecord) -> bytes:
    """The same bytes as those of `encode`: the journal's fields are in the order of their names as they are."""
    return packed(_in_order, record)


class _Scratch(threading.local):
    """Where messages are encoded before it is known how large they are."""

    def __init__(self) -> None:
        self.buffer = bytearray()


_scratch = _Scratch()


def packed(encoder: msgspec.json.Encoder | msgspec.msgpack.Encoder, value: object) -> bytes:
    """What the encoder makes of a value, in no more memory than it needs.

    The encoder's own bytes have up to half as much again unused behind them, which counts where they are kept.
    """
    buffer = _scratch.buffer
    encoder.encode_into(value, buffer)
    return bytes(buffer)


def parser(kind: Kind) -> Callable[[bytes | None, bytes | None, int], Event]:
    """A function that reads one event of this kind from a record's value, key and broker time in ms.

    It raises `MalformedMessage`.

    >>> from decision_stream.model.insight import Insight
    >>> parser(Insight)(b"not json", b"a/b/c", 0)
    Traceback (most recent call last):
        ...
    decision_stream.wire.codec.MalformedMessage: not_json: JSON is malformed: invalid character (byte 4)
    """
    decode = msgspec.json.Decoder(kind).decode
    may_be_for_aggregates = kind not in (Insight, Proposal, Outcome)

    def parse(value: bytes | None, key: bytes | None, timestamp_ms: int) -> Event:
        body = value if value and value[0] and len(value) <= MAX_BYTES else _body(value)
        try:
            event = decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as fault:
            raise _explained(fault, body) from None
        scope = event.scope
        if key is not None and key != scope.encode():
            raise MalformedMessage(ReasonCode.KEY_MISMATCH, "the record's key is not the scope named in its value")
        if is_aggregate(scope) != (may_be_for_aggregates and _is_for_aggregates(event)):
            raise MalformedMessage(ReasonCode.SEMANTIC, "names with a colon before them are for the engine's own")
        if event.at_ms > timestamp_ms + FUTURE_TOLERANCE_MS:
            raise MalformedMessage(
                ReasonCode.TIME_BOUNDS,
                f"at_ms lies {event.at_ms - timestamp_ms} ms after the record's time, at most {FUTURE_TOLERANCE_MS}",
            )
        return event

    return parse


def _is_for_aggregates(event: Event) -> bool:
    return isinstance(event, Sighting) or (
        isinstance(event, Command) and isinstance(event.instruction, UpdateCatalog | ImportPriors)
    )


def _body(value: bytes | None) -> bytes:
    if value is None:
        raise MalformedMessage(ReasonCode.NOT_JSON, "the record has no value")
    if len(value) > MAX_BYTES:
        raise MalformedMessage(ReasonCode.TOO_LARGE, f"{len(value)} bytes, at most {MAX_BYTES}")
    return value[CONFLUENT_HEADER_BYTES:] if value[:1] == b"\x00" else value


def _explained(fault: Exception, body: bytes) -> MalformedMessage:
    """Which of the reasons it was. Only the rare bad message pays for the second look."""
    if isinstance(fault, RecursionError):
        return MalformedMessage(ReasonCode.TOO_DEEP, "the value is nested too deeply")
    if isinstance(fault, UnicodeDecodeError):
        return MalformedMessage(ReasonCode.NOT_JSON, "the value is not UTF-8")
    if isinstance(fault, msgspec.ValidationError):
        version = _claimed_version(body)
        if version is not None and version != SUPPORTED_VERSION:
            return MalformedMessage(
                ReasonCode.WRONG_VERSION, f"schema_version is {version}, expected {SUPPORTED_VERSION}"
            )
        return MalformedMessage(ReasonCode.SCHEMA, str(fault))
    return MalformedMessage(ReasonCode.NOT_JSON, str(fault))


def _claimed_version(body: bytes) -> int | None:
    try:
        return _version.decode(body).schema_version
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
