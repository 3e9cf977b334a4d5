"""Orders to the actuator: one for each step of each decision type, and the acknowledgement it owes."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from .configuration import Configuration, ParameterValue
from .decision import Decision
from .scalars import Count, EventTime, Identifier, Name, ScopeName, Unit


class UpdateConfiguration(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="update_configuration"):
    """Serve `weight` of the traffic with the new configuration, the rest with the old one.

    A ramp is a row of these with rising weights; at weight 1 the new configuration is the only one.
    """

    configuration: Configuration
    weight: Unit


class UpdateParameters(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="update_parameters"):
    """Set these parameters for all traffic at once; None unsets one."""

    parameters: dict[Name, ParameterValue | None]


class SetVariantTraffic(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="set_variant_traffic"):
    """Give a prompt variant this share of the traffic; a share of one promotes it."""

    variant: Name
    share: Unit


class BeginExperiment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="begin_experiment"):
    """Split traffic over these configurations at these shares and report each arm's sums under its name."""

    experiment_id: Identifier
    shares: dict[Name, Unit]
    configurations: dict[Name, Configuration] = {}


class UpdateAllocation(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="update_allocation"):
    """Split the traffic of a running experiment at these shares from now on; arms and reports stay as they are.

    A report carries the `step` of the order whose shares it was served under. The shares are the probabilities with
    which a request meets an arm; `context` holds the features they were drawn for, where a bandit drew them.
    """

    experiment_id: Identifier
    shares: dict[Name, Unit]
    context: dict[Name, float] = {}


class EndExperiment(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="end_experiment"):
    """Stop the experiment and serve its control.

    A winner is named for the record only: its ramp comes as orders of its own.
    """

    experiment_id: Identifier
    winner: Name | None


class RestoreConfiguration(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="restore_configuration"):
    """Serve all traffic with this configuration at once: the answer to harm."""

    configuration: Configuration


class BreakRoute(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="break_route"):
    """Send the route to its fallback for this long, then restore it without being asked."""

    duration_ms: Annotated[int, Meta(gt=0)]


class SetTraffic(Struct, frozen=True, gc=False, kw_only=True, tag_field="kind", tag="set_traffic"):
    """Leave `weight` of the traffic with the configuration in use and send the rest to the refuge, for this long.

    Without a refuge the rest goes to the route's fallback. All traffic comes back without being asked, or earlier by
    the order to restore the configuration.
    """

    weight: Unit
    duration_ms: Annotated[int, Meta(gt=0)]
    refuge: Configuration | None = None


Order = (
    UpdateConfiguration
    | UpdateParameters
    | SetVariantTraffic
    | BeginExperiment
    | UpdateAllocation
    | EndExperiment
    | RestoreConfiguration
    | BreakRoute
    | SetTraffic
)


class Directive(Struct, frozen=True, gc=False, kw_only=True):
    """What the decisions topic carries: one order of one decision, with the whole decision for its reasons.

    Delivery is at least once: act on each `id` once, and refuse what lies below the highest (`sequence`, `step`) acted
    on for the scope. `sequence` counts the decisions of a scope, `step` the orders of one decision from 0.
    """

    schema_version: Literal[1] = 1
    id: Identifier
    scope: ScopeName
    at_ms: EventTime
    sequence: Count
    step: Count
    order: Order
    decision: Decision
