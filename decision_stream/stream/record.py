"""One input record applied to one stored scope: fence, step, journal, outbox, bytes. Pure, and without Faust.

A scope is stored as two records of one changelog partition. The hot record is written for every applied event:
fence, sequence, hash of the journal, outbox and the hot part of the state. The cold record is written before it, and
only when the cold part changed; it keeps the version before, and the hot record names the version it belongs to. So
a crash between the two writes is repaired on load, and what one event changes becomes durable together or not at all.
"""

from collections.abc import Set
from dataclasses import dataclass
from hashlib import sha256

import msgspec
from msgspec import Struct

from .. import ENGINE_VERSION
from ..engine.step import step
from ..model.decision import Proposal
from ..model.effect import Effects
from ..model.event import Event
from ..model.journal import JournalRecord, Source
from ..model.policy import Policy
from ..model.state import ColdState, HotState, ScopeState
from ..wire.codec import encode

FORMAT = 1
MAX_STATE_BYTES = 512 * 1024
GENESIS = b"\x00" * 32
COLD_SUFFIX = b"\x00cold"

PROPOSALS, DECISIONS, JOURNAL = "proposals", "decisions", "journal"
"""Names of the output topics, without prefix."""


class UnreadableState(Exception):
    """A stored scope that this version cannot read: never guessed at, never overwritten."""


class StateTooLarge(Exception):
    """An event would make a scope's record larger than the broker takes; it is refused before it is applied."""


class Output(Struct, frozen=True, array_like=True):
    """A message to send: topic without prefix, and its bytes. Its key is the scope, its partition the source's."""

    topic: str
    value: bytes


class OutboxEntry(Struct, frozen=True, array_like=True):
    """The outputs of one applied event, kept until the broker has acknowledged them."""

    sequence: int
    topic: str
    offset: int
    outputs: tuple[Output, ...]


class HotRecord(Struct, frozen=True, array_like=True):
    """What is written for every applied event. `fence` is the last applied offset of each source topic.

    `epoch` rises each time a worker takes the scope up, so that a write of an owner that was replaced but does not know
    it yet cannot win over a newer one: of two records the higher (epoch, sequence) counts, wherever they lie.
    """

    format: int
    epoch: int
    sequence: int
    fence: dict[str, int]
    head: bytes
    cold_version: int
    outbox: tuple[OutboxEntry, ...]
    hot: HotState


class ColdRecord(Struct, frozen=True, array_like=True):
    """The cold part in its version, and the version before it."""

    format: int
    epoch: int
    version: int
    current: bytes
    previous: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredScope:
    """A scope as it is stored, decoded."""

    state: ScopeState
    fence: dict[str, int]
    epoch: int = 1
    is_new_epoch: bool = True
    sequence: int = 0
    head: bytes = GENESIS
    outbox: tuple[OutboxEntry, ...] = ()
    cold_version: int = 0
    cold_bytes: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What applying one record came to.

    `writes` are table writes in the order they must reach the changelog; `outputs` may be sent once those are durable.
    For a record that was applied before, `effects` is None, nothing is written, and `outputs` are the stored bytes,
    if the broker was not known to have them.
    """

    stored: StoredScope
    effects: Effects | None
    writes: tuple[tuple[bytes, bytes], ...]
    outputs: tuple[Output, ...]


class _Rank(Struct, frozen=True, array_like=True):
    """The first fields of both kinds of record: `number` is the sequence of a hot, the version of a cold one."""

    format: int
    epoch: int
    number: int


_rank = msgspec.msgpack.Decoder(_Rank)
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_hot = msgspec.msgpack.Decoder(HotRecord)
_cold = msgspec.msgpack.Decoder(ColdRecord)
_cold_state = msgspec.msgpack.Decoder(ColdState)


def empty(scope: str) -> StoredScope:
    """A scope of which nothing is stored."""
    return StoredScope(state=ScopeState(scope=scope), fence={})


def cold_key(scope: str) -> bytes:
    """Key of the cold record; the hot record's key is the scope itself."""
    return scope.encode() + COLD_SUFFIX


