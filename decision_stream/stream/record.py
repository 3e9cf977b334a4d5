"""One input record applied to one stored scope: fence, step, journal, outbox, bytes. Pure, and without Faust.

A scope is stored as two records of one changelog partition. The hot record is written for every applied event: fence,
sequence, hash of the journal, outbox and the hot part of the state. The cold record is written before it, and only when
the cold part changed; it keeps the version before, and the hot record names the version it belongs to. So a crash
between the two writes is repaired on load, and what one event changes becomes durable together or not at all.

The first record of a new owner is a hot record with the cold part inside: its epoch begins in one write, and no cold
record of an epoch is there before it.

The hot record of a quiet event may wait for the next one of its scope, which then carries both: state, fence and
outputs of several events become durable in one write, as if the worker had come to all of them or to none. An event
with a proposal or an order is written at once.
"""

from collections.abc import Iterator, Mapping, Set
from hashlib import sha256
from types import MappingProxyType

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from .. import ENGINE_VERSION
from ..engine.step import step
from ..model.decision import Proposal
from ..model.effect import Effects
from ..model.event import Event
from ..model.journal import JournalRecord, Source
from ..model.knowledge import Sighting
from ..model.policy import Policy
from ..model.state import ColdState, HotState, ScopeState
from ..model.trace import continued, trace_id
from ..wire.codec import encode, encode_journal, packed

FORMAT = 1
MAX_STATE_BYTES = 1_000 * 1024
MAX_DEFERRED_BYTES = 208 * 1024
"""Outputs of a scope that may wait for a common write, in bytes."""
GENESIS = b"\x00" * 32
COLD_SUFFIX = b"\x00cold"

PROPOSALS, DECISIONS, SIGNALS, CATALOG, JOURNAL = "proposals", "decisions", "signals", "catalog", "journal"
"""Names of the output topics, without prefix."""


class UnreadableState(Exception):
    """A stored scope that this version cannot read: never guessed at, never overwritten."""


class StateTooLarge(Exception):
    """An event would make a scope's record larger than the broker takes; it is refused before it is applied."""


class Output(Struct, frozen=True, gc=False, array_like=True):
    """A message to send: topic without prefix, bytes, and the trace context for its header, empty without one.

    `to` is whom it is for, which is its key; empty for the scope itself, in the partition that it came from. Another
    one's `partition` is negative where its key says it, by Kafka's default partitioner.
    """

    topic: str
    value: bytes
    traceparent: str = ""
    to: str = ""
    partition: int = -1


class OutboxEntry(Struct, frozen=True, gc=False, array_like=True):
    """The outputs of one applied event, kept until the broker has acknowledged them."""

    sequence: int
    topic: str
    offset: int
    outputs: tuple[Output, ...]


class HotRecord(Struct, frozen=True, gc=False, array_like=True):
    """What is written for every applied event. `fence` is the last applied offset of each source topic.

    `epoch` rises with each owner, by the generation of the consumer group in which it takes the scope up, so that a
    write of an owner that was replaced but does not know it yet cannot win over a newer one: of two records the
    higher (epoch, sequence) counts, wherever they lie.
    """

    format: int
    epoch: int
    sequence: int
    fence: dict[str, int]
    head: bytes
    cold_version: int
    outbox: tuple[OutboxEntry, ...]
    hot: HotState
    cold: bytes | None = None


class ColdRecord(Struct, frozen=True, gc=False, array_like=True):
    """The cold part in its version, and the version before it."""

    format: int
    epoch: int
    version: int
    current: bytes
    previous: bytes


class StoredScope(Struct, frozen=True, gc=False, kw_only=True):
    """A scope as it is stored, decoded.

    `deferred_bytes` is the size of the outputs that are not in a written record yet, `outbox_bytes` that of all which
    wait for acknowledgement; it is kept beside the outbox because a busy scope has some hundred entries.
    """

    state: ScopeState
    fence: dict[str, int]
    epoch: int = 1
    is_new_epoch: bool = True
    is_cold_inside: bool = False
    sequence: int = 0
    head: bytes = GENESIS
    outbox: tuple[OutboxEntry, ...] = ()
    outbox_bytes: int = 0
    cold_version: int = 0
    cold_bytes: bytes = b""
    deferred_bytes: int = 0


