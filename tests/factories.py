"""Small factories for events; every default is healthy, so that a test names only what matters to it."""

from decision_stream.model.actuation import Directive
from decision_stream.model.command import Command, Instruction
from decision_stream.model.configuration import Configuration
from decision_stream.model.insight import Insight
from decision_stream.model.metrics import ArmSample, Cost, ModelEstimate, Performance, Quality
from decision_stream.model.outcome import Outcome, OutcomeStatus
from decision_stream.stats.moments import Moments

SCOPE = "acme/support/chat"
START_MS = 1_700_000_000_000
MINUTE_MS = 60_000
PREMIUM = Configuration(model="premium")


def insight(
    minute: int,
    *,
    scope: str = SCOPE,
    requests: int = 200,
    error_rate: float = 0.01,
    p95_ms: float = 2_000.0,
    quality: float = 0.9,
    quality_samples: int = 100,
    cost_usd: float = 0.02,
    configuration: Configuration | None = PREMIUM,
    **more: object,
) -> Insight:
    """The window that ends at this minute after the start."""
    return Insight(
        id=f"insight-{scope}-{minute}",
        scope=scope,
        at_ms=START_MS + minute * MINUTE_MS,
        window_ms=MINUTE_MS,
        performance=Performance(
            requests=requests, error_rate=error_rate, latency_p50_ms=p95_ms / 2.0, latency_p95_ms=p95_ms
        ),
        cost=Cost(per_request_usd=cost_usd, stddev_usd=cost_usd / 4.0),
        quality=Quality(score=quality, stddev=0.2, samples=quality_samples),
        configuration=configuration,
        **more,
    )


def estimate(
    model: str, *, quality: float = 0.9, cost_usd: float = 0.02, p95_ms: float = 2_000.0, samples: int = 2_000
):
    """What is known of a model."""
    return ModelEstimate(
        model=model,
        quality=quality,
        quality_stddev=0.2,
        cost_usd=cost_usd,
        cost_stddev_usd=cost_usd / 4.0,
        latency_p50_ms=p95_ms / 2.0,
        latency_p95_ms=p95_ms,
        samples=samples,
    )


def command(minute: float, instruction: Instruction, *, actor: str = "user:ada", scope: str = SCOPE) -> Command:
    """An instruction given at this minute."""
    at_ms = START_MS + int(minute * MINUTE_MS)
    return Command(
        id=f"command-{scope}-{at_ms}-{type(instruction).__name__}",
        scope=scope,
        at_ms=at_ms,
        instruction=instruction,
        actor=actor,
    )


def outcome(directive: Directive, status: OutcomeStatus, at_ms: int, number: int = 0, **more: object) -> Outcome:
    """A report on a directive."""
    return Outcome(
        id=f"outcome-{directive.id}-{status}-{number}",
        scope=directive.scope,
        at_ms=at_ms,
        decision_id=directive.decision.id,
        directive_id=directive.id,
        step=directive.step,
        status=status,
        **more,
    )


def arm(requests: int, *, quality: float = 0.9, cost_usd: float = 0.02, errors: int = 0, slow: int = 0) -> ArmSample:
    """Sums of one arm with the spread of the insights above."""
    return ArmSample(
        requests=requests,
        errors=errors,
        slow=slow,
        quality=Moments(requests, quality, requests * 0.04),
        cost_usd=Moments(requests, cost_usd, requests * (cost_usd / 4.0) ** 2),
        latency_ms=Moments(requests, 1_000.0, requests * 90_000.0),
    )
