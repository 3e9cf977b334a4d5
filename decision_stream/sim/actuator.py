"""The simulated actuator: serves each scope as directives say, acknowledges, and measures the arms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..model.actuation import (
    BeginExperiment,
    BreakRoute,
    Directive,
    EndExperiment,
    RestoreConfiguration,
    SetTraffic,
    SetVariantTraffic,
    UpdateAllocation,
    UpdateConfiguration,
    UpdateParameters,
)
from ..model.configuration import Configuration
from ..model.metrics import ArmSample
from ..model.outcome import CONTROL, TREATMENT, Outcome, OutcomeStatus
from ..wire.directives import DirectiveFilter, Ruling
from .world import FALLBACK_MODEL, INITIAL_MODEL

ACKNOWLEDGE_MS = 2_000
MINUTE_MS = 60_000
REFUGE = "refuge"
MEASURED_AT_FULL_WEIGHT_MS = 30 * MINUTE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a scope is served: by `configuration`, a share `weight` by `candidate`, or by the fallback for a while.

    Until `reduced_until_ms` only the share `kept` stays with it and the rest goes to the refuge. `split` holds
    configuration and share of each arm of a running experiment; it is empty without one.
    """

    configuration: Configuration
    candidate: Configuration | None = None
    weight: float = 0.0
    directive: Directive | None = None
    broken_until_ms: int = 0
    refuge: Configuration | None = None
    kept: float = 1.0
    reduced_until_ms: int = 0
    split: dict[str, tuple[Configuration, float]] = field(default_factory=dict)

    def arms(self, at_ms: int) -> dict[str, tuple[Configuration, float]]:
        """Configuration and share of traffic of each arm at this time."""
        if at_ms <= self.broken_until_ms:
            return {CONTROL: (Configuration(model=FALLBACK_MODEL), 1.0)}
        if self.refuge is not None and at_ms <= self.reduced_until_ms:
            return {CONTROL: (self.configuration, self.kept), REFUGE: (self.refuge, round(1.0 - self.kept, 9))}
        if self.split:
            return self.split
        if self.candidate is None:
            return {CONTROL: (self.configuration, 1.0)}
        if self.weight >= 1.0:
            return {TREATMENT: (self.candidate, 1.0)}
        return {CONTROL: (self.configuration, 1.0 - self.weight), TREATMENT: (self.candidate, self.weight)}


class Traffic(Protocol):
    """What the actuator asks of a world."""

    @property
    def scopes(self) -> Mapping[str, object]:
        """The routes it serves, by name."""

    def requests(self, scope: str, minute: int) -> int:
        """How many requests arrive in a minute."""

    def sample(
        self, scope: str, configuration: Configuration, minute: int, requests: int, purpose: str, slow_ms: float
    ) -> ArmSample:
        """What serving these requests so shows; `slow_ms` is the limit that counts as slow."""


