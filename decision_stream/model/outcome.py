"""What really happened: the actuator's acknowledgement of an order and its measurements of the arms."""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from .metrics import ArmSample
from .scalars import Count, EventTime, Identifier, Name, ScopeName, Text
from .trace import Traceparent


class OutcomeStatus(StrEnum):
    """State of an order at the actuator (seed §3.3, with `applied` and `measured` added).

    `applied` acknowledges an order; `measured` reports a window of samples; the others end the decision.
    """

    APPLIED = "applied"
    MEASURED = "measured"
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class Outcome(Struct, frozen=True, gc=False, kw_only=True):
    """One report on one order.

    `arms` holds the window's sums by arm: `control` and `treatment` in a ramp, variant names in an experiment. Sums
    cover only this window; the engine adds windows up, each once.
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    decision_id: Identifier
    directive_id: Identifier
    step: Count
    status: OutcomeStatus
    window_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 0
    arms: Annotated[dict[Name, ArmSample], Meta(max_length=20)] = {}
    applied_configuration_id: Identifier | None = None
    error: Text = ""
    # Filled from the header of the record; absent without a trace.
    traceparent: Traceparent | UnsetType = UNSET


CONTROL = "control"
TREATMENT = "treatment"
