"""A route whose models have a true quality, price and speed: each minute brings every arm's sums and an insight."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from decision_stream.model.actuation import BeginExperiment, Directive, EndExperiment, UpdateAllocation
from decision_stream.model.metrics import ArmSample, ModelEstimate
from decision_stream.model.outcome import CONTROL, TREATMENT, Outcome, OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.stats.moments import Moments
from tests.engine.route import Route
from tests.factories import MINUTE_MS, START_MS, insight, outcome


@dataclass(frozen=True)
class Truth:
    """Of one model, per request."""

    quality: float = 0.8
    cost_usd: float = 0.02
    latency_ms: float = 1_000.0


def guess(model: str, truth: Truth) -> ModelEstimate:
    """What a price list says: the price is known, the quality is a guess."""
    return ModelEstimate(
        model=model,
        quality=0.8,
        quality_stddev=0.2,
        cost_usd=truth.cost_usd,
        cost_stddev_usd=truth.cost_usd / 4.0,
        latency_p50_ms=truth.latency_ms,
        latency_p95_ms=2.0 * truth.latency_ms,
        samples=0,
    )


@dataclass
class Market:
    """Serves the route as ordered. `models` holds the truth by name; `premium` is in use at first.

    `deliver` decides what becomes of the reports of a minute: by default each is told at once.
    """

    models: dict[str, Truth]
    policy: Policy
    seed: int = 1
    requests: int = 1_000
    scored: float = 0.3
    wave: Callable[[int], float] = lambda minute: 0.0
    more: Callable[[int], dict[str, object]] = lambda minute: {}
    deliver: Callable[[Market, list[Outcome]], list[Outcome]] = lambda market, reports: reports
    route: Route = field(init=False)
    minute: int = 0

    def __post_init__(self) -> None:
        self.models = dict(self.models)
        self.route = Route(policy=self.policy)
        self.rng = random.Random(self.seed)

    def run(self, minutes: int) -> Market:
        for _ in range(minutes):
            self.minute += 1
            for report in self.deliver(self, self._reports()):
                self.route.tell(report)
            self.route.tell(self._insight())
        assert "strategy_fault" not in self.route.codes()
        return self

    @property
    def cold(self):
        return self.route.state.cold

    @property
    def model(self) -> str:
        """The model in use."""
        return self.cold.configuration.model if self.cold.configuration else "premium"

    def orders(self, kind: type) -> list:
        return [directive.order for directive in self.route.directives if isinstance(directive.order, kind)]

    @property
    def switches(self) -> list[str]:
        """Models that the bandit switched to, in order."""
        return [
            order.decision.decision.to_model
            for order in self.route.directives
            if order.step == 0 and order.decision.kind == "model_switch" and order.decision.strategy == "reinforcement"
        ]

    def share_of(self, model: str) -> float:
        """Share of the traffic that a model has now."""
        experiment = self.cold.experiment
        return experiment.shares.get(model, 0.0) if experiment else 0.0

    def _reports(self) -> list[Outcome]:
        live = next((live for live in self.cold.live if live.state == "monitoring"), None)
        if live is None:
            return []
        directive = next(it for it in reversed(self.route.directives) if it.decision.id == live.decision.id)
        arms = self._arms(directive)
        at_ms = START_MS + self.minute * MINUTE_MS
        return [outcome(directive, OutcomeStatus.MEASURED, at_ms, self.minute, arms=arms)] if arms else []

    def _arms(self, directive: Directive) -> dict[str, ArmSample]:
        order = directive.order
        match order:
            case BeginExperiment(shares=shares) | UpdateAllocation(shares=shares):
                served = {name: (self.model if name == CONTROL else name, share) for name, share in shares.items()}
            case EndExperiment():
                return {}
            case _ if getattr(order, "weight", 1.0) < 1.0:
                served = {
                    CONTROL: (self.model, 1.0 - order.weight),
                    TREATMENT: (order.configuration.model, order.weight),
                }
            case _:
                return {}
        return {name: self.sample(model, share) for name, (model, share) in served.items()}

    def sample(self, model: str, share: float) -> ArmSample:
        """Sums of a window of a model at this share of the traffic."""
        truth = self.models[model]
        count = self._binomial(self.requests, share)
        scored = self._binomial(count, self.scored)
        return ArmSample(
            requests=count,
            quality=self._moments(scored, truth.quality + self.wave(self.minute), 0.2, 1.0),
            cost_usd=self._moments(count, truth.cost_usd, truth.cost_usd / 4.0, 1e6),
            latency_ms=self._moments(count, truth.latency_ms, 0.3 * truth.latency_ms, 1e9),
        )

    def _moments(self, count: int, mean: float, spread: float, largest: float) -> Moments:
        """Sums of so many values: their mean and summed squares are drawn, not they themselves."""
        if not count:
            return Moments()
        drawn = min(largest, max(0.0, self.rng.gauss(mean, spread / count**0.5)))
        return Moments(count, drawn, spread**2 * self.rng.gammavariate((count - 1) / 2.0, 2.0) if count > 1 else 0.0)

    def _binomial(self, count: int, chance: float) -> int:
        spread = (count * chance * (1.0 - chance)) ** 0.5
        return min(count, max(0, round(self.rng.gauss(count * chance, spread))))

    def _insight(self):
        truth = self.models[self.model]
        rng = self.rng
        return insight(
            self.minute,
            requests=self.requests,
            quality=min(1.0, max(0.0, rng.gauss(truth.quality + self.wave(self.minute), 0.2 / 300**0.5))),
            quality_samples=round(self.scored * self.requests),
            cost_usd=truth.cost_usd,
            p95_ms=2.0 * truth.latency_ms,
            configuration=self.cold.configuration or insight(0).configuration,
            **self.more(self.minute),
        )
