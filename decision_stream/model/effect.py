"""What a step asks the outside to do: outputs for topics, and the account of what happened for the journal."""

from msgspec import Struct

from .actuation import Directive
from .decision import Proposal
from .journal import Alert, Learning, Reason, Stage, Transition, Verdict


class Effects(Struct, frozen=True, kw_only=True):
    """Result of one step beside the state.

    `outputs` go out in order: proposals to the proposals topic, directives to the decisions topic.
    """

    stage: Stage
    verdict: Verdict
    outputs: tuple[Proposal | Directive, ...] = ()
    reasons: tuple[Reason, ...] = ()
    transitions: tuple[Transition, ...] = ()
    alerts: tuple[Alert, ...] = ()
    learnings: tuple[Learning, ...] = ()
    actor: str | None = None
