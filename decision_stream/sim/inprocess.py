"""The simulated fleet against the pure core, without a broker: the same world, thousands of minutes a second."""

from collections.abc import Callable

from ..engine.step import step
from ..model.actuation import Directive
from ..model.decision import Proposal
from ..model.event import Event
from ..model.policy import Policy
from ..model.state import ScopeState
from .actuator import MINUTE_MS, Actuator
from .analyzer import Analyzer
from .policy import SLOW_MS, START_MS
from .prompts import offers
from .scorecard import MadeDecision, Scorecard
from .world import World


def simulate(
    world: World, policy: Policy, minutes: int, on_decision: Callable[[MadeDecision], None] = lambda _: None
) -> Scorecard:
    """Run the world for this many minutes in the same order of events as on Kafka."""
    actuator = Actuator(world, SLOW_MS)
    analyzer = Analyzer(world, actuator)
    card = Scorecard(world=world)
    states: dict[str, ScopeState] = {}

    def tell(event: Event, minute: int) -> None:
        state = states.get(event.scope) or ScopeState(scope=event.scope)
        states[event.scope], effects = step(state, event, policy)
        for signal in effects.signals:
            tell(signal, minute)
        for output in effects.outputs:
            if isinstance(output, Proposal):
                tell(output, minute)
            else:
                assert isinstance(output, Directive)
                made = card.decided(output, minute)
                if made is not None:
                    on_decision(made)
                for outcome in actuator.carry_out(output):
                    tell(outcome, minute)

    for minute in range(1, minutes + 1):
        at_ms = START_MS + minute * MINUTE_MS
        card.served(actuator, minute, at_ms)
        for scope in world.scopes:
            for outcome in actuator.measure(scope, minute, at_ms):
                tell(outcome, minute)
        for offer in offers(list(world.scopes), minute, at_ms):
            tell(offer, minute)
        for scope in world.scopes:
            tell(analyzer.insight(scope, minute, at_ms), minute)
    return card