class Actuator:
    """Acts on each directive once, refuses stale ones, and reports.

    A change at full weight keeps being measured until another directive ends it: when it is completed is the
    engine's decision.
    """

    def __init__(self, world: Traffic, slow_ms: float) -> None:
        self._world = world
        self._slow_ms = slow_ms
        self._served: dict[str, Served] = {
            scope: Served(configuration=Configuration(model=INITIAL_MODEL)) for scope in world.scopes
        }
        self._filter = DirectiveFilter()

    def served(self, scope: str) -> Served:
        """How a scope is served now."""
        return self._served[scope]

    def carry_out(self, directive: Directive) -> list[Outcome]:
        """Act on a directive; nothing for one that was acted on before."""
        at_ms = directive.at_ms + ACKNOWLEDGE_MS
        match self._filter.rule(directive):
            case Ruling.REPEATED:
                return []
            case Ruling.STALE:
                error = "a later decision was already carried out"
                return [_report(directive, OutcomeStatus.FAILED, at_ms, error=error)]
        served = _after(self._served[directive.scope], directive)
        self._served[directive.scope] = served
        applied = served.candidate or served.configuration
        return [_report(directive, OutcomeStatus.APPLIED, at_ms, applied_configuration_id=applied.id)]

    def measure(self, scope: str, minute: int, at_ms: int, minutes: int = 1) -> list[Outcome]:
        """The sums of all arms of a running change or experiment over a window of so many minutes from `minute`."""
        served = self._served[scope]
        changing = served.candidate is not None or served.split
        if not changing or served.directive is None or at_ms <= served.broken_until_ms:
            return []
        if served.weight >= 1.0 and at_ms > served.directive.at_ms + MEASURED_AT_FULL_WEIGHT_MS:
            self._served[scope] = _settled(served)
            return []
        return [
            _report(
                served.directive,
                OutcomeStatus.MEASURED,
                at_ms,
                number=minute,
                window_ms=minutes * MINUTE_MS,
                arms=self.samples(scope, minute, at_ms, minutes),
            )
        ]

    def samples(self, scope: str, minute: int, at_ms: int, minutes: int = 1) -> dict[str, ArmSample]:
        """What each arm did in the window."""
        requests = self._world.requests(scope, minute) * minutes
        return {
            arm: self._world.sample(
                scope, configuration, minute, round(requests * share), f"served:{arm}", self._slow_ms
            )
            for arm, (configuration, share) in self._served[scope].arms(at_ms).items()
        }


def _after(served: Served, directive: Directive) -> Served:
    match directive.order:
        case UpdateConfiguration(configuration=configuration, weight=weight):
            base = served if _same(served, directive) else _settled(served)
            return replace(base, candidate=configuration, weight=weight, directive=directive)
        case UpdateParameters(parameters=parameters):
            base = _settled(served)
            values = {**base.configuration.parameters, **parameters}
            changed = Configuration(
                model=base.configuration.model,
                prompt=base.configuration.prompt,
                parameters={name: value for name, value in sorted(values.items()) if value is not None},
            )
            return replace(base, configuration=changed)
        case SetVariantTraffic(variant=variant, share=share):
            base = _settled(served)
            changed = Configuration(
                model=base.configuration.model, prompt=variant, parameters=base.configuration.parameters
            )
            if share >= 1.0:
                return replace(base, configuration=changed)
            return replace(base, candidate=changed, weight=share, directive=directive)
        case RestoreConfiguration(configuration=configuration):
            return Served(configuration=configuration)
        case BreakRoute(duration_ms=duration_ms):
            return replace(_settled(served), broken_until_ms=directive.at_ms + duration_ms)
        case SetTraffic(weight=weight, duration_ms=duration_ms, refuge=refuge):
            return replace(
                _settled(served),
                refuge=refuge or Configuration(model=FALLBACK_MODEL),
                kept=weight,
                reduced_until_ms=directive.at_ms + duration_ms,
            )
        case BeginExperiment(shares=shares, configurations=configurations):
            split = {name: (configurations[name], share) for name, share in shares.items()}
            return replace(_settled(served), split=split, directive=directive)
        case UpdateAllocation(shares=shares):
            if not _same(served, directive):
                return served
            split = {name: (configuration, shares[name]) for name, (configuration, _) in served.split.items()}
            return replace(served, split=split, directive=directive)
        case EndExperiment():
            return _settled(served)


def _same(served: Served, directive: Directive) -> bool:
    return served.directive is not None and served.directive.decision.id == directive.decision.id


def _settled(served: Served) -> Served:
    """A candidate at full weight is what is served; one below it, when something else begins, is dropped."""
    if served.candidate is not None and served.weight >= 1.0:
        return Served(configuration=served.candidate, broken_until_ms=served.broken_until_ms)
    return Served(configuration=served.configuration, broken_until_ms=served.broken_until_ms)


def _report(directive: Directive, status: OutcomeStatus, at_ms: int, number: int = 0, **more: Any) -> Outcome:
    return Outcome(
        id=f"{directive.id}:{status}:{number}",
        scope=directive.scope,
        at_ms=at_ms,
        decision_id=directive.decision.id,
        directive_id=directive.id,
        step=directive.step,
        status=status,
        **more,
    )
