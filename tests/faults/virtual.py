"""A virtual Kafka with one partition, and workers on it, in which anything may go wrong between any two moments.

What a worker does with a record is the product's own: processor, scopes, store and outlet, with its rule for what must
have arrived before a commit. Simulated are the log, its acknowledgements, the group's generations, the place where
reading begins, and the crashes. Every choice is drawn from the seed, so a failing schedule runs again exactly.
"""

from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from msgspec.structs import replace

from decision_stream.model.event import Event
from decision_stream.model.policy import Policy
from decision_stream.stream.agenda import Agenda
from decision_stream.stream.flood import FloodGuard, FloodLimits
from decision_stream.stream.hardening.store import OwnedStore
from decision_stream.stream.observer import SilentObserver
from decision_stream.stream.outlet import Outlet
from decision_stream.stream.processor import DEAD_LETTERS, OUTPUTS, Processor
from decision_stream.stream.record import Applied, StoredScope
from decision_stream.stream.scopes import Scopes

SCOPE = "acme/support/chat"
TOPICS = ("insights", "commands", "signals")
CHANGELOG = "changelog"
KEPT = 100


@dataclass(frozen=True, slots=True)
class Guards:
    """Which of the product's protections are on; the checker must notice each one missing."""

    fence: bool = True
    outbox: bool = True
    gate: bool = True
    outputs_after_state: bool = True
    epochs: bool = True
    whole_recovery: bool = True
    recovery_order: bool = True
    self_fencing: bool = True
    contiguity: bool = True


class Record(NamedTuple):
    """A record on a topic."""

    topic: str
    key: bytes
    value: bytes


@dataclass(slots=True)
class Log:
    """What is durable: table writes and outputs in the order of their acknowledgement, and committed offsets."""

    inputs: dict[str, list[Event]]
    scope: str = SCOPE
    changelog: list[Record] = field(default_factory=list)
    outputs: list[Record] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    generation: int = 0


