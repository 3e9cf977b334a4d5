"""A route in miniature for tests of the engine: passes proposals on and answers directives as an actuator would."""

from dataclasses import dataclass, field

from decision_stream.engine.step import step
from decision_stream.model.actuation import Directive
from decision_stream.model.decision import Proposal
from decision_stream.model.effect import Effects
from decision_stream.model.event import Event
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from tests.factories import SCOPE, outcome


@dataclass
class Route:
    """Holds the state; `tell` steps an event and everything that follows from it."""

    policy: Policy = field(default_factory=Policy)
    state: ScopeState = field(default_factory=lambda: ScopeState(scope=SCOPE))
    acknowledge: bool = True
    effects: list[Effects] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)

    def tell(self, event: Event) -> Effects:
        """Step this event, then validate its proposals and acknowledge its directives."""
        self.state, effects = step(self.state, event, self.policy)
        self.effects.append(effects)
        for output in effects.outputs:
            if isinstance(output, Proposal):
                self.proposals.append(output)
                self.tell(output)
            else:
                self.directives.append(output)
                if self.acknowledge:
                    self.tell(outcome(output, OutcomeStatus.APPLIED, output.at_ms + 1_000))
        return effects

    @property
    def kinds(self) -> list[str]:
        """Kinds of the decisions made, each once, in order."""
        return list({directive.decision.id: directive.decision.kind for directive in self.directives}.values())

    def states_of(self, decision_id: str) -> list[str]:
        """The states a decision went through."""
        return [
            transition.to_state.value
            for effects in self.effects
            for transition in effects.transitions
            if transition.decision_id == decision_id
        ]

    def codes(self) -> set[str]:
        """Codes of all reasons given so far."""
        return {reason.code for effects in self.effects for reason in effects.reasons}
