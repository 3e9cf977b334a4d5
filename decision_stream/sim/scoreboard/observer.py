"""The analyzer of the larger world: windows of five minutes, mirrored requests for the models not in use, offers.

It sees samples and never the truth: scores come late, may be missing, and may be those of a biased judge.
"""

from math import exp, log, sqrt

from ...model.configuration import Configuration
from ...model.insight import Anomaly, Insight, Metric, Severity
from ...model.metrics import Cost, ModelEstimate, Performance, Quality
from ...strategies.estimates import P95_ERROR
from ..actuator import MINUTE_MS
from ..analyzer import ANOMALY_FACTOR
from ..catalog import MODELS
from ..policy import START_MS
from ..world import P95_SCORE, QUALITY_SPREAD
from .chance import count
from .timeline import Arms
from .world import COST, COST_VARIATION, ERRORS, P50, P95, P99, SCORED, SEEN, SLOT_MINUTES, RouteWorld

MIRRORED = 60
"""Requests an hour that are mirrored to each model not in use; they are paid for."""
MEMORY = 0.95
"""What an hour leaves of the mirrored requests before it: about a day's worth is remembered."""


class Observer:
    """One route's analyzer; ask it for the insight of each slot in order."""

    def __init__(self, world: RouteWorld) -> None:
        self._world = world
        self._known: dict[str, list[float]] = {}
        self._usual: dict[str, float] = {}
        self.mirrored_usd = 0.0

    def insight(self, slot: int, arms: Arms) -> Insight:
        """What was seen of a slot that was served so."""
        world = self._world
        minute = (slot + 1) * SLOT_MINUTES
        normals = world.chance.row("window", slot * SLOT_MINUTES, SLOT_MINUTES)
        requests = int(world.arrivals[slot])
        row = world.row(arms[0][0], slot)
        if len(arms) > 1:
            rows = [(world.row(configuration, slot), share) for configuration, share in arms]
            row = [sum(one[place] * share for one, share in rows) for place in range(len(row))]
        scored = round(requests * world.route.scored_share * row[SCORED])
        score = min(1.0, max(0.0, row[SEEN] + QUALITY_SPREAD / sqrt(max(scored, 1)) * normals[0]))
        sigma = log(row[P95] / row[P50]) / P95_SCORE
        noise = sigma / sqrt(requests)
        p50_ms = row[P50] * exp(1.25 * noise * normals[1])
        p95_ms = max(p50_ms, row[P95] * exp(P95_ERROR * noise * normals[2]))
        configuration = arms[0][0]
        return Insight(
            id=f"{world.scope}@{minute}",
            scope=world.scope,
            at_ms=START_MS + minute * MINUTE_MS,
            window_ms=SLOT_MINUTES * MINUTE_MS,
            performance=Performance(
                requests=requests,
                error_rate=count(requests, row[ERRORS], normals[3]) / requests,
                latency_p50_ms=p50_ms,
                latency_p95_ms=p95_ms,
                latency_p99_ms=max(p95_ms, row[P99]),
            ),
            cost=Cost(
                per_request_usd=row[COST] * exp(COST_VARIATION / sqrt(requests) * normals[4]),
                stddev_usd=row[COST] * COST_VARIATION,
            ),
            # Without a single score there is no mean either; a zero must not be taken for one.
            quality=Quality(score=score if scored else 0.0, stddev=QUALITY_SPREAD if scored else 0.0, samples=scored),
            configuration=configuration,
            anomalies=self._anomalies(configuration.model, p95_ms),
            candidates=self._candidates(configuration, slot) if minute % 60 == 0 else (),
            source="simulated analyzer",
        )

    def _candidates(self, in_use: Configuration, slot: int) -> tuple[ModelEstimate, ...]:
        found = []
        for model in sorted(MODELS):
            if model == in_use.model:
                continue
            configuration = Configuration(model=model, prompt=in_use.prompt, parameters=in_use.parameters)
            sample = self._world.mirrored(configuration, slot, MIRRORED)
            self.mirrored_usd += sample.cost_usd.mean * MIRRORED
            row = self._world.row(configuration, slot)
            noise = log(row[P95] / row[P50]) / P95_SCORE / sqrt(MIRRORED)
            normals = self._world.chance.row(f"times:{model}", slot * SLOT_MINUTES, 60)
            new = (
                float(sample.quality.count),
                sample.quality.mean,
                sample.cost_usd.mean,
                log(row[P50]) + 1.25 * noise * normals[0],
                log(row[P95]) + P95_ERROR * noise * normals[1],
            )
            known = self._known.get(model)
            if known is None:
                known = list(new)
            elif new[0] > 0.0:
                known = _mixed(known, new)
            self._known[model] = known
            p50_ms = exp(known[3])
            found.append(
                ModelEstimate(
                    model=model,
                    quality=known[1],
                    quality_stddev=QUALITY_SPREAD,
                    cost_usd=known[2],
                    cost_stddev_usd=known[2] * COST_VARIATION,
                    latency_p50_ms=p50_ms,
                    latency_p95_ms=max(p50_ms, exp(known[4])),
                    samples=int(known[0]),
                )
            )
        return tuple(found)

    def _anomalies(self, model: str, p95_ms: float) -> tuple[Anomaly, ...]:
        usual = self._usual.get(model)
        if usual is not None and p95_ms > ANOMALY_FACTOR * usual:
            return (Anomaly(metric=Metric.LATENCY, severity=Severity.CRITICAL, observed=p95_ms, expected=usual),)
        self._usual[model] = p95_ms if usual is None else 0.95 * usual + 0.05 * p95_ms
        return ()


def _mixed(known: list[float], new: tuple[float, ...]) -> list[float]:
    """Means over what is remembered and what is new."""
    old, fresh = known[0] * MEMORY, new[0]
    total = old + fresh
    means = [(before * old + after * fresh) / total for before, after in zip(known[1:], new[1:], strict=True)]
    return [total, *means]
