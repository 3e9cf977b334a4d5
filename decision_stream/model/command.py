"""Orders to the engine: from operators, and from the clock. Both are events on a topic like any other."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .knowledge import CatalogModel, SharedComparison
from .lifecycle import DecisionState
from .scalars import EventTime, Identifier, Name, ScopeName, Text
from .trace import Traceparent


class Autonomy(StrEnum):
    """How much the engine may do alone on a scope (spec, beyond the seed: 8)."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    APPROVE = "approve"
    AUTOPILOT = "autopilot"


class Approve(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="approve"):
    """Let a waiting decision go."""

    decision_id: Identifier


class Reject(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="reject"):
    """Refuse a waiting decision."""

    decision_id: Identifier


class Revert(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="revert"):
    """Undo a decision, running or completed."""

    decision_id: Identifier


class Cancel(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="cancel"):
    """Withdraw a decision that was not yet executed."""

    decision_id: Identifier


class Pause(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="pause"):
    """Hold a ramp at its present weight."""

    decision_id: Identifier


class Resume(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="resume"):
    """Let a held ramp go on."""

    decision_id: Identifier


class Pin(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="pin"):
    """Fix the scope's configuration: the engine proposes nothing but safety decisions until it is unpinned."""


class Unpin(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="unpin"):
    """End a pin."""


class SetAutonomy(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="set_autonomy"):
    """Set how much the engine may do alone."""

    level: Autonomy


class Offer(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="offer"):
    """Put prompt variants up for experiments on this scope."""

    variants: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=20)]


class Withdraw(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="withdraw"):
    """Take prompt variants off the list; a running experiment goes on."""

    variants: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=20)]


class Tick(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="tick"):
    """Time passed: `at_ms` of the command is the new time. Finds expired deadlines."""


class UpdateCatalog(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="update_catalog"):
    """Put a model into the catalogue, change it, or retire it. The command's scope is a keeper of the catalogue."""

    model: CatalogModel


class ImportPriors(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="import_priors"):
    """Take over what other deployments measured of models. The command's scope is a tenant's pool of priors.

    It takes the place of what was imported before; nothing at all takes it back.
    """

    comparisons: Annotated[tuple[SharedComparison, ...], Meta(max_length=30)]


Instruction = (
    Approve
    | Reject
    | Revert
    | Cancel
    | Pause
    | Resume
    | Pin
    | Unpin
    | SetAutonomy
    | Offer
    | Withdraw
    | Tick
    | UpdateCatalog
    | ImportPriors
)


class Command(Struct, frozen=True, gc=False, kw_only=True):
    """An instruction with its author. `actor` is set by the engine's own edge, never trusted from a header."""

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    instruction: Instruction
    actor: Annotated[Name, Meta(description="who ordered it, such as `user:ada` or `engine:ticker`")]
    reason: Text = ""
    # What its author saw: the order is refused when the decision is in another state by then.
    expected_state: DecisionState | UnsetType = UNSET
    # Filled from the header of the record; absent without a trace.
    traceparent: Traceparent | UnsetType = UNSET
