"""Five models with a true trade-off, after a public leaderboard of function calling (April 2026), under other names."""

from dataclasses import dataclass

REQUESTS_PER_RUN = 4_000
"""The leaderboard gives dollars per run; a run is taken as this many requests."""
LATENCY_SCALE = 0.3
"""The leaderboard's tasks take several calls; one request takes about a third of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model on a task of average difficulty: share of right answers, dollars and milliseconds per request."""

    name: str
    accuracy: float
    cost_usd: float
    latency_mean_ms: float
    latency_p95_ms: float


def _model(name: str, accuracy_percent: float, run_usd: float, mean_s: float, p95_s: float) -> Model:
    return Model(
        name=name,
        accuracy=accuracy_percent / 100.0,
        cost_usd=run_usd / REQUESTS_PER_RUN,
        latency_mean_ms=mean_s * 1_000.0 * LATENCY_SCALE,
        latency_p95_ms=p95_s * 1_000.0 * LATENCY_SCALE,
    )


ATLAS = _model("atlas", 77.47, 86.55, 4.38, 7.56)
BOREAL = _model("boreal", 73.24, 43.73, 4.31, 7.27)
CEDAR = _model("cedar", 72.38, 4.64, 4.34, 13.50)
# Dominated by cedar in every respect: a bad choice planted for the engine to avoid.
DELTA = _model("delta", 69.57, 17.26, 6.74, 17.57)
EMBER = _model("ember", 68.70, 14.23, 1.68, 3.15)

MODELS: dict[str, Model] = {model.name: model for model in (ATLAS, BOREAL, CEDAR, DELTA, EMBER)}
"""By name."""