class Applied(Struct, frozen=True, gc=False, kw_only=True):
    """What applying one record came to.

    `writes` are table writes in the order they must reach the changelog; `outputs` may be sent once those are durable,
    and are those of the events with these `sequences`. For a record that was applied before, `effects` is None.

    With the first record of a scope a new owner tells again, in order, all stored outputs that the broker is not known
    to have: redelivery would bring them in the order of their topics, and a reader would meet a later decision before
    an earlier one. It writes the state under its own epoch before, so that what it repeats cannot be contradicted by a
    late write of the owner before it. After that a redelivered record leads to nothing.

    When `is_deferred`, nothing is written yet: the scope's next write carries it, at the latest `hot_write` of what is
    stored, and `outputs` wait for that.
    """

    stored: StoredScope
    effects: Effects | None
    writes: tuple[tuple[bytes, bytes], ...]
    outputs: tuple[Output, ...]
    sequences: tuple[int, ...] = ()
    is_deferred: bool = False


class _Rank(Struct, frozen=True, gc=False, array_like=True):
    """The first fields of both kinds of record: `number` is the sequence of a hot, the version of a cold one."""

    format: int
    epoch: int
    number: int


_rank = msgspec.msgpack.Decoder(_Rank)
_pack = msgspec.msgpack.Encoder(order="deterministic")
_hot = msgspec.msgpack.Decoder(HotRecord)
_cold = msgspec.msgpack.Decoder(ColdRecord)
_cold_state = msgspec.msgpack.Decoder(ColdState)


def _encode(record: HotRecord | ColdRecord | ColdState) -> bytes:
    """MessagePack with sorted keys: equal records have equal bytes."""
    return packed(_pack, record)


_NOWHERE: Mapping[str, int] = MappingProxyType({})


def empty(scope: str, generation: int = 1) -> StoredScope:
    """A scope of which nothing is stored, taken up in this generation of the consumer group."""
    return StoredScope(state=ScopeState(scope=scope), fence={}, epoch=generation)


def cold_key(scope: str) -> bytes:
    """Key of the cold record; the hot record's key is the scope itself."""
    return scope.encode() + COLD_SUFFIX


def apply(
    stored: StoredScope,
    source: Source,
    event: Event,
    policy: Policy,
    *,
    delivered: Set[int] = frozenset(),
    resumed_at: Mapping[str, int] = _NOWHERE,
    may_defer: bool = False,
) -> Applied:
    """Apply one record; with `may_defer` a quiet one is left to the scope's next write.

    The broker is known to have the outputs of the sequences in `delivered`, and of all events below the offset at
    which this owner began to read their topic (`resumed_at`); their outbox entries are dropped.
    Raises `StateTooLarge`; any other error is a mistake of the engine. In both cases nothing has changed.
    """
    waiting, waiting_bytes, is_new_epoch = stored.outbox, stored.outbox_bytes, stored.is_new_epoch
    if delivered or is_new_epoch:
        waiting = tuple(
            [
                entry
                for entry in waiting
                if entry.sequence not in delivered and entry.offset >= resumed_at.get(entry.topic, 0)
            ]
        )
        waiting_bytes = _bytes_of(waiting) if waiting else 0
    again = waiting if is_new_epoch else ()
    if source.offset <= stored.fence.get(source.topic, -1):
        return _repeated(stored, again)
    state, effects = step(stored.state, event, policy)
    sequence = stored.sequence + 1
    journal = encode_journal(_journal_record(stored, source, event, effects, policy, sequence, state.hot.at_ms))
    outputs: tuple[Output, ...] = (Output(JOURNAL, journal),)
    sent_bytes = len(journal)
    if effects.outputs or effects.signals or effects.entries:
        outputs = (*_messages(effects, event, source), *outputs)
        sent_bytes = sum([len(output.value) for output in outputs])
    entry = OutboxEntry(sequence, source.topic, source.offset, outputs)
    changed = state.cold is not stored.state.cold
    cold_bytes = _encode(state.cold) if changed or not stored.cold_bytes else stored.cold_bytes
    deferred_bytes = stored.deferred_bytes + len(journal)
    is_quiet = not (changed or len(outputs) > 1 or is_new_epoch or stored.is_cold_inside)
    is_deferred = may_defer and is_quiet and deferred_bytes <= MAX_DEFERRED_BYTES
    after = StoredScope(
        state=state,
        epoch=stored.epoch,
        is_new_epoch=False,
        is_cold_inside=is_new_epoch,
        fence={**stored.fence, source.topic: source.offset},
        sequence=sequence,
        head=sha256(journal).digest(),
        outbox=(*waiting, entry),
        outbox_bytes=waiting_bytes + sent_bytes,
        cold_version=stored.cold_version + changed,
        cold_bytes=cold_bytes,
        deferred_bytes=deferred_bytes if is_deferred else 0,
    )
    if is_deferred:
        return Applied(
            stored=after, effects=effects, writes=(), outputs=outputs, sequences=(sequence,), is_deferred=True
        )
    writes = [hot_write(after)]
    if not is_new_epoch and (changed or stored.is_cold_inside):
        record = ColdRecord(FORMAT, after.epoch, after.cold_version, cold_bytes, stored.cold_bytes)
        writes.insert(0, (cold_key(state.scope), _encode(record)))
    for key, value in writes:
        if len(value) > MAX_STATE_BYTES:
            raise StateTooLarge(f"record {key!r} would have {len(value)} bytes, at most {MAX_STATE_BYTES}")
    told = (*again, entry)
    return Applied(
        stored=after,
        effects=effects,
        writes=tuple(writes),
        outputs=_outputs_of(told),
        sequences=tuple(one.sequence for one in told),
    )


