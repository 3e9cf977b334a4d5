"""What is optimised in a chaos run: routes whose best model changes every hour, and is a bad one every third time."""

from random import Random

from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Insight
from decision_stream.model.metrics import ArmSample, Cost, ModelEstimate, Performance, Quality
from decision_stream.sim.world import INITIAL_MODEL
from decision_stream.stats.moments import Moments

MODELS = (INITIAL_MODEL, "rival-a", "rival-b")
START_MS = 1_760_000_000_000
MINUTE_MS = 60_000
EPOCH_MINUTES = 60
CHEAP_USD, DEAR_USD = 0.002, 0.02
GOOD, BAD = 0.9, 0.7


class Fleet:
    """Truth and measurements of all scopes; the simulator's actuator works on it as on its own world."""

    def __init__(self, seed: int, scopes: int) -> None:
        self._seed = seed
        self.scopes = {f"tenant-{number % 5}/chaos/route-{number}": None for number in range(scopes)}

    def requests(self, scope: str, minute: int) -> int:
        """Requests of a minute."""
        return 400

    def truth(self, scope: str, model: str, minute: int) -> tuple[float, float]:
        """Quality and cost of a model: one is cheap for an hour, and then every third one answers badly."""
        epoch = minute // EPOCH_MINUTES + sum(scope.encode())
        is_cheap = MODELS.index(model) == epoch % len(MODELS) if model in MODELS else False
        is_bad = is_cheap and epoch % 7 == 3
        return (BAD if is_bad else GOOD), (CHEAP_USD if is_cheap else DEAR_USD)

    def sample(self, scope: str, model: str, minute: int, requests: int, purpose: str, slow_ms: float) -> ArmSample:
        """Sums of an arm over a minute."""
        draw = Random(f"{self._seed}:{scope}:{model}:{minute}:{purpose}")
        quality, cost = self.truth(scope, model, minute)
        if not requests:
            return ArmSample()
        mean = min(1.0, max(0.0, draw.gauss(quality, 0.2 / requests**0.5)))
        paid = abs(draw.gauss(cost, cost * 0.25 / requests**0.5))
        return ArmSample(
            requests=requests,
            errors=int(requests * 0.01),
            slow=0,
            quality=Moments(requests, mean, requests * 0.04),
            cost_usd=Moments(requests, paid, requests * (cost * 0.25) ** 2),
            latency_ms=Moments(requests, 1_000.0, requests * 90_000.0),
        )

    def insight(self, scope: str, minute: int, served: Configuration) -> Insight:
        """What the analyzer tells of a minute; every tenth time also what the other models would do."""
        draw = Random(f"{self._seed}:{scope}:{minute}")
        quality, cost = self.truth(scope, served.model, minute)
        return Insight(
            id=f"{scope}:{minute}",
            scope=scope,
            at_ms=START_MS + minute * MINUTE_MS,
            window_ms=MINUTE_MS,
            performance=Performance(
                requests=400,
                error_rate=max(0.0, draw.gauss(0.01, 0.002)),
                latency_p50_ms=900.0,
                latency_p95_ms=2_000.0 * draw.lognormvariate(0.0, 0.05),
            ),
            cost=Cost(per_request_usd=abs(draw.gauss(cost, cost * 0.01)), stddev_usd=cost * 0.25),
            quality=Quality(score=min(1.0, draw.gauss(quality, 0.01)), stddev=0.2, samples=400),
            configuration=served,
            candidates=self._estimates(scope, minute) if minute % 10 == 0 else (),
            source="chaos",
        )

    def _estimates(self, scope: str, minute: int) -> tuple[ModelEstimate, ...]:
        """Told in good faith: the badness of a model shows only when it serves."""
        return tuple(
            ModelEstimate(
                model=model,
                quality=GOOD,
                quality_stddev=0.2,
                cost_usd=self.truth(scope, model, minute)[1],
                cost_stddev_usd=0.001,
                latency_p50_ms=900.0,
                latency_p95_ms=2_000.0,
                samples=2_000,
            )
            for model in MODELS
        )
