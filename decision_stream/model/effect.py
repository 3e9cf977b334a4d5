"""What a step asks the outside to do: outputs for topics, and the account of what happened for the journal."""

from msgspec import Struct

from .actuation import Directive
from .decision import Proposal
from .journal import Alert, FrontierPoint, Learning, Reason, Stage, Transition, Verdict
from .knowledge import CatalogEntry, Sighting, Signal


class Subject(Struct, frozen=True, gc=False):
    """A decision that a step moved or heard of, in the few words that logs, metrics and traces need."""

    id: str
    strategy: str
    kind: str
    confidence: float | None = None
    trace: str = ""


class Effects(Struct, frozen=True, gc=False, kw_only=True):
    """Result of one step beside the state.

    `outputs` go out in order: proposals to the proposals topic, directives to the decisions topic; then `signals`, to
    aggregates or to the scopes they concern, and `entries` of the catalogue for their topic.
    `about` names each decision that the transitions or the event speak of once; it is not journalled.
    """

    stage: Stage
    verdict: Verdict
    outputs: tuple[Proposal | Directive, ...] = ()
    signals: tuple[Sighting | Signal, ...] = ()
    entries: tuple[CatalogEntry, ...] = ()
    reasons: tuple[Reason, ...] = ()
    transitions: tuple[Transition, ...] = ()
    alerts: tuple[Alert, ...] = ()
    learnings: tuple[Learning, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    actor: str | None = None
    about: tuple[Subject, ...] = ()
