"""The simulated analyzer: sees windows of requests, never the truth, and publishes insights."""

import numpy as np

from ..model.insight import Anomaly, Insight, Metric, Severity
from ..model.metrics import Cost, ModelEstimate, Performance, Quality
from ..model.outcome import CONTROL, TREATMENT
from ..stats.moments import Moments
from .actuator import MINUTE_MS, Actuator
from .catalog import MODELS
from .world import World

SHADOW_REQUESTS = 60
"""Requests per model and minute that are mirrored to models not in use, to know them."""
ANOMALY_FACTOR = 2.5
"""A window whose p95 latency is this many times the usual one is reported as an anomaly."""


class Analyzer:
    """Keeps what it has learnt of each model on each scope from mirrored requests."""

    def __init__(self, world: World, actuator: Actuator) -> None:
        self._world = world
        self._actuator = actuator
        self._shadow: dict[tuple[str, str], tuple[Moments, Moments, np.ndarray]] = {}
        self._usual_p95_ms: dict[tuple[str, str], float] = {}

    def insight(self, scope: str, minute: int, at_ms: int) -> Insight:
        """The insight of one minute; call it once per scope and minute, in order."""
        arms = self._actuator.served(scope).arms(at_ms)
        requests = self._world.requests(scope, minute)
        parts = [
            self._world.draws(
                scope, configuration.model, minute, round(requests * share), f"served:{arm}", configuration.prompt
            )
            for arm, (configuration, share) in arms.items()
        ]
        latencies, costs, scores = (np.concatenate([part[place] for part in parts]) for place in range(3))
        errors = sum(part[3] for part in parts)
        p50_ms, p95_ms, p99_ms = (float(value) for value in np.quantile(latencies, (0.5, 0.95, 0.99)))
        configuration = arms[CONTROL if CONTROL in arms else TREATMENT][0]
        return Insight(
            id=f"{scope}@{minute}",
            scope=scope,
            at_ms=at_ms,
            window_ms=MINUTE_MS,
            performance=Performance(
                requests=len(latencies),
                error_rate=errors / len(latencies),
                latency_p50_ms=p50_ms,
                latency_p95_ms=p95_ms,
                latency_p99_ms=p99_ms,
            ),
            cost=Cost(per_request_usd=float(costs.mean()), stddev_usd=float(costs.std())),
            quality=Quality(score=float(scores.mean()), stddev=float(scores.std()), samples=len(scores)),
            configuration=configuration,
            anomalies=self._anomalies(scope, configuration.model, p95_ms),
            candidates=self._candidates(scope, configuration.model, minute),
            source="simulated analyzer",
        )

    def _candidates(self, scope: str, in_use: str, minute: int) -> tuple[ModelEstimate, ...]:
        """Estimates of the models not in use; told every fifth minute."""
        estimates = []
        for model in sorted(MODELS):
            if model == in_use:
                continue
            latencies, costs, scores, _ = self._world.draws(scope, model, minute, SHADOW_REQUESTS, "shadow")
            quality, cost, seen = self._shadow.get((scope, model), (Moments(), Moments(), np.empty(0)))
            for score in scores:
                quality = quality.apply(float(score))
            for value in costs:
                cost = cost.apply(float(value))
            seen = np.concatenate([seen, latencies])[-2_000:]
            self._shadow[scope, model] = (quality, cost, seen)
            if minute % 5 == 0 and quality.count > 1:
                estimates.append(
                    ModelEstimate(
                        model=model,
                        quality=quality.mean,
                        quality_stddev=quality.variance**0.5,
                        cost_usd=cost.mean,
                        cost_stddev_usd=cost.variance**0.5,
                        latency_p50_ms=float(np.quantile(seen, 0.5)),
                        latency_p95_ms=float(np.quantile(seen, 0.95)),
                        samples=quality.count,
                    )
                )
        return tuple(estimates)

    def _anomalies(self, scope: str, model: str, p95_ms: float) -> tuple[Anomaly, ...]:
        usual = self._usual_p95_ms.get((scope, model))
        if usual is not None and p95_ms > ANOMALY_FACTOR * usual:
            return (Anomaly(metric=Metric.LATENCY, severity=Severity.CRITICAL, observed=p95_ms, expected=usual),)
        self._usual_p95_ms[scope, model] = p95_ms if usual is None else 0.95 * usual + 0.05 * p95_ms
        return ()
