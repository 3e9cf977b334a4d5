"""The journal: one record per applied event, chained by hash; the audit trail that replay and verify read.

Fields are declared in the order of their names, in which they are written: nothing is to be sorted for every event.
"""

from enum import StrEnum
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from .lifecycle import DecisionState
from .scalars import Count, EventTime, Identifier, Millis, Name, ScopeName, Text, Unit, Usd
from .trace import Traceparent


class Stage(StrEnum):
    """Which stage applied the event; an aggregate gathers sightings, a scope hears signals."""

    EVALUATE = "evaluate"
    VALIDATE = "validate"
    LEARN = "learn"
    GOVERN = "govern"
    GATHER = "gather"
    HEAR = "hear"


class Verdict(StrEnum):
    """What an event led to; every event has exactly one."""

    PROPOSED = "proposed"
    NO_DECISION = "no_decision"
    APPROVED = "approved"
    AWAITING_APPROVAL = "awaiting_approval"
    REJECTED = "rejected"
    LEARNED = "learned"
    ORPHAN = "orphan"
    APPLIED = "applied"
    REFUSED = "refused"
    STALE = "stale"


class Transition(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A decision moved from one state to another, and why."""

    at_ms: EventTime
    decision_id: Identifier
    from_state: DecisionState
    reason: Text
    to_state: DecisionState


class Reason(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A code with its numbers: why a strategy stayed silent, a proposal lost, a check failed."""

    code: Name
    detail: Text = ""
    limit: float | None = None
    source: Name
    value: float | None = None


class Alert(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """Something a human should know and the engine does not act on."""

    code: Name
    detail: Text
    severity: Name = "warning"


class Learning(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """What an outcome taught: the quantity before and after, and the decision it was learnt from.

    `impact:quality`, `:cost` and `:latency` are the predicted and the measured relative change, `utility` the measured
    gain in utility, `win` 1 or 0 for a change that ended; all others are named by the module that learns.
    """

    after: float | None
    before: float | None
    decision_id: Identifier | None = None
    what: Name


class FrontierPoint(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """A model among the candidates of a scope: its objectives, what it is worth, and where it stands.

    `standing` is `in_use`, `frontier` (feasible, and dominated by none beyond doubt), `dominated` or `infeasible`;
    `code` says why it is out, and `detail` names the model that dominates it.
    """

    code: Name | None = None
    cost_usd: Usd
    detail: Text = ""
    latency_p95_ms: Millis
    model: Name
    quality: Unit
    samples: Count
    standing: Literal["in_use", "frontier", "dominated", "infeasible"]
    utility: float


class Source(Struct, frozen=True, gc=False, kw_only=True):
    """Where the applied event lies in Kafka."""

    offset: Count
    partition: int
    topic: Name


class JournalRecord(Struct, frozen=True, gc=False, kw_only=True):
    """One applied event.

    `sequence` counts the applied events of the scope from 1 without gaps. `previous_hash` is the hash of the record
    before it, hexadecimal; the record's own hash is the SHA-256 of the bytes on the topic.
    `outputs` are the ids of the proposals and directives the event produced, in order; `signals` are those of the
    sightings, signals and entries of the catalogue, absent without any.
    `traceparent` is the trace context the event came with; replay gives it to the event again.
    """

    actor: Name | None = None
    alerts: tuple[Alert, ...] = ()
    at_ms: EventTime
    engine_version: Name
    event_id: Identifier
    # The candidates of the scope, told when something new is known of one or a switch is proposed.
    frontier: tuple[FrontierPoint, ...] = ()
    id: Identifier
    learnings: tuple[Learning, ...] = ()
    outputs: tuple[Identifier, ...] = ()
    policy_hash: Name
    previous_hash: Name
    reasons: tuple[Reason, ...] = ()
    schema_version: Literal[1] = 1
    scope: ScopeName
    sequence: Count
    signals: tuple[Identifier, ...] | UnsetType = UNSET
    source: Source
    stage: Stage
    traceparent: Traceparent | UnsetType = UNSET
    transitions: tuple[Transition, ...] = ()
    verdict: Verdict
