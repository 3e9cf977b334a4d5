"""The run against the known truth: incidents and answers, money, quality, and decisions that nobody needed."""

from dataclasses import dataclass, field

from ..model.actuation import BeginExperiment, Directive, EndExperiment
from ..model.outcome import CONTROL
from .actuator import Actuator
from .incidents import Incident, IncidentKind
from .world import INITIAL_MODEL, World

ANSWER_WITHIN_MINUTES = 60
"""A decision on the incident's scope counts as its answer when it is made within this time of the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDecision:
    """A decision as the actuator saw it: one row of the log."""

    minute: int
    id: str
    scope: str
    kind: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was decided about an incident; `struck` is False when it hit a model that nobody used."""

    incident: Incident
    struck: bool
    decision: MadeDecision | None
    is_right: bool
    delay_minutes: int | None


@dataclass(slots=True)
class Scorecard:
    """Fed minute by minute; read at any time."""

    world: World
    minutes: int = 0
    decisions: list[MadeDecision] = field(default_factory=list)
    spent_usd: float = 0.0
    baseline_usd: float = 0.0
    quality_sum: float = 0.0
    baseline_quality_sum: float = 0.0
    requests: int = 0
    struck: set[str] = field(default_factory=set)

    def served(self, actuator: Actuator, minute: int, at_ms: int) -> None:
        """Account for a minute of all scopes: expected money and quality, as served and as it would have been."""
        self.minutes = minute
        for scope in self.world.scopes:
            requests = self.world.requests(scope, minute)
            start = self.world.truth(scope, INITIAL_MODEL, minute)
            self.requests += requests
            self.baseline_usd += requests * start.cost_usd
            self.baseline_quality_sum += requests * start.quality
            for configuration, share in actuator.served(scope).arms(at_ms).values():
                truth = self.world.truth(scope, configuration.model, minute, configuration.prompt)
                self.spent_usd += requests * share * truth.cost_usd
                self.quality_sum += requests * share * truth.quality
            in_use = {
                configuration.model for configuration, share in actuator.served(scope).arms(at_ms).values() if share
            }
            self.struck |= {
                incident.name
                for incident in self.world.incidents
                if any(incident.strikes(scope, it, minute) for it in in_use)
            }

    def decided(self, directive: Directive, minute: int) -> MadeDecision | None:
        """Note the first order of a decision; None for the later steps of its ramp."""
        if directive.step > 0:
            return None
        decision = directive.decision
        made = MadeDecision(
            minute=minute,
            id=decision.id,
            scope=decision.scope,
            kind=decision.kind,
            target=_target(directive),
            reason=decision.decision.reason,
        )
        self.decisions.append(made)
        return made

    def answers(self) -> list[Answer]:
        """Every incident with its answer so far."""
        return [self._answer(incident) for incident in self.world.incidents]

    @property
    def saved_usd(self) -> float:
        """Expected money saved against staying with the first configuration."""
        return self.baseline_usd - self.spent_usd

    @property
    def quality_change(self) -> float:
        """Expected quality per request against staying with the first configuration, in points of 1."""
        return (self.quality_sum - self.baseline_quality_sum) / self.requests if self.requests else 0.0

    def unneeded(self) -> list[MadeDecision]:
        """Decisions on the scope of a placebo while it lasted."""
        return [
            answer.decision
            for answer in self.answers()
            if answer.incident.kind is IncidentKind.PLACEBO and answer.decision is not None
        ]

    def _answer(self, incident: Incident) -> Answer:
        until = min(incident.end_minute, incident.start_minute + ANSWER_WITHIN_MINUTES)
        inside = [
            made
            for made in self.decisions
            if made.scope == incident.scope and incident.start_minute <= made.minute < until
        ]
        struck = incident.name in self.struck
        if incident.kind is IncidentKind.PLACEBO:
            first = inside[0] if inside else None
            return Answer(incident=incident, struck=True, decision=first, is_right=first is None, delay_minutes=None)
        if not struck:
            return Answer(incident=incident, struck=False, decision=None, is_right=True, delay_minutes=None)
        right = next((made for made in inside if made.kind in incident.good_answers), None)
        first = right or (inside[0] if inside else None)
        return Answer(
            incident=incident,
            struck=True,
            decision=first,
            is_right=right is not None,
            delay_minutes=first.minute - incident.start_minute if first else None,
        )


def _target(directive: Directive) -> str:
    """What a decision leads to, in a word."""
    order = directive.order
    configuration = getattr(order, "configuration", None)
    if configuration is not None:
        return f"{configuration.model}, {configuration.prompt}" if configuration.prompt else configuration.model
    if isinstance(directive.order, BeginExperiment):
        return "control against " + ", ".join(sorted(directive.order.shares.keys() - {CONTROL}))
    if isinstance(directive.order, EndExperiment):
        return "control"
    return "fallback" if directive.decision.kind == "circuit_break" else directive.decision.kind