def hot_write(stored: StoredScope) -> tuple[bytes, bytes]:
    """The table write that makes a scope durable as it is, when its cold part is."""
    return stored.state.scope.encode(), _hot_bytes(stored)


def load(scope: str, hot_bytes: bytes | None, cold_bytes: bytes | None, *, generation: int | None = 1) -> StoredScope:
    """Decode a stored scope; of a cold record newer than the hot one, the version before is taken.

    `generation` is that of the consumer group in which the scope is taken up; None when an owner reads its own
    writes again. Adding it to the stored epoch makes the epochs of any two owners differ, also of two that loaded
    the same record. Raises `UnreadableState` for another format, damaged bytes, or parts that do not belong together.
    """
    if hot_bytes is None:
        return empty(scope, generation or 1)
    try:
        hot = _hot.decode(hot_bytes)
        cold = _cold.decode(cold_bytes) if cold_bytes is not None else None
        content = _matching(scope, hot, cold)
        cold_state = _cold_state.decode(content)
    except (msgspec.MsgspecError, ValueError) as fault:
        raise UnreadableState(f"{scope}: {fault}") from fault
    return StoredScope(
        state=ScopeState(scope=scope, hot=hot.hot, cold=cold_state),
        epoch=hot.epoch + (generation or 0),
        is_new_epoch=generation is not None,
        is_cold_inside=hot.cold is not None,
        fence=hot.fence,
        sequence=hot.sequence,
        head=hot.head,
        outbox=hot.outbox,
        outbox_bytes=_bytes_of(hot.outbox),
        cold_version=hot.cold_version,
        cold_bytes=content,
    )


def check_readable(key: bytes, value: bytes) -> None:
    """Raise `UnreadableState` for a stored record of a scope, hot or cold, that this version cannot read."""
    try:
        record = _cold.decode(value) if key.endswith(COLD_SUFFIX) else _hot.decode(value)
        if isinstance(record, ColdRecord):
            _cold_state.decode(record.current)
    except (msgspec.MsgspecError, ValueError) as fault:
        raise UnreadableState(f"{key!r}: {fault}") from fault
    if record.format != FORMAT:
        raise UnreadableState(f"{key!r}: stored in format {record.format}, this version reads {FORMAT}")


