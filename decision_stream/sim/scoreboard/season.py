"""One seed of one scenario played by everyone: the unit of work of a process."""

from dataclasses import dataclass, field

from ...model.policy import Policy
from . import baselines
from .brain import Engine
from .judging import Verdict, accounted, judged
from .literal import Literal
from .play import Match
from .scenario import build
from .scenarios import ScenarioName
from .story import Story, Teller
from .timeline import Accountant
from .world import RouteWorld

ENGINE, LITERAL = "engine", "seed taken literally"
STRONGEST, CHEAPEST, GUESS = "always strongest", "always cheapest", "static best guess"
ORACLE, FIXED_ORACLE = "oracle", "oracle, one choice"
BASELINES = (STRONGEST, CHEAPEST, GUESS, LITERAL)
"""Everyone that does not know the truth, beside the engine."""
ORACLES = (ORACLE, FIXED_ORACLE)


@dataclass(slots=True, kw_only=True)
class Season:
    """What a seed of a scenario came to, by player; `story` of one route where it was asked for.

    `allowing` holds the routes on which one fixed choice would cost at least 30 % less than the strongest model at
    quality within 2 points of it.
    """

    scenario: ScenarioName
    seed: int
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    allowing: dict[str, Verdict] = field(default_factory=dict)
    story: Story | None = None


def play(name: ScenarioName, seed: int, policy: Policy, *, days: int | None, scopes: int, told: bool = False) -> Season:
    """Play a seed; everyone meets the same requests, incidents and chance.

    `told` keeps the story of the first route, for the report.
    """
    scenario = build(name, seed, days=days, scopes=scopes)
    season = Season(scenario=name, seed=seed)
    for number, route in enumerate(scenario.routes):
        world = RouteWorld(scenario, route, policy)
        accountant = Accountant(world)
        engine = Engine(route.name, policy)
        teller = Teller(engine) if told and number == 0 else None
        played = Match(world, engine, teller.listen if teller else _nobody).run()
        verdicts = {ENGINE: judged(world, accountant, played)}
        if teller:
            season.story = teller.tell(world, accountant, played)
        verdicts[LITERAL] = judged(world, accountant, Match(world, Literal(route.name)).run())
        for player, timeline in (
            (STRONGEST, baselines.always(baselines.strongest())),
            (CHEAPEST, baselines.always(baselines.cheapest())),
            (GUESS, baselines.always(baselines.best_guess(world))),
            (ORACLE, baselines.oracle(world)),
            (FIXED_ORACLE, baselines.oracle_fixed(world)),
        ):
            verdicts[player] = accounted(world, accountant, timeline)
        for player, verdict in verdicts.items():
            season.verdicts.setdefault(player, Verdict()).add(verdict)
            if _allows(verdicts):
                season.allowing.setdefault(player, Verdict()).add(verdict)
    return season


def _allows(verdicts: dict[str, Verdict]) -> bool:
    start, best = verdicts[STRONGEST].account, verdicts[FIXED_ORACLE].account
    return best.cost_usd <= 0.7 * start.cost_usd and best.value >= start.value - 0.02 * start.requests


def _nobody(_minute: int, _arms: object) -> None:
    pass
