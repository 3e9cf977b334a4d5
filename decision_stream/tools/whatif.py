"""What if: recorded insights and commands under another policy, and where its decisions part from the recorded ones.

Up to the first difference the comparison is exact. After it the recorded outcomes belong to another history; new orders
are then taken as carried out, and nothing is known of what they would have measured. The report says where that begins.
"""

from dataclasses import dataclass

import msgspec

from ..engine.step import step
from ..model.actuation import Directive
from ..model.decision import Proposal
from ..model.event import Event
from ..model.journal import JournalRecord
from ..model.outcome import Outcome, OutcomeStatus
from ..model.policy import Policy
from ..model.state import ScopeState
from .recording import Recording

ACKNOWLEDGED_AFTER_MS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision in a word: when, what kind, and which configuration it leads to."""

    at_ms: int
    kind: str
    strategy: str
    to_configuration_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parting:
    """Where a scope's histories part; `recorded` or `supposed` is None where one of them decided nothing more."""

    scope: str
    shared: int
    recorded: Decided | None
    supposed: Decided | None
    recorded_total: int
    supposed_total: int


def what_if(recording: Recording, policy: Policy) -> tuple[Parting, ...]:
    """The scopes on which this policy would have decided otherwise, in order of name; empty when none."""
    partings = []
    for scope in sorted(recording.journal):
        recorded = _recorded(recording, scope)
        supposed = _supposed(recording, scope, policy)
        shared = next(
            (i for i, (a, b) in enumerate(zip(recorded, supposed, strict=False)) if a != b),
            min(len(recorded), len(supposed)),
        )
        if shared < max(len(recorded), len(supposed)):
            partings.append(
                Parting(
                    scope=scope,
                    shared=shared,
                    recorded=recorded[shared] if shared < len(recorded) else None,
                    supposed=supposed[shared] if shared < len(supposed) else None,
                    recorded_total=len(recorded),
                    supposed_total=len(supposed),
                )
            )
    return tuple(partings)


def _recorded(recording: Recording, scope: str) -> list[Decided]:
    directives = [msgspec.json.decode(value, type=Directive) for value in recording.directives.values()]
    first = [directive for directive in directives if directive.scope == scope and directive.step == 0]
    return [_decided(it) for it in sorted(first, key=lambda it: (it.decision.sequence, it.at_ms))]


def _supposed(recording: Recording, scope: str, policy: Policy) -> list[Decided]:
    return [_decided(order) for order in supposed_orders(recording, scope, policy) if order.step == 0]


def supposed_orders(recording: Recording, scope: str, policy: Policy) -> list[Directive]:
    """The orders that this policy would have given on a scope; those that were not recorded count as carried out."""
    state, ordered = ScopeState(scope=scope), []
    known = {msgspec.json.decode(value, type=Directive).decision.id for value in recording.directives.values()}
    for value in recording.journal[scope]:
        event = recording.events.get(msgspec.json.decode(value, type=JournalRecord).event_id)
        # Proposals are made anew.
        waiting: list[Event] = [] if event is None else [event]
        while waiting:
            state, effects = step(state, waiting.pop(0), policy)
            for output in effects.outputs:
                if isinstance(output, Proposal):
                    waiting.append(output)
                    continue
                assert isinstance(output, Directive)
                ordered.append(output)
                if output.decision.id not in known:
                    waiting.append(_acknowledgement(output))
    return ordered


def _decided(directive: Directive) -> Decided:
    decision = directive.decision
    return Decided(
        at_ms=decision.at_ms,
        kind=decision.kind,
        strategy=decision.strategy,
        to_configuration_id=decision.to_configuration_id,
    )


def _acknowledgement(directive: Directive) -> Outcome:
    return Outcome(
        id=f"{directive.id}:supposed",
        scope=directive.scope,
        at_ms=directive.at_ms + ACKNOWLEDGED_AFTER_MS,
        decision_id=directive.decision.id,
        directive_id=directive.id,
        step=directive.step,
        status=OutcomeStatus.APPLIED,
    )
