"""A virtual Kafka with one partition, and workers on it, in which anything may go wrong between any two moments.

The stored scopes, the fence, the outbox and the order of writing are the product's own (`stream/record.py`,
`stream/outlet.py`'s rules retold as a state machine); what is simulated is the log, its acknowledgements, the
group's generations and the crashes. Every choice is drawn from the seed, so a failing schedule runs again exactly.
"""

from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace

from decision_stream.model.event import Event
from decision_stream.model.journal import Source
from decision_stream.model.policy import Policy
from decision_stream.stream.record import (
    Applied,
    Output,
    StoredScope,
    apply,
    cold_key,
    hot_write,
    load,
    supersedes,
)

SCOPE = "acme/support/chat"
TOPICS = ("insights", "commands", "signals")


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


@dataclass(slots=True)
class Log:
    """What is durable: table writes and outputs in the order of their acknowledgement, and committed offsets."""

    inputs: dict[str, list[Event]]
    scope: str = SCOPE
    changelog: list[tuple[bytes, bytes]] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPICS, 0))
    generation: int = 0


@dataclass(slots=True)
class Sent:
    """A write on its way; those of one kind arrive in order."""

    write: tuple[bytes, bytes] | None
    output: Output | None
    sequences: tuple[int, ...] = ()
    arrived: bool = False


