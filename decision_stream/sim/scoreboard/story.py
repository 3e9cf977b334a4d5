"""The story of one route, for a picture: weights, what the guards said, incidents, decisions, and money."""

from dataclasses import dataclass, field

from ..incidents import Incident
from . import baselines
from .brain import Engine
from .play import Played
from .timeline import Accountant, Arms
from .world import RouteWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the quality guard of a ramp said at a minute: interval of the harm, and how much is allowed."""

    minute: int
    low: float
    high: float
    margin: float
    breached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A decision in words."""

    minute: int
    kind: str
    strategy: str
    what: str
    why: str


@dataclass(slots=True, kw_only=True)
class Story:
    """Everything the pictures need; plain values, so that it travels between processes."""

    scope: str
    minutes: int
    # Start, end, and what served: label and share.
    served: list[tuple[int, int, list[tuple[str, float]]]] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    decisions: list[Told] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    # By player: dollars and worth of each hour.
    money: dict[str, list[float]] = field(default_factory=dict)
    worth: dict[str, list[float]] = field(default_factory=dict)


class Teller:
    """Listens to a match while it is played."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._readings: list[Reading] = []

    def listen(self, minute: int, arms: Arms) -> None:
        """Note what the guards say."""
        if len(arms) < 2 or (self._readings and self._readings[-1].minute == minute):
            return
        for reading in self._engine.readings():
            evidence = reading.evidence
            if evidence.metric == "quality" and evidence.interval is not None:
                self._readings.append(
                    Reading(
                        minute=minute,
                        low=evidence.interval.low,
                        high=evidence.interval.high,
                        margin=float(evidence.detail.rsplit(" ", 1)[-1]),
                        breached=reading.breached,
                    )
                )

    def tell(self, world: RouteWorld, accountant: Accountant, played: Played) -> Story:
        """The whole story."""
        others = {
            "engine": played.timeline,
            "always strongest": baselines.always(baselines.strongest()),
            "static best guess": baselines.always(baselines.best_guess(world)),
            "oracle": baselines.oracle(world),
        }
        return Story(
            scope=world.scope,
            minutes=world.minutes,
            served=[
                (start, stop, [(_label(configuration), share) for configuration, share in arms])
                for start, stop, arms in played.timeline.segments(world.minutes)
            ],
            incidents=list(world.route.incidents),
            decisions=[
                Told(
                    minute=made.minute,
                    kind=made.decision.kind,
                    strategy=made.decision.strategy,
                    what=_label(made.target) if made.target is not None else "",
                    why=made.decision.decision.reason,
                )
                for made in played.made
            ],
            readings=self._readings,
            money={name: accountant.by_hour(timeline, "cost_usd") for name, timeline in others.items()},
            worth={name: accountant.by_hour(timeline, "worth") for name, timeline in others.items()},
        )


def _label(configuration: object) -> str:
    model = getattr(configuration, "model", "")
    prompt = getattr(configuration, "prompt", None)
    parameters = getattr(configuration, "parameters", {})
    extra = [prompt] if prompt else []
    extra += [f"{name} {value:g}" for name, value in sorted(parameters.items())]
    return f"{model} ({', '.join(extra)})" if extra else model
