"""Scenarios: the routes of a world, what goes wrong on them and when, all drawn from a seed."""

from dataclasses import dataclass, field

import numpy as np

from ..catalog import MODELS
from ..incidents import Incident, IncidentKind
from .chance import generator
from .scenarios import USUAL_DAYS, ScenarioName
from .surface import TASKS

DAY_MINUTES = 1_440
TRAP_POINTS = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route: tasks by share at day and at night, requests per minute at the peak, and its models' skill by task.

    A model in `traps` serves worse, by so many points of quality, than mirrored requests show. `offers` are prompts
    that an engineer offers at these minutes.
    """

    name: str
    mix: tuple[float, ...]
    night_mix: tuple[float, ...]
    requests_per_minute: float
    scored_share: float
    skill: dict[str, np.ndarray]
    traps: dict[str, float] = field(default_factory=dict)
    offers: tuple[tuple[int, tuple[str, ...]], ...] = ()
    incidents: tuple[Incident, ...] = ()
    flat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often messages and the actuator go wrong on an ordinary day; chances per message."""

    repeated: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    refused: float = 0.0
    partial: float = 0.0
    unacknowledged: float = 0.0


NO_FAULTS = Faults()
ORDINARY_FAULTS = Faults(repeated=0.01, late=0.01, lost=0.005, refused=0.005, partial=0.002, unacknowledged=0.002)
DISORDER = Faults(repeated=0.3, late=0.2, lost=0.1)
ACTUATOR_FAULTS = Faults(refused=0.2, partial=0.1, unacknowledged=0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A world to play in: seed, days, routes."""

    name: ScenarioName
    seed: int
    days: int
    routes: tuple[Route, ...]
    faults: Faults = NO_FAULTS

    @property
    def minutes(self) -> int:
        """How long it lasts."""
        return self.days * DAY_MINUTES


ARCHETYPES = (
    # Name, mix of classify, extract, chat, code by day, and at night.
    ("acme/support/chat", (0.35, 0.15, 0.50, 0.00), (0.25, 0.15, 0.60, 0.00)),
    ("acme/search/rerank", (0.80, 0.20, 0.00, 0.00), (0.85, 0.15, 0.00, 0.00)),
    ("globex/agents/planner", (0.00, 0.10, 0.25, 0.65), (0.00, 0.05, 0.20, 0.75)),
    ("acme/support/summary", (0.10, 0.70, 0.20, 0.00), (0.05, 0.75, 0.20, 0.00)),
    ("globex/mail/triage", (0.65, 0.25, 0.10, 0.00), (0.60, 0.30, 0.10, 0.00)),
    ("globex/agents/tools", (0.05, 0.25, 0.20, 0.50), (0.05, 0.15, 0.20, 0.60)),
    ("globex/mail/draft", (0.05, 0.15, 0.75, 0.05), (0.00, 0.20, 0.75, 0.05)),
    ("acme/search/answer", (0.10, 0.40, 0.40, 0.10), (0.10, 0.30, 0.45, 0.15)),
)
KINDS = tuple(kind for kind in IncidentKind if kind is not IncidentKind.PLACEBO)
SPACING_MINUTES = 1_440
"""One incident a day and route, so that each has its answer before the next."""


def build(name: ScenarioName, seed: int, *, days: int | None = None, scopes: int = 8) -> Scenario:
    """The scenario of a seed; `scopes` beyond the eight archetypes are further tenants with the same kinds of work."""
    length = days or USUAL_DAYS[name]
    routes = tuple(_route(name, seed, number, length) for number in range(scopes))
    faults = ORDINARY_FAULTS if name is ScenarioName.STANDARD else NO_FAULTS
    return Scenario(name=name, seed=seed, days=length, routes=routes, faults=faults)


def _route(name: ScenarioName, seed: int, number: int, days: int) -> Route:
    archetype, mix, night_mix = ARCHETYPES[number % len(ARCHETYPES)]
    tenant = number // len(ARCHETYPES)
    scope = archetype if tenant == 0 else f"t{tenant + 1}-{archetype}"
    draw = generator(seed, "route", scope)
    flat = name is ScenarioName.PLACEBO
    skill = {model: np.exp(0.12 * draw.standard_normal(len(TASKS))) for model in sorted(MODELS)}
    requests = float(np.exp(draw.uniform(np.log(80.0), np.log(500.0))))
    trapped = name is ScenarioName.TRAP or (name is ScenarioName.STANDARD and number % 8 == 7)
    return Route(
        name=scope,
        mix=mix,
        night_mix=night_mix,
        requests_per_minute=requests,
        scored_share=float(draw.uniform(0.15, 0.35)),
        skill=skill,
        traps=_traps(draw) if trapped else {},
        offers=_offers(name, draw, days),
        incidents=_incidents(scope, number, draw, days) if name is ScenarioName.STANDARD else (),
        flat=flat,
    )


def _traps(draw: np.random.Generator) -> dict[str, float]:
    """Cheap models that look as good as ever and are not: whichever of them is chosen, it is the wrong one."""
    both = ("cedar", "ember")
    return {both[int(draw.integers(2))]: TRAP_POINTS}


def _offers(name: ScenarioName, draw: np.random.Generator, days: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
    if name is ScenarioName.PLACEBO:
        # A new prompt that changes nothing, every six hours.
        return tuple((120 + 360 * number, (f"neutral-{number}",)) for number in range(4 * days))
    if name is ScenarioName.STANDARD:
        prompts = ("stepwise", "polite", "terse")
        return tuple(
            (int(draw.integers(600, 1_400)) + day * DAY_MINUTES, (prompts[int(draw.integers(len(prompts)))],))
            for day in range(days)
        )
    return ()


def _incidents(scope: str, number: int, draw: np.random.Generator, days: int) -> tuple[Incident, ...]:
    """One incident a day after the first half day, the kinds in turn, each route beginning elsewhere in the list."""
    found = []
    for day in range(days):
        kind = KINDS[(number * 3 + day) % len(KINDS)]
        start = day * SPACING_MINUTES + int(draw.integers(720, 1_080))
        found.append(_incident(kind, scope, start, draw))
    placebo = Incident(
        name="nothing at all",
        kind=IncidentKind.PLACEBO,
        scope=scope,
        model="",
        start_minute=300,
        end_minute=660,
        amount=0.0,
        good_answers=frozenset(),
    )
    return (placebo, *found)


def _incident(kind: IncidentKind, scope: str, start: int, draw: np.random.Generator) -> Incident:
    """Of ordinary strength and length; the model, where it befalls one, is put in by the world: what serves best."""
    lasts, low, high = {
        IncidentKind.QUALITY_REGRESSION: (480, 0.08, 0.15),
        IncidentKind.QUALITY_DRIFT: (600, 0.08, 0.15),
        IncidentKind.LATENCY_SPIKE: (60, 4.0, 8.0),
        IncidentKind.OUTAGE: (45, 0.3, 0.8),
        IncidentKind.PRICE_CHANGE: (600, 10.0, 40.0),
        IncidentKind.MIX_SHIFT: (360, 0.3, 0.5),
        IncidentKind.JUDGE_BIAS: (360, 0.03, 0.06),
        IncidentKind.METRIC_LOSS: (240, 1.0, 1.0),
        IncidentKind.DISORDER: (360, 1.0, 1.0),
        IncidentKind.ACTUATOR_FAULTS: (600, 1.0, 1.0),
    }[kind]
    befalls_model = kind in (
        IncidentKind.QUALITY_REGRESSION,
        IncidentKind.QUALITY_DRIFT,
        IncidentKind.LATENCY_SPIKE,
        IncidentKind.OUTAGE,
        IncidentKind.PRICE_CHANGE,
    )
    return Incident(
        name=kind.value.replace("_", " "),
        kind=kind,
        scope=scope,
        model=BEST if befalls_model else "",
        start_minute=start,
        end_minute=start + lasts,
        amount=float(draw.uniform(low, high)),
        good_answers=frozenset({"rollback", "circuit_break", "model_switch"}) if befalls_model else frozenset(),
    )


BEST = "?"
"""Stands for the model that truly serves the route best when the incident begins."""
