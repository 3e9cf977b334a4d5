"""The simulated fleet played on the engine in process: a read model with ramps, experiments and estimates."""

from decision_stream.model.actuation import Directive
from decision_stream.model.outcome import Outcome
from decision_stream.settings import parse
from decision_stream.sim.actuator import MINUTE_MS, Actuator
from decision_stream.sim.analyzer import Analyzer
from decision_stream.sim.policy import DEMO_SETTINGS, SLOW_MS, START_MS
from decision_stream.sim.prompts import offers
from decision_stream.sim.world import World
from tests.edge.engine import Engine


class PlayedFleet(Engine):
    """The demo's fleet under the demo's policy, some minutes long."""

    def __init__(self, minutes: int, seed: int = 7) -> None:
        super().__init__(parse(DEMO_SETTINGS, {}).policy)
        self.world = World(seed)
        self.actuator = Actuator(self.world, SLOW_MS)
        analyzer = Analyzer(self.world, self.actuator)
        for minute in range(1, minutes + 1):
            at_ms = START_MS + minute * MINUTE_MS
            events = [it for scope in self.world.scopes for it in self.actuator.measure(scope, minute, at_ms)]
            events += offers(list(self.world.scopes), minute, at_ms)
            events += [analyzer.insight(scope, minute, at_ms) for scope in self.world.scopes]
            for event in events:
                self.tell(event)

    def carried_out(self, directive: Directive) -> list[Outcome]:
        """What the simulated actuator answers."""
        return list(self.actuator.carry_out(directive))
