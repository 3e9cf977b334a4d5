"""The engine as a player: every event goes through the pure `step`, proposals in turn."""

from ...engine.guard import Reading, judge_ramp
from ...engine.step import step
from ...model.actuation import Directive
from ...model.decision import Proposal
from ...model.event import Event
from ...model.lifecycle import DecisionState
from ...model.policy import Policy
from ...model.state import ScopeState


class Engine:
    """One scope's state and the policy it is decided under."""

    def __init__(self, scope: str, policy: Policy) -> None:
        self.state = ScopeState(scope=scope)
        self._policy = policy

    def tell(self, event: Event) -> list[Directive]:
        """Step, and step again with what was proposed."""
        self.state, effects = step(self.state, event, self._policy)
        directives: list[Directive] = []
        for output in effects.outputs:
            directives += self.tell(output) if isinstance(output, Proposal) else [output]
        return directives

    def readings(self) -> list[Reading]:
        """What the guards of a running ramp say now; empty without one."""
        for live in self.state.cold.live:
            if live.ramp is not None and live.state is DecisionState.MONITORING and live.ramp.weight < 1.0:
                return judge_ramp(live.ramp, live.decision.impact, self._policy)
        return []
