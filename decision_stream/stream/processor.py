"""What a worker does with one record: parse it, apply it, send what it led to; or park it and say why."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from ..model.command import Command
from ..model.dead_letter import ReasonCode
from ..model.decision import Proposal
from ..model.event import Event
from ..model.insight import Insight
from ..model.journal import Source
from ..model.knowledge import Sighting, Signal
from ..model.outcome import Outcome
from ..model.policy import Policy
from ..wire.codec import Kind, MalformedMessage, parser
from ..wire.dead_letters import dead_letter, headers_of
from ..wire.trace import rooted, traced
from .agenda import Agenda
from .flood import FloodGuard
from .hardening.producer import OrderedProducer
from .observer import Observer
from .outlet import Outlet
from .record import StateTooLarge, apply
from .scopes import Scopes

INPUTS: dict[str, Kind] = {
    "insights": Insight,
    "proposals": Proposal,
    "outcomes": Outcome,
    "commands": Command,
    "signals": Sighting | Signal,
}
"""Input topics, without prefix, and what each carries."""
OUTPUTS = ("proposals", "decisions", "signals", "catalog", "journal")
DEAD_LETTERS = "dead-letters"


class Processor:
    """Takes records one by one; nothing is awaited between reading and writing a scope."""

    def __init__(
        self,
        *,
        scopes: Scopes,
        outlet: Outlet,
        producer: OrderedProducer,
        policy: Policy,
        dead_letter_topic: str,
        observer: Observer,
        flood: FloodGuard,
        agenda: Agenda,
        begins_traces: bool = False,
    ) -> None:
        self._scopes = scopes
        self._outlet = outlet
        self._producer = producer
        self._policy = policy
        self._dead_letter_topic = dead_letter_topic
        self._observer = observer
        self._flood = flood
        self._agenda = agenda
        self._begins_traces = begins_traces
        self._parsers: dict[str, Callable[[bytes | None, bytes | None, int], Event]] = {
            topic: parser(kind) for topic, kind in INPUTS.items()
        }
        self.last_progress = time.monotonic()
        self._resumed_at: defaultdict[int, dict[str, int]] = defaultdict(dict)

    def resume(self, committed: Mapping[int, dict[str, int]]) -> None:
        """Partitions have moved; of what lies below these offsets, by partition and topic, all outputs have arrived."""
        self._resumed_at.clear()
        self._resumed_at.update(committed)

    def take(
        self,
        topic: str,
        full_topic: str,
        partition: int,
        offset: int,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> int:
        """Process one record of the input `topic`; returns the bytes that its scope has waiting for acknowledgement."""
        self.last_progress = time.monotonic()
        try:
            event = self._parsers[topic](value, key, timestamp_ms)
            if headers:
                event = traced(event, headers)
            if self._begins_traces and isinstance(event, Insight):
                event = rooted(event)
            waiting_bytes = self._apply(topic, partition, offset, event)
            self._flood.saw(topic, partition, is_bad=False)
            return waiting_bytes
        except MalformedMessage as fault:
            letter = dead_letter(fault, full_topic, partition, offset, timestamp_ms)
            self._producer.append(self._dead_letter_topic, partition, key, value, headers_of(letter, headers))
            self._observer.dead_letter(topic, fault.code)
            self._flood.saw(topic, partition, is_bad=True)
            return 0

    def _apply(self, topic: str, partition: int, offset: int, event: Event) -> int:
        started = time.perf_counter()
        scope = event.scope
        key = scope.encode()
        source = Source(topic=topic, partition=partition, offset=offset)
        stored = self._scopes.get(scope)
        try:
            applied = apply(
                stored,
                source,
                event,
                self._policy,
                delivered=self._outlet.take_delivered(scope),
                resumed_at=self._resumed_at[partition],
                may_defer=True,
            )
        except StateTooLarge as fault:
            raise MalformedMessage(ReasonCode.SEMANTIC, str(fault)) from fault
        if applied.effects is None:
            if applied.writes:
                self._scopes.put(scope, applied.stored)
            self._outlet.send(scope, key, partition, applied)
            self._observer.repeated(topic)
            return 0
        after = applied.stored
        self._scopes.put(scope, after)
        self._outlet.send(scope, key, partition, applied)
        if after.state.cold is not stored.state.cold:
            self._agenda.note(partition, scope, after.state.next_deadline_ms())
            self._observer.holds(scope, after.state.cold)
        seconds = time.perf_counter() - started
        self._observer.applied(event, applied.effects, seconds, time.time() - event.at_ms / 1_000.0)
        return after.outbox_bytes
