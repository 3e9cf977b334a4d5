"""A player on a route, minute by minute: events through a faulty transport, orders through a faulty actuator.

Brains differ; the loop, the world and its chance are the same for all that decide.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from time import process_time
from typing import Protocol

from msgspec.structs import replace

from ...model.actuation import BreakRoute, Directive, RestoreConfiguration, UpdateConfiguration
from ...model.command import Command, Offer
from ...model.configuration import Configuration
from ...model.decision import Decision
from ...model.event import Event
from ...model.outcome import Outcome, OutcomeStatus
from ...stats.moments import Moments
from ..actuator import MINUTE_MS, Actuator
from ..incidents import IncidentKind
from ..policy import SLOW_MS, START_MS
from ..world import FALLBACK_MODEL
from .observer import Observer
from .scenario import ACTUATOR_FAULTS, DISORDER, Faults
from .timeline import Arms, Timeline
from .world import SLOT_MINUTES, RouteWorld

LATE_MINUTES = 7
SCORED_AFTER_MS = SLOT_MINUTES * MINUTE_MS
"""Scores of a new arm come this long after it first serves."""


class Brain(Protocol):
    """What decides on a route."""

    def tell(self, event: Event) -> list[Directive]:
        """Take in an event; the orders that follow from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A decision when its first order came: what was served before (a candidate where one was ramped) and what after.

    `target` is None for the start of an experiment and for an end that serves the control.
    """

    minute: int
    decision: Decision
    left: Configuration
    target: Configuration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A change that reached full traffic."""

    minute: int
    decision: Decision
    before: Configuration
    after: Configuration


@dataclass(slots=True, kw_only=True)
class Played:
    """The record of a run of one player on one route."""

    timeline: Timeline = field(default_factory=Timeline)
    made: list[Made] = field(default_factory=list)
    adopted: list[Adopted] = field(default_factory=list)
    events: int = 0
    repeated: int = 0
    repeated_with_effect: int = 0
    mirrored_usd: float = 0.0
    deciding_s: float = 0.0