class Batch:
    """Records that arrive together, and what asyncio's future of a batch is to the outlet, without a loop."""

    __slots__ = ("_callbacks", "has_arrived", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.has_arrived = False
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Call it on arrival."""
        self._callbacks.append(callback)

    def cancelled(self) -> bool:
        """Never."""
        return False

    def exception(self) -> None:
        """None: a refused batch ends its worker, which is a crash."""

    def arrive(self) -> None:
        """The broker has acknowledged it."""
        self.has_arrived = True
        for callback in self._callbacks:
            callback(self)


class _Turn:
    def __await__(self) -> Generator[None, None, None]:
        yield


class Producer:
    """Batches on their way, in order within a topic; a record joins the newest batch of its topic now and then."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self.waiting: dict[str, deque[Batch]] = {name: deque() for name in (CHANGELOG, *OUTPUTS)}

    def append(self, topic: str, partition: int, key: bytes, value: bytes, headers: object = ()) -> Batch:
        """As the product's."""
        batches = self.waiting[topic]
        if not batches or self._draw.random() < 0.7:
            batches.append(Batch())
        batches[-1].records.append(Record(topic, key, value))
        return batches[-1]

    def push(self) -> None:
        """What leaves, leaves when the schedule says so."""

    async def deliver(self) -> None:
        """Wait until everything appended so far has arrived: a turn at a time, for whoever drives the coroutine."""
        waiting = [batch for batches in self.waiting.values() for batch in batches]
        while not all(batch.has_arrived for batch in waiting):
            await _Turn()

    def unarrived(self, topics: Iterable[str]) -> list[str]:
        """Which of these topics have batches on their way."""
        return [name for name in topics if self.waiting[name]]


class _Store(OwnedStore):
    """The product's store, which a missing guard makes one in which the last write wins."""

    def __init__(self, has_epochs: bool) -> None:
        self.data, self._key_partition = {}, {}
        self._has_epochs = has_epochs

    def _supersedes(self, new: bytes, old: bytes) -> bool:
        return not self._has_epochs or super()._supersedes(new, old)

    @property
    def app(self) -> Any:
        return self

    def fail(self, reason: str) -> None:
        """The caller raises right after it."""


class _Scopes(Scopes):
    """The product's scopes, without their fences or epochs where a guard is missing."""

    guards: Guards

    def get(self, scope: str) -> StoredScope:
        if not self.guards.epochs:
            self._taken_up.add(scope)
        stored = super().get(scope)
        return stored if self.guards.fence else replace(stored, fence={})


class _Outlet(Outlet):
    """The product's outlet, without the outbox or its patience where a guard is missing."""

    guards: Guards

    def send(self, scope: str, key: bytes, partition: int, applied: Applied) -> None:
        if applied.effects is None and not self.guards.outbox:
            applied = replace(applied, outputs=(), sequences=())
        super().send(scope, key, partition, applied)

    def _write(self, held: Any, writes: Any) -> None:
        if not self.guards.outputs_after_state:
            self._release(held)
            held.outputs, held.events = [], 0
        super()._write(held, writes)


@dataclass(slots=True)
class Worker:
    """An owner of the partition, from taking it up to its end."""

    log: Log
    guards: Guards
    producer: Producer
    store: _Store
    scopes: _Scopes
    outlet: _Outlet
    processor: Processor
    generation: int = 0
    position: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    committing: tuple[dict[str, int], Coroutine[Any, Any, None]] | None = None

    @property
    def stored(self) -> StoredScope:
        """The scope as this owner has it."""
        return self.scopes.get(self.log.scope)

    def take_up(self, draw: Random) -> "Worker":
        """Own the partition in a new generation: the table from the changelog, the position from what is committed.

        Without the order of recovery, some of what was fetched meanwhile is thrown away, as stock Faust does.
        """
        log = self.log
        log.generation += 1
        self.generation = log.generation
        self.store.take_in(0, log.changelog[: None if self.guards.whole_recovery else len(log.changelog) * 2 // 3])
        self.outlet.forget_deferred()
        self.scopes.forget(log.generation)
        self.processor.resume({0: dict(log.committed)})
        self.position, self.expected = dict(log.committed), dict(log.committed)
        self.committing = None
        if not self.guards.recovery_order:
            for topic in TOPICS:
                for _ in range(draw.randrange(3)):
                    self.skip(topic)
        return self

    def apply_next(self, topic: str) -> bool:
        """Read and apply the next event of a topic; False when the worker ends instead, since one was skipped."""
        offset = self.position[topic]
        if offset >= len(self.log.inputs[topic]):
            return True
        if self.guards.contiguity and offset != self.expected[topic]:
            return False
        self.position[topic] = self.expected[topic] = offset + 1
        event: Any = self.log.inputs[topic][offset]
        self.processor.take(topic, topic, 0, offset, 0, None, event, ())
        return True

    def skip(self, topic: str) -> None:
        """A fetched record is thrown away on the way, as stock Faust does around a recovery."""
        if self.position[topic] < len(self.log.inputs[topic]):
            self.position[topic] += 1

    def arrive(self, topic: str, times: int = 1) -> None:
        """The broker takes the oldest batch; more than once when the acknowledgement was lost and it was sent again."""
        batches = self.producer.waiting[topic]
        if batches:
            batch = batches.popleft()
            to = self.log.changelog if topic == CHANGELOG else self.log.outputs
            to += batch.records * times
            batch.arrive()

    def arrive_output(self, draw: Random, times: int = 1) -> None:
        """A batch of one of the output topics, which know nothing of each other."""
        unarrived = self.producer.unarrived(OUTPUTS)
        if unarrived:
            self.arrive(draw.choice(unarrived), times)

    def arrive_any(self, draw: Random, times: int = 1) -> None:
        """A write or an output."""
        if draw.random() < 0.5:
            self.arrive(CHANGELOG, times)
        else:
            self.arrive_output(draw, times)

    def lose_unacknowledged(self, draw: Random) -> None:
        """The process ends: what was on its way may still arrive, in order, up to any point."""
        for _ in range(draw.randrange(4)):
            self.arrive_any(draw)

    def commit(self) -> bool:
        """A turn of a commit: wait as the product does, then commit what was applied when it began; True when done.

        The broker refuses a generation that is over.
        """
        if self.committing is None:
            self.committing = (dict(self.expected), self.outlet.settle())
        offsets, settling = self.committing
        try:
            settling.send(None)
            if self.guards.gate:
                return False
            settling.close()
        except StopIteration:
            pass
        self.committing = None
        if self.generation == self.log.generation:
            for topic, offset in offsets.items():
                self.log.committed[topic] = max(self.log.committed[topic], offset)
        return True

    def let_go(self, draw: Random) -> None:
        """A clean leave or rebalance: everything arrives, then all of it is committed."""
        while not self.commit() or self.expected != self.log.committed:
            self.arrive(CHANGELOG)
            self.arrive_output(draw)


class EndedItself(Exception):
    """A worker ended although nothing had happened to it."""


def new_worker(log: Log, guards: Guards, policy: Policy, draw: Random) -> Worker:
    """A process that takes the partition up."""
    producer, store = Producer(draw), _Store(guards.epochs)
    scopes = _Scopes(store, KEPT)
    topics = {name: name for name in OUTPUTS}
    outlet = _Outlet(producer, CHANGELOG, topics, scopes.keep, lambda: False, 1)
    # It pushes in the loop's next turn, and there is no loop.
    outlet._is_pushing = True
    scopes.guards = outlet.guards = guards
    scopes.before_eviction = outlet.write_deferred
    processor = Processor(
        scopes=scopes,
        outlet=outlet,
        producer=producer,
        policy=policy,
        dead_letter_topic=DEAD_LETTERS,
        observer=SilentObserver(),
        flood=FloodGuard(FloodLimits()),
        agenda=Agenda(),
    )
    # Events need no bytes here: reading them is tested elsewhere.
    processor._parsers = {topic: lambda value, key, at_ms: value for topic in TOPICS}
    return Worker(log, guards, producer, store, scopes, outlet, processor).take_up(draw)


FAULTS: Mapping[str, float] = {
    "slow write": 0.0,
    "slow output": 0.0,
    "slow commit": 0.0,
    "lost acknowledgement": 0.5,
    "skipped record": 0.15,
    "crash": 0.3,
    "interrupted recovery": 0.15,
    "rebalance": 0.15,
    "zombie": 0.2,
    "zombie write": 1.0,
}
"""Kinds of faults and how often they happen at most; acknowledgements that are not slow happen more often instead."""


@dataclass(slots=True)
class Schedule:
    """A run of workers under faults drawn from a seed, then a quiet end."""

    seed: int
    log: Log
    guards: Guards
    policy: Policy
    steps: int = 150
    happened: set[str] = field(default_factory=set)

    def run(self) -> Worker:
        """Play the schedule; returns the last owner after everything has settled. Raises `EndedItself`."""
        draw = Random(self.seed)
        # Each schedule has its own mixture of faults, some of them not at all.
        often = {name: draw.choice((0.0, 1.0, 3.0)) for name in FAULTS}
        weights = [8.0, 3.0, 4 + 2 * often["slow write"], 4 + 2 * often["slow output"], 1 + often["slow commit"]]
        weights += [share * often[name] for name, share in FAULTS.items()]
        owner, zombies = self._next(draw), []
        for _ in range(self.steps):
            action = draw.choices(("apply", "rest", "write", "output", "commit", *FAULTS), weights)[0]
            self.happened.add(action)
            alive = True
            match action:
                case "apply":
                    alive = owner.apply_next(draw.choice(TOPICS))
                case "rest":
                    owner.outlet.write_deferred()
                case "write":
                    owner.arrive(CHANGELOG)
                case "output":
                    owner.arrive_output(draw)
                case "commit":
                    owner.commit()
                case "lost acknowledgement":
                    owner.arrive_any(draw, times=2)
                case "skipped record":
                    owner.skip(draw.choice(TOPICS))
                case "crash":
                    alive = False
                case "interrupted recovery":
                    # Whoever takes up comes to one act at most before it ends as well.
                    owner.lose_unacknowledged(draw)
                    owner = self._next(draw)
                    if draw.random() < 0.5:
                        owner.apply_next(draw.choice(TOPICS))
                    alive = False
                case "rebalance":
                    owner.let_go(draw)
                    # Another process, or this one again with all that it has in memory.
                    owner = owner.take_up(draw) if draw.random() < 0.5 else self._next(draw)
                case "zombie":
                    # Replaced without knowing it: its writes arrive late, and it even applies more. Its outputs do not
                    # leave any more: nothing is sent that the group's coordinator might not cover.
                    zombies.append(owner)
                    owner = self._next(draw)
                case "zombie write" if zombies:
                    zombie = draw.choice(zombies)
                    if draw.random() < 0.5:
                        zombie.apply_next(draw.choice(TOPICS))
                    else:
                        zombie.outlet.write_deferred()
                        zombie.arrive(CHANGELOG)
                        if not self.guards.self_fencing:
                            zombie.arrive_output(draw)
            if not alive:
                owner.lose_unacknowledged(draw)
                owner = self._next(draw)
        return self._settle(self._next(draw), draw)

    def _next(self, draw: Random) -> Worker:
        return new_worker(self.log, self.guards, self.policy, draw)

    def _settle(self, owner: Worker, draw: Random) -> Worker:
        for topic in TOPICS:
            while owner.position[topic] < len(self.log.inputs[topic]):
                if not owner.apply_next(topic):
                    raise EndedItself(f"at {topic} {owner.expected[topic]}")
        owner.let_go(draw)
        return owner