@dataclass(slots=True)
class Worker:
    """An owner of the partition, from taking it up to its end."""

    log: Log
    guards: Guards
    policy: Policy
    generation: int
    stored: StoredScope
    position: dict[str, int]
    resumed_at: dict[str, int]
    expected: dict[str, int]
    writes: list[Sent] = field(default_factory=list)
    outputs: list[Sent] = field(default_factory=list)
    after: dict[int, list[Sent]] = field(default_factory=dict)
    deferred: Sent | None = None
    pending: dict[str, list[tuple[int, list[Sent]]]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    delivered: set[int] = field(default_factory=set)

    def apply_next(self, topic: str) -> bool:
        """Read and apply the next event of a topic; False when the worker ends instead, since one was skipped."""
        offset = self.position[topic]
        if offset >= len(self.log.inputs[topic]):
            return True
        if self.guards.contiguity and offset != self.expected[topic]:
            return False
        self.position[topic] = self.expected[topic] = offset + 1
        source = Source(topic=topic, partition=0, offset=offset)
        stored = self.stored if self.guards.fence else replace(self.stored, fence={})
        event = self.log.inputs[topic][offset]
        done = apply(
            stored,
            source,
            event,
            self.policy,
            delivered=frozenset(self.delivered),
            resumed_at=self.resumed_at,
            may_defer=True,
        )
        self.stored = done.stored
        sent = self._send(done)
        if done.effects is None:
            # Its outputs were told again with those of others: as a commit of the product does, wait for all of them.
            sent = [*self.writes, *self.outputs, *(late for held in self.after.values() for late in held)]
        self.pending[topic].append((offset, sent))
        return True

    def skip(self, topic: str) -> None:
        """A fetched record is thrown away on the way, as stock Faust does around a recovery."""
        if self.position[topic] < len(self.log.inputs[topic]):
            self.position[topic] += 1

    def _send(self, done: Applied) -> list[Sent]:
        """Writes and outputs on their way; the hot write of a deferred event is one that is not on its way yet."""
        told = done.outputs if done.effects is not None or self.guards.outbox else ()
        outputs = [Sent(None, output, done.sequences) for output in told]
        if done.is_deferred:
            self.deferred = self.deferred or Sent(None, None)
            writes = [self.deferred]
        else:
            writes = [Sent(write, None) for write in done.writes]
            if writes and self.deferred is not None:
                self.deferred.write, writes[-1] = writes[-1].write, self.deferred
                self.deferred = None
            self.writes += writes
        if writes and self.guards.outputs_after_state:
            self.after.setdefault(id(writes[-1]), []).extend(outputs)
        else:
            self.outputs += outputs
        return writes + outputs

    def write_deferred(self) -> None:
        """Let what is deferred be written, as before a commit and whenever there is nothing left to apply."""
        if self.deferred is not None:
            self.deferred.write = hot_write(self.stored)
            self.writes.append(self.deferred)
            self.deferred = None

    def acknowledge_write(self, times: int = 1) -> None:
        """The broker takes the oldest write; more than once when the acknowledgement was lost and it was sent again."""
        if self.writes:
            sent = self.writes.pop(0)
            sent.arrived = True
            self.log.changelog += [sent.write] * times
            self.outputs += self.after.pop(id(sent), [])

    def acknowledge_output(self, times: int = 1) -> None:
        """The broker takes the oldest output; more than once when its acknowledgement was lost."""
        if self.outputs:
            sent = self.outputs.pop(0)
            sent.arrived = True
            self.log.outputs += [sent.output] * times
            if sent.sequences and not any(other.sequences is sent.sequences for other in self.outputs):
                self.delivered.update(sent.sequences)

    def lose_unacknowledged(self, draw: Random) -> None:
        """The process ends: what was on its way may still arrive, in order, up to any point."""
        for _ in range(draw.randrange(4)):
            draw.choice((self.acknowledge_write, self.acknowledge_output))()

    def let_go(self) -> None:
        """A clean leave or rebalance: everything arrives, then all of it is committed."""
        self.write_deferred()
        while self.writes or self.outputs:
            self.acknowledge_write()
            self.acknowledge_output()
        self.commit()

    def commit(self) -> None:
        """Commit what may be committed; the broker refuses a generation that is over."""
        if self.generation != self.log.generation:
            return
        if self.guards.gate:
            self.write_deferred()
        for topic, entries in self.pending.items():
            while entries and (not self.guards.gate or all(sent.arrived for sent in entries[0][1])):
                offset, _ = entries.pop(0)
                self.log.committed[topic] = max(self.log.committed[topic], offset + 1)


class EndedItself(Exception):
    """A worker ended although nothing had happened to it."""


def take_up(log: Log, guards: Guards, policy: Policy, draw: Random) -> Worker:
    """A new owner: a new generation, the table recovered from the changelog, the position from what is committed.

    Without the order of recovery, some of what was fetched meanwhile is thrown away, as stock Faust does.
    """
    log.generation += 1
    table: dict[bytes, bytes] = {}
    records = log.changelog if guards.whole_recovery else log.changelog[: len(log.changelog) * 2 // 3]
    for key, value in records:
        held = table.get(key)
        if held is None or not guards.epochs or supersedes(value, held):
            table[key] = value
    hot = table.get(log.scope.encode())
    generation = log.generation if guards.epochs else None
    stored = load(log.scope, hot, table.get(cold_key(log.scope)), generation=generation)
    begins = log.committed
    owner = Worker(log, guards, policy, log.generation, stored, dict(begins), dict(begins), dict(begins))
    if not guards.recovery_order:
        for topic in TOPICS:
            for _ in range(draw.randrange(3)):
                owner.skip(topic)
    return owner


FAULTS = {
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
        owner, zombies = take_up(self.log, self.guards, self.policy, draw), []
        for _ in range(self.steps):
            action = draw.choices(("apply", "rest", "write", "output", "commit", *FAULTS), weights)[0]
            self.happened.add(action)
            alive = True
            match action:
                case "apply":
                    alive = owner.apply_next(draw.choice(TOPICS))
                case "rest":
                    owner.write_deferred()
                case "write":
                    owner.acknowledge_write()
                case "output":
                    owner.acknowledge_output()
                case "commit":
                    owner.commit()
                case "lost acknowledgement":
                    draw.choice((owner.acknowledge_write, owner.acknowledge_output))(times=2)
                case "skipped record":
                    owner.skip(draw.choice(TOPICS))
                case "crash":
                    alive = False
                case "interrupted recovery":
                    # Whoever takes up comes to one act at most before it ends as well.
                    owner.lose_unacknowledged(draw)
                    owner = take_up(self.log, self.guards, self.policy, draw)
                    if draw.random() < 0.5:
                        owner.apply_next(draw.choice(TOPICS))
                    alive = False
                case "rebalance":
                    owner.let_go()
                    owner = take_up(self.log, self.guards, self.policy, draw)
                case "zombie":
                    # Replaced without knowing it: its writes arrive late, and it even applies more. Its outputs do not
                    # leave any more: nothing is sent that the group's coordinator might not cover.
                    zombies.append(owner)
                    owner = take_up(self.log, self.guards, self.policy, draw)
                case "zombie write" if zombies:
                    zombie = draw.choice(zombies)
                    if draw.random() < 0.5:
                        zombie.apply_next(draw.choice(TOPICS))
                    else:
                        zombie.write_deferred()
                        zombie.acknowledge_write()
                        if not self.guards.self_fencing:
                            zombie.acknowledge_output()
            if not alive:
                owner.lose_unacknowledged(draw)
                owner = take_up(self.log, self.guards, self.policy, draw)
        return self._settle(take_up(self.log, self.guards, self.policy, draw))

    def _settle(self, owner: Worker) -> Worker:
        for topic in TOPICS:
            while owner.position[topic] < len(self.log.inputs[topic]):
                if not owner.apply_next(topic):
                    raise EndedItself(f"at {topic} {owner.expected[topic]}")
        owner.let_go()
        return owner
