"""One event, one step: the only way the state of a scope, or of an aggregate, changes.

`step` has no side effects, reads no clock and draws no hidden chance. The stream's agents, the replay tool, the
simulator and the tests all call it.
"""

from ..model.command import Command
from ..model.decision import Proposal
from ..model.effect import Effects
from ..model.event import Event
from ..model.insight import Insight
from ..model.knowledge import Sighting, Signal, is_aggregate
from ..model.outcome import Outcome
from ..model.policy import Policy
from ..model.state import ScopeState
from ..model.trace import trace_id
from .evaluate import evaluate
from .gather import direct, gather
from .govern import govern
from .hear import hear
from .learn import learn
from .turn import Turn
from .validate import validate


def step(state: ScopeState, event: Event, policy: Policy) -> tuple[ScopeState, Effects]:
    """The state after an event, and what the event asks the outside to do.

    Raises ValueError when the event is of another scope. A part of the state that did not change is the same object.

    >>> from decision_stream.model.command import Command, Tick
    >>> tick = Command(id="t1", scope="a/b/c", at_ms=1_000, instruction=Tick(), actor="engine:ticker")
    >>> state, effects = step(ScopeState(scope="a/b/c"), tick, Policy())
    >>> state.hot.at_ms, effects.verdict.value, effects.outputs
    (1000, 'applied', ())
    """
    if event.scope != state.scope:
        raise ValueError(f"event is of scope {event.scope!r}, expected {state.scope!r}")
    # A signal does not move the scope's clock: it was made by that of another, which may be ahead by a backlog.
    at_ms = state.hot.at_ms if isinstance(event, Signal) else event.at_ms
    turn = Turn(state, event.id, at_ms, policy, trace_id(event.traceparent))
    match event:
        case Insight():
            effects = evaluate(turn, event)
        case Proposal():
            effects = validate(turn, event)
        case Outcome():
            effects = learn(turn, event)
        case Command():
            effects = direct(turn, event) if is_aggregate(state.scope) else govern(turn, event)
        case Sighting():
            effects = gather(turn, event)
        case Signal():
            effects = hear(turn, event)
    return turn.state, effects
