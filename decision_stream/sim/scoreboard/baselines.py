"""Players that need no events: one model for ever, a choice from one evaluation, and the oracle."""

from itertools import product

import numpy as np

from ...model.configuration import Configuration
from ...model.policy import Policy
from ..catalog import MODELS
from ..prompts import effect
from .chance import generator
from .timeline import Timeline
from .world import SLOT_MINUTES, START, RouteWorld

EVALUATED = 200
"""Answers per model that the static guess is based on."""
GRID = 7
"""Values of each tunable parameter that the oracle knows, beside the default."""


def always(model: str) -> Timeline:
    """One model, whatever happens."""
    timeline = Timeline()
    timeline.serve(0, ((Configuration(model=model), 1.0),))
    return timeline


def cheapest() -> str:
    """The model of the lowest price."""
    return min(MODELS.values(), key=lambda model: (model.cost_usd, model.name)).name


def strongest() -> str:
    """The model that is right most often."""
    return max(MODELS.values(), key=lambda model: (model.accuracy, model.name)).name


def best_guess(world: RouteWorld) -> str:
    """What a careful team does: evaluate every model once on the route's own requests, choose, never look again.

    The evaluation sees the first day's mix; a trap looks there as it looks in mirrored requests. The choice is by the
    engine's objective among the models whose measured quality is not below what the policy allows.
    """
    draw = generator(world.scenario.seed, world.scope, "evaluation")
    day = slice(0, world.slots // world.scenario.days)
    found: dict[str, tuple[float, float]] = {}
    for name in sorted(MODELS):
        figures = world.figures(Configuration(model=name), troubled=False)
        quality = float(figures.value[day].mean()) + world.route.traps.get(name, 0.0)
        quality += 0.2 / EVALUATED**0.5 * float(draw.standard_normal())
        plain = float(figures.utility[day].mean()) + (quality - float(figures.value[day].mean())) * _slope(world.policy)
        found[name] = (quality, plain)
    floor = found[START.model][0] * (1.0 - world.policy.pareto.max_quality_loss)
    allowed = [name for name in sorted(found) if found[name][0] >= floor]
    return max(allowed, key=lambda name: found[name][1])


def oracle(world: RouteWorld) -> Timeline:
    """What serves best in each slot, incidents included, of all models, offered prompts and tunable parameters."""
    choices = configurations(world)
    worth = np.stack([world.worth(choice) for choice in choices])
    best = np.argmax(worth, axis=0)
    timeline = Timeline()
    for slot, place in enumerate(best.tolist()):
        timeline.serve(slot * SLOT_MINUTES, ((choices[place], 1.0),))
    return timeline


def oracle_fixed(world: RouteWorld) -> Timeline:
    """The one configuration that serves best over the whole run: what hindsight would have chosen at the start."""
    choices = configurations(world)
    weights = world.arrivals / world.arrivals.sum()
    best = max(choices, key=lambda choice: float(world.worth(choice) @ weights))
    timeline = Timeline()
    timeline.serve(0, ((best, 1.0),))
    return timeline


def configurations(world: RouteWorld) -> list[Configuration]:
    """All that could be best: every model with the best offered prompt, over a grid of the tunable parameters."""
    if world.route.flat:
        return [Configuration(model=name) for name in sorted(MODELS)]
    offered = sorted({name for _, names in world.route.offers for name in names})
    best = max(offered, key=lambda name: (effect(name, 1.0), name), default=None)
    prompt = best if best is not None and effect(best, 1.0) > 0.0 else None
    tuned = world.policy.adaptive_parameters.parameters
    values: list[list[tuple[str, float | int | None]]] = []
    for it in tuned:
        grid = np.geomspace(it.low, it.high, GRID) if it.log else np.linspace(it.low, it.high, GRID)
        numbers = [round(value) if it.integer else round(float(value), 4) for value in grid.tolist()]
        values.append([(it.name, None), *((it.name, number) for number in numbers)])
    return [
        Configuration(
            model=model,
            prompt=prompt,
            parameters={name: value for name, value in sorted(chosen, key=lambda it: it[0]) if value is not None},
        )
        for model, chosen in product(sorted(MODELS), product(*values))
    ]


def _slope(policy: Policy) -> float:
    return policy.pareto.weights.quality / abs(policy.pareto.quality_range.width)