def apply(
    stored: StoredScope, source: Source, event: Event, policy: Policy, *, delivered: Set[int] = frozenset()
) -> Applied:
    """Apply one record.

    `delivered` are the sequences whose outputs the broker is known to have; their outbox entries are dropped.
    Raises `StateTooLarge`; any other error is a mistake of the engine. In both cases nothing has changed.
    """
    if source.offset <= stored.fence.get(source.topic, -1):
        return Applied(stored=stored, effects=None, writes=(), outputs=_kept_outputs(stored, source))
    state, effects = step(stored.state, event, policy)
    sequence = stored.sequence + 1
    journal = encode(_journal_record(stored, source, event, effects, policy, sequence, state.hot.at_ms))
    outputs = (
        *(
            Output(PROPOSALS if isinstance(output, Proposal) else DECISIONS, encode(output))
            for output in effects.outputs
        ),
        Output(JOURNAL, journal),
    )
    entry = OutboxEntry(sequence, source.topic, source.offset, outputs)
    # A new owner writes the cold part once, so that every later version of it is of its own epoch.
    cold_changed = state.cold is not stored.state.cold or stored.is_new_epoch
    cold_bytes = _encode(state.cold) if cold_changed else stored.cold_bytes
    after = StoredScope(
        state=state,
        epoch=stored.epoch,
        is_new_epoch=False,
        fence={**stored.fence, source.topic: source.offset},
        sequence=sequence,
        head=sha256(journal).digest(),
        outbox=(*(kept for kept in stored.outbox if kept.sequence not in delivered), entry),
        cold_version=stored.cold_version + cold_changed,
        cold_bytes=cold_bytes,
    )
    writes = [(state.scope.encode(), _hot_bytes(after))]
    if cold_changed:
        record = ColdRecord(FORMAT, after.epoch, after.cold_version, cold_bytes, stored.cold_bytes)
        writes.insert(0, (cold_key(state.scope), _encode(record)))
    for key, value in writes:
        if len(value) > MAX_STATE_BYTES:
            raise StateTooLarge(f"record {key!r} would have {len(value)} bytes, at most {MAX_STATE_BYTES}")
    return Applied(stored=after, effects=effects, writes=tuple(writes), outputs=outputs)


def load(scope: str, hot_bytes: bytes | None, cold_bytes: bytes | None, *, new_epoch: bool = True) -> StoredScope:
    """Decode a stored scope; of a cold record newer than the hot one, the version before is taken.

    `new_epoch` is False when the same owner reads its own writes again.

    Raises `UnreadableState` for another format, damaged bytes, or parts that do not belong together.
    """
    if hot_bytes is None:
        # Only the cold write of the scope's very first event survived: the event will come again.
        return empty(scope)
    try:
        hot = _hot.decode(hot_bytes)
        cold = _cold.decode(cold_bytes) if cold_bytes is not None else ColdRecord(FORMAT, 0, 0, b"", b"")
        content = _matching(scope, hot, cold)
        cold_state = _cold_state.decode(content) if content else ColdState()
    except (msgspec.MsgspecError, ValueError) as fault:
        raise UnreadableState(f"{scope}: {fault}") from fault
    return StoredScope(
        state=ScopeState(scope=scope, hot=hot.hot, cold=cold_state),
        epoch=hot.epoch + new_epoch,
        is_new_epoch=new_epoch,
        fence=hot.fence,
        sequence=hot.sequence,
        head=hot.head,
        outbox=hot.outbox,
        cold_version=hot.cold_version,
        cold_bytes=content,
    )


def supersedes(new: bytes, old: bytes) -> bool:
    """Whether a stored record counts before another of the same key: by epoch, then by sequence or version.

    Raises `UnreadableState` for bytes that are no stored record.
    """
    try:
        mine, other = _rank.decode(new), _rank.decode(old)
    except msgspec.MsgspecError as fault:
        raise UnreadableState(f"a stored record cannot be read: {fault}") from fault
    return (mine.epoch, mine.number) >= (other.epoch, other.number)


def outbox_bytes(stored: StoredScope) -> int:
    """Size of the outputs that wait for acknowledgement, in bytes."""
    return sum(len(output.value) for entry in stored.outbox for output in entry.outputs)


def _matching(scope: str, hot: HotRecord, cold: ColdRecord) -> bytes:
    if hot.format != FORMAT or cold.format != FORMAT:
        raise UnreadableState(f"{scope}: stored in format {hot.format}/{cold.format}, expected {FORMAT}")
    if hot.cold_version == cold.version:
        return cold.current
    if hot.cold_version == cold.version - 1:
        return cold.previous
    raise UnreadableState(f"{scope}: hot record names cold version {hot.cold_version}, found {cold.version}")


def _hot_bytes(stored: StoredScope) -> bytes:
    return _encode(
        HotRecord(
            FORMAT,
            stored.epoch,
            stored.sequence,
            stored.fence,
            stored.head,
            stored.cold_version,
            stored.outbox,
            stored.state.hot,
        )
    )


def _kept_outputs(stored: StoredScope, source: Source) -> tuple[Output, ...]:
    for entry in stored.outbox:
        if entry.topic == source.topic and entry.offset == source.offset:
            return entry.outputs
    return ()


def _journal_record(
    stored: StoredScope, source: Source, event: Event, effects: Effects, policy: Policy, sequence: int, at_ms: int
) -> JournalRecord:
    return JournalRecord(
        id=f"{event.scope}#{sequence}",
        scope=event.scope,
        sequence=sequence,
        at_ms=at_ms,
        stage=effects.stage,
        source=source,
        event_id=event.id,
        verdict=effects.verdict,
        reasons=effects.reasons,
        transitions=effects.transitions,
        alerts=effects.alerts,
        learnings=effects.learnings,
        outputs=tuple(output.id for output in effects.outputs),
        actor=effects.actor,
        policy_hash=policy.hash,
        engine_version=ENGINE_VERSION,
        previous_hash=stored.head.hex(),
    )