def supersedes(new: bytes, old: bytes) -> bool:
    """Whether a stored record counts before another of the same key: by epoch, then by sequence or version.

    Raises `UnreadableState` for bytes that are no stored record.
    """
    try:
        mine, other = _rank.decode(new), _rank.decode(old)
    except msgspec.MsgspecError as fault:
        raise UnreadableState(f"a stored record cannot be read: {fault}") from fault
    return (mine.epoch, mine.number) >= (other.epoch, other.number)


def without_topics(hot_bytes: bytes, topics: Set[str]) -> bytes:
    """A stored hot record that has never heard of these input topics: they were created anew and count from 0.

    Raises `UnreadableState`.
    """
    try:
        hot = _hot.decode(hot_bytes)
    except msgspec.MsgspecError as fault:
        raise UnreadableState(f"a stored record cannot be read: {fault}") from fault
    fence = {name: offset for name, offset in hot.fence.items() if name not in topics}
    outbox = tuple(entry for entry in hot.outbox if entry.topic not in topics)
    return _encode(replace(hot, fence=fence, outbox=outbox))


def _matching(scope: str, hot: HotRecord, cold: ColdRecord | None) -> bytes:
    """The cold part that belongs to a hot record."""
    if hot.format != FORMAT or (cold is not None and cold.format != FORMAT):
        raise UnreadableState(f"{scope}: stored in another format than {FORMAT}")
    if hot.cold is not None:
        return hot.cold
    if cold is not None and cold.epoch == hot.epoch:
        if hot.cold_version == cold.version:
            return cold.current
        if hot.cold_version == cold.version - 1:
            return cold.previous
    found = "none" if cold is None else f"{cold.epoch}.{cold.version}"
    raise UnreadableState(f"{scope}: hot record names cold version {hot.epoch}.{hot.cold_version}, found {found}")


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
            stored.cold_bytes if stored.is_cold_inside else None,
        )
    )


def _bytes_of(entries: tuple[OutboxEntry, ...]) -> int:
    return sum([len(output.value) for entry in entries for output in entry.outputs])


def _outputs_of(entries: tuple[OutboxEntry, ...]) -> tuple[Output, ...]:
    return tuple(output for entry in entries for output in entry.outputs)


def _repeated(stored: StoredScope, again: tuple[OutboxEntry, ...]) -> Applied:
    """A record that was applied before: a new owner tells again what may not have arrived."""
    if not again:
        return Applied(stored=stored, effects=None, writes=(), outputs=())
    stored = replace(stored, is_new_epoch=False, is_cold_inside=True)
    return Applied(
        stored=stored,
        effects=None,
        writes=(hot_write(stored),),
        outputs=_outputs_of(again),
        sequences=tuple(entry.sequence for entry in again),
    )


def _messages(effects: Effects, event: Event, source: Source) -> Iterator[Output]:
    """What goes out, with its trace context: a proposal's is that of the event, an order's that of its decision.

    What is told across scopes has none: it is about no single decision.
    """
    for output in effects.outputs:
        if isinstance(output, Proposal):
            yield Output(PROPOSALS, encode(output), _context(event, trace_id(event.traceparent)))
        else:
            yield Output(DECISIONS, encode(output), _context(event, output.decision.trace))
    for message in effects.signals:
        if isinstance(message, Sighting):
            yield Output(SIGNALS, encode(replace(message, home=source.partition)), "", message.scope)
        else:
            yield Output(SIGNALS, encode(message), "", message.scope, message.home)
    for entry in effects.entries:
        yield Output(CATALOG, encode(entry), "", entry.model.estimate.model)


def _context(event: Event, trace: str) -> str:
    return continued(event.traceparent, trace, type(event).__name__, event.scope, event.id) if trace else ""


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
        frontier=effects.frontier,
        outputs=tuple([output.id for output in effects.outputs]) if effects.outputs else (),
        signals=(
            tuple([message.id for message in (*effects.signals, *effects.entries)])
            if effects.signals or effects.entries
            else UNSET
        ),
        actor=effects.actor,
        policy_hash=policy.hash,
        engine_version=ENGINE_VERSION,
        previous_hash=stored.head.hex(),
        traceparent=event.traceparent,
    )
