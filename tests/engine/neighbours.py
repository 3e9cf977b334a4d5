"""Several routes and what is known across them, for tests: every signal reaches whom it is for, at once."""

from dataclasses import dataclass, field

from decision_stream.model.effect import Effects
from decision_stream.model.event import Event
from decision_stream.model.policy import Policy
from decision_stream.model.state import ScopeState
from tests.engine.route import Route


@dataclass
class Neighbours:
    """Scopes and aggregates by name, each made when it is first told of."""

    policy: Policy = field(default_factory=Policy)
    routes: dict[str, Route] = field(default_factory=dict)

    def __getitem__(self, scope: str) -> Route:
        if scope not in self.routes:
            self.routes[scope] = Route(policy=self.policy, state=ScopeState(scope=scope))
        return self.routes[scope]

    def tell(self, event: Event) -> Effects:
        """Step this event and all that follows from it, on all scopes."""
        route = self[event.scope]
        known = len(route.effects)
        effects = route.tell(event)
        for after in route.effects[known:]:
            for message in after.signals:
                self.tell(message)
        return effects
