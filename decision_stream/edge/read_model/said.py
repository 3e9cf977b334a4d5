"""What a read model wants of the journal, proposals and decisions: decoded once, and only as far as needed."""

import logging

import msgspec
from msgspec import Raw, Struct

from ...engine.identity import derived_id
from ...model.knowledge import is_aggregate
from .protocol import Message

log = logging.getLogger(__name__)

SAID = ("journal", "proposals", "decisions")
"""Topics of the records that are read here."""


class Move(Struct, frozen=True, gc=False):
    """A decision moved from one state to another."""

    decision_id: str
    from_state: str
    to_state: str
    reason: str
    at_ms: int

    @property
    def is_first(self) -> bool:
        """Whether it is the one that a decision begins with."""
        return self.from_state == "pending"


class Applied(Struct, frozen=True, gc=False):
    """A record of the journal."""

    scope: str
    sequence: int
    at_ms: int
    stage: str
    verdict: str
    event_id: str
    transitions: tuple[Move, ...] = ()
    actor: str | None = None


class _Kind(Struct, frozen=True, gc=False):
    kind: str


class Proposed(Struct, frozen=True, gc=False):
    """A record of proposals."""

    id: str
    scope: str
    at_ms: int
    strategy: str
    decision: _Kind

    @property
    def decision_id(self) -> str:
        """The id of the decision that the proposal becomes."""
        return derived_id(self.id, "decision")


class Decided(Struct, frozen=True, gc=False):
    """The decision within an order."""

    id: str
    at_ms: int
    strategy: str
    decision: _Kind


class _Order(Struct, frozen=True, gc=False):
    id: str
    scope: str
    step: int
    at_ms: int
    decision: Raw


class Ordered(Struct, frozen=True, gc=False):
    """A record of decisions: an order to the actuator. `body` is the decision within it, as JSON."""

    id: str
    scope: str
    step: int
    at_ms: int
    decision: Decided
    body: bytes


_applied = msgspec.json.Decoder(Applied)
_proposed = msgspec.json.Decoder(Proposed)
_order = msgspec.json.Decoder(_Order)
_decided = msgspec.json.Decoder(Decided)


def read(message: Message) -> Applied | Proposed | Ordered | None:
    """What a record says; None for other topics, for what is known across scopes, and for what the engine never wrote.

    The last is logged: one unreadable record must not keep all that follow from being seen.
    """
    try:
        match message.topic:
            case "journal":
                applied = _applied.decode(message.value)
                return None if is_aggregate(applied.scope) else applied
            case "proposals":
                return _proposed.decode(message.value)
            case "decisions":
                order = _order.decode(message.value)
                body = bytes(order.decision)
                decided = _decided.decode(body)
                return Ordered(order.id, order.scope, order.step, order.at_ms, decided, body)
    except msgspec.MsgspecError as fault:
        place = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
        log.warning("record cannot be read; the read model goes on without it", extra={"why": str(fault), **place})
    return None
