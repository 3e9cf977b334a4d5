"""The insights that all measurements use: many scopes, quiet but noisy, the same bytes in every run."""

from random import Random

from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Insight
from decision_stream.model.metrics import Cost, ModelEstimate, Performance, Quality
from decision_stream.wire.codec import encode

START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
IN_USE = Configuration(model="model-0")


def insights(count: int, scopes: int) -> list[Insight]:
    """This many insights, round robin over the scopes; every fiftieth window of a scope tells of four other models."""
    draw = Random(11)
    made = []
    for number in range(count):
        scope, minute = number % scopes, number // scopes
        made.append(
            Insight(
                id=f"insight-{number}",
                scope=f"tenant-{scope % 7}/service/route-{scope}",
                at_ms=START_MS + minute * MINUTE_MS,
                window_ms=MINUTE_MS,
                performance=Performance(
                    requests=200,
                    error_rate=max(0.0, draw.gauss(0.01, 0.003)),
                    latency_p50_ms=900.0,
                    latency_p95_ms=2_000.0 * draw.lognormvariate(0.0, 0.1),
                    latency_p99_ms=4_000.0,
                ),
                cost=Cost(per_request_usd=draw.gauss(0.02, 0.0003), stddev_usd=0.004),
                quality=Quality(score=min(1.0, draw.gauss(0.88, 0.02)), stddev=0.2, samples=100),
                configuration=IN_USE,
                candidates=_candidates() if minute % 50 == 0 else (),
                source="benchmark",
            )
        )
    return made


def records(count: int, scopes: int) -> list[tuple[bytes, bytes]]:
    """The same, as keys and values on a topic."""
    return [(insight.scope.encode(), encode(insight)) for insight in insights(count, scopes)]


def _candidates() -> tuple[ModelEstimate, ...]:
    return tuple(
        ModelEstimate(
            model=f"model-{number}",
            quality=0.87,
            quality_stddev=0.2,
            cost_usd=0.0195 + 0.0005 * number,
            cost_stddev_usd=0.004,
            latency_p50_ms=900.0,
            latency_p95_ms=2_000.0,
            samples=500,
        )
        for number in range(1, 5)
    )