class Match:
    """One brain on one route."""

    def __init__(
        self, world: RouteWorld, brain: Brain, on_minute: Callable[[int, Arms], None] = lambda _minute, _arms: None
    ) -> None:
        self._world = world
        self._brain = brain
        self._on_minute = on_minute
        self._actuator = Actuator(world, SLOW_MS)
        self._observer = Observer(world)
        self._late: list[tuple[int, Event]] = []
        self._began_ms: dict[str, int] = {}
        self._minute = 0
        self.played = Played()

    def run(self) -> Played:
        """Play to the end."""
        self._serve(0)
        offers = dict(self._world.route.offers)
        for slot in range(self._world.slots):
            arms = self.played.timeline.at(slot * SLOT_MINUTES)
            for minute in range(slot * SLOT_MINUTES + 1, (slot + 1) * SLOT_MINUTES + 1):
                self._pass(minute)
                if minute in offers:
                    self._deliver(self._offer(minute, offers[minute]))
            insight = self._observer.insight(slot, arms)
            self._send(insight)
            self._serve(self._minute)
        self.played.mirrored_usd = self._observer.mirrored_usd
        return self.played

    def _pass(self, minute: int) -> None:
        """A minute: what is late arrives, and the arms of a change are measured."""
        self._minute = minute
        due = [event for at, event in self._late if at <= minute]
        if due:
            self._late = [(at, event) for at, event in self._late if at > minute]
            for event in due:
                self._deliver(event)
        served = self._actuator.served(self._world.scope)
        if served.candidate is not None:
            self._measure(minute, 1)
        elif served.split and minute % SLOT_MINUTES == 0:
            self._measure(minute, SLOT_MINUTES)
        elif not served.broken_until_ms and not due:
            return
        self._serve(minute)

    def _measure(self, minute: int, minutes: int) -> None:
        at_ms = START_MS + minute * MINUTE_MS
        for outcome in self._actuator.measure(self._world.scope, minute - minutes, at_ms, minutes):
            # A score cannot be older than its arm.
            if at_ms - self._began_ms.get(outcome.decision_id, 0) < SCORED_AFTER_MS:
                arms = {name: replace(sample, quality=Moments()) for name, sample in outcome.arms.items()}
                outcome = replace(outcome, arms=arms)
            self._send(outcome)

    def _send(self, event: Event) -> None:
        """Through the transport: an event may be lost, late, or come twice."""
        faults = self._faults(IncidentKind.DISORDER, DISORDER)
        if faults.lost or faults.late or faults.repeated:
            lost, late, repeated = _chances(self._world.scenario.seed, event.id)
            if lost < faults.lost:
                return
            if late < faults.late:
                self._late.append((self._minute + LATE_MINUTES, event))
                return
            self._deliver(event)
            if repeated < faults.repeated:
                self._again(event)
            return
        self._deliver(event)

    def _again(self, event: Event) -> None:
        self.played.repeated += 1
        if self._tell(event):
            self.played.repeated_with_effect += 1

    def _tell(self, event: Event) -> list[Directive]:
        self.played.events += 1
        began = process_time()
        directives = self._brain.tell(event)
        self.played.deciding_s += process_time() - began
        return directives

    def _deliver(self, event: Event) -> None:
        for directive in self._tell(event):
            self._carry_out(directive)

    def _carry_out(self, directive: Directive) -> None:
        before = self._actuator.served(self._world.scope)
        decision = directive.decision
        if decision.id not in self._began_ms:
            self._began_ms[decision.id] = directive.at_ms
            left = before.candidate or before.configuration
            self.played.made.append(Made(minute=self._minute, decision=decision, left=left, target=_target(directive)))
        outcomes = self._acted(directive)
        match directive.order:
            case UpdateConfiguration(configuration=configuration, weight=weight) if weight >= 1.0:
                self.played.adopted.append(
                    Adopted(minute=self._minute, decision=decision, before=before.configuration, after=configuration)
                )
        for outcome in outcomes:
            self._deliver(outcome)

    def _acted(self, directive: Directive) -> list[Outcome]:
        """What the actuator does and reports; where it fails, in one of three ways."""
        faults = self._faults(IncidentKind.ACTUATOR_FAULTS, ACTUATOR_FAULTS)
        refused, partial, silent = _chances(self._world.scenario.seed, directive.id)
        if refused < faults.refused:
            return [
                Outcome(
                    id=f"{directive.id}:refused",
                    scope=directive.scope,
                    at_ms=directive.at_ms + 2_000,
                    decision_id=directive.decision.id,
                    directive_id=directive.id,
                    step=directive.step,
                    status=OutcomeStatus.FAILED,
                    error="the gateway refused it",
                )
            ]
        reports = self._actuator.carry_out(directive)
        if partial < faults.partial:
            error = "one of two regions did not take it"
            return [
                replace(report, status=OutcomeStatus.PARTIAL_SUCCESS, error=error, applied_configuration_id=None)
                for report in reports
            ]
        return [] if silent < faults.unacknowledged else reports

    def _faults(self, kind: IncidentKind, during: Faults) -> Faults:
        return during if self._world.active(kind, self._minute) else self._world.scenario.faults

    def _serve(self, minute: int) -> None:
        arms = self._actuator.served(self._world.scope).arms(START_MS + minute * MINUTE_MS + 3_000)
        shared: Arms = tuple(arms.values())
        self.played.timeline.serve(minute, shared)
        self._on_minute(minute, shared)

    def _offer(self, minute: int, variants: tuple[str, ...]) -> Command:
        return Command(
            id=f"offer:{self._world.scope}:{minute}",
            scope=self._world.scope,
            at_ms=START_MS + minute * MINUTE_MS,
            instruction=Offer(variants=variants),
            actor="user:prompt-engineer",
        )


def _target(directive: Directive) -> Configuration | None:
    match directive.order:
        case UpdateConfiguration(configuration=configuration) | RestoreConfiguration(configuration=configuration):
            return configuration
        case BreakRoute():
            return Configuration(model=FALLBACK_MODEL)
        case _:
            return None


def _chances(seed: int, name: str) -> tuple[float, float, float]:
    """Three uniform numbers that belong to a message, whoever sends it and whenever."""
    digest = blake2b(f"{seed}|{name}".encode(), digest_size=12).digest()
    first, second, third = (int.from_bytes(digest[place : place + 4], "big") / 2.0**32 for place in (0, 4, 8))
    return first, second, third
