"""The truth: how good, dear and fast each model is on each scope at each minute, and what samples of it show.

Every draw has a generator of its own, seeded by world, scope, minute and purpose, so that results do not depend on
the order of asking.
"""

from dataclasses import dataclass
from hashlib import blake2b
from math import cos, exp, log, pi, sqrt

import numpy as np

from ..model.configuration import Configuration
from ..model.metrics import ArmSample
from ..stats.moments import Moments
from .catalog import ATLAS, BOREAL, CEDAR, EMBER, MODELS
from .incidents import Incident, IncidentKind
from .prompts import effect

QUALITY_SPREAD = 0.2
"""Standard deviation of the score of one answer."""
COST_SPREAD = 0.4
"""Sigma of the log of the cost of one request: answers differ in length."""
ERROR_RATE = 0.01
P95_SCORE = 1.6449
SCORED_SHARE = 0.3
"""Share of requests whose answer is scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeTruth:
    """A route: `difficulty` 1 is the leaderboard's; `requests` per minute at noon."""

    name: str
    difficulty: float
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Expected figures of one request."""

    quality: float
    cost_usd: float
    latency_p50_ms: float
    latency_p95_ms: float
    error_rate: float


SCOPES = (
    ScopeTruth(name="acme/support/chat", difficulty=0.25, requests=600),
    ScopeTruth(name="acme/support/summary", difficulty=0.28, requests=400),
    ScopeTruth(name="acme/search/rerank", difficulty=0.20, requests=800),
    ScopeTruth(name="acme/search/answer", difficulty=0.85, requests=500),
    ScopeTruth(name="globex/agents/planner", difficulty=0.95, requests=300),
    ScopeTruth(name="globex/agents/tools", difficulty=0.80, requests=500),
    ScopeTruth(name="globex/mail/triage", difficulty=0.22, requests=700),
    ScopeTruth(name="globex/mail/draft", difficulty=0.90, requests=400),
)
INITIAL_MODEL = ATLAS.name
FALLBACK_MODEL = EMBER.name

INCIDENTS = (
    Incident(
        name="nothing at all",
        kind=IncidentKind.PLACEBO,
        scope="globex/mail/draft",
        model=ATLAS.name,
        start_minute=115,
        end_minute=175,
        amount=0.0,
        good_answers=frozenset(),
    ),
    *(
        Incident(
            name=f"{model} becomes dearer",
            kind=IncidentKind.PRICE_CHANGE,
            scope="acme/support/summary",
            model=model,
            start_minute=150,
            end_minute=100_000,
            amount=40.0,
            good_answers=frozenset({"model_switch"}),
        )
        for model in (CEDAR.name, EMBER.name)
    ),
    *(
        Incident(
            name=f"{model} answers worse",
            kind=IncidentKind.QUALITY_REGRESSION,
            scope="acme/support/chat",
            model=model,
            start_minute=130,
            end_minute=100_000,
            amount=0.15,
            good_answers=frozenset({"rollback"}),
        )
        for model in (CEDAR.name, EMBER.name, BOREAL.name)
    ),
    Incident(
        name="provider of atlas is slow",
        kind=IncidentKind.LATENCY_SPIKE,
        scope="acme/search/answer",
        model=ATLAS.name,
        start_minute=145,
        end_minute=152,
        amount=5.0,
        good_answers=frozenset({"circuit_break"}),
    ),
)
LAST_MINUTE = 215
"""When every incident has begun and could have been answered."""


class World:
    """The true state of affairs under a seed."""

    def __init__(
        self, seed: int, scopes: tuple[ScopeTruth, ...] = SCOPES, incidents: tuple[Incident, ...] = INCIDENTS
    ) -> None:
        self.seed = seed
        self.scopes = {scope.name: scope for scope in scopes}
        self.incidents = incidents

    def truth(self, scope: str, model: str, minute: int, prompt: str | None = None) -> Truth:
        """Expected figures of a request, incidents included."""
        kind = MODELS[model]
        difficulty = self.scopes[scope].difficulty
        quality = 1.0 - (1.0 - kind.accuracy) * difficulty + effect(prompt, difficulty)
        cost_usd, slowness = kind.cost_usd, 1.0
        for incident in self.incidents:
            if not incident.strikes(scope, model, minute):
                continue
            match incident.kind:
                case IncidentKind.QUALITY_REGRESSION:
                    quality -= incident.amount
                case IncidentKind.PRICE_CHANGE:
                    cost_usd *= incident.amount
                case IncidentKind.LATENCY_SPIKE:
                    slowness *= incident.amount
                case _:
                    # A placebo, or a kind that only the larger world of the scoreboard knows.
                    pass
        sigma = log_sigma(kind.latency_mean_ms, kind.latency_p95_ms)
        # Queues grow with the load of the day.
        slowness *= 1.0 + 0.1 * (self._load(minute) - 0.7)
        p50_ms = kind.latency_mean_ms / exp(sigma * sigma / 2.0) * slowness
        return Truth(
            quality=quality,
            cost_usd=cost_usd,
            latency_p50_ms=p50_ms,
            latency_p95_ms=p50_ms * exp(P95_SCORE * sigma),
            error_rate=ERROR_RATE,
        )

    def requests(self, scope: str, minute: int) -> int:
        """How many requests arrive in a minute."""
        mean = self.scopes[scope].requests * self._load(minute)
        return max(1, int(self.generator(scope, minute, "arrivals").poisson(mean)))

    def sample(
        self, scope: str, configuration: Configuration, minute: int, requests: int, purpose: str, slow_ms: float
    ) -> ArmSample:
        """What serving these requests so would show; `slow_ms` is the limit that counts as slow."""
        latencies, costs, scores, errors = self.draws(
            scope, configuration.model, minute, requests, purpose, configuration.prompt
        )
        return ArmSample(
            requests=requests,
            errors=errors,
            slow=int((latencies > slow_ms).sum()),
            quality=moments_of(scores),
            cost_usd=moments_of(costs),
            latency_ms=moments_of(latencies),
        )

    def draws(
        self, scope: str, model: str, minute: int, requests: int, purpose: str, prompt: str | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Latencies in ms and costs in USD, shape (requests,); scores of the scored share; and the number of errors."""
        truth = self.truth(scope, model, minute, prompt)
        draw = self.generator(scope, minute, f"{purpose}:{model}")
        sigma = log(truth.latency_p95_ms / truth.latency_p50_ms) / P95_SCORE
        latencies = truth.latency_p50_ms * np.exp(sigma * draw.standard_normal(requests))
        costs = truth.cost_usd * np.exp(COST_SPREAD * draw.standard_normal(requests) - COST_SPREAD**2 / 2.0)
        concentration = truth.quality * (1.0 - truth.quality) / QUALITY_SPREAD**2 - 1.0
        concentration = max(concentration, 0.05)
        scored = max(1, round(requests * SCORED_SHARE)) if requests else 0
        scores = draw.beta(truth.quality * concentration, (1.0 - truth.quality) * concentration, scored)
        return latencies, costs, scores, int(draw.binomial(requests, truth.error_rate))

    def generator(self, scope: str, minute: int, purpose: str) -> np.random.Generator:
        """The generator of one purpose."""
        digest = blake2b(f"{self.seed}|{scope}|{minute}|{purpose}".encode(), digest_size=16).digest()
        return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))

    def _load(self, minute: int) -> float:
        """Share of the peak load: a day begins at its quietest."""
        return 0.7 - 0.3 * cos(2.0 * pi * (minute % 1_440) / 1_440.0)


def moments_of(values: np.ndarray) -> Moments:
    """Count, mean and spread of an array."""
    if not len(values):
        return Moments()
    mean = float(values.mean())
    return Moments(len(values), mean, float(((values - mean) ** 2).sum()))


def log_sigma(mean: float, p95: float) -> float:
    """Sigma of the log-normal with this mean and 95th percentile.

    p95 / mean = exp(1.6449 s - s^2 / 2); the smaller root.
    """
    return P95_SCORE - sqrt(max(0.0, P95_SCORE**2 - 2.0 * log(p95 / mean)))
