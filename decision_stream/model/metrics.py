"""Measurements of a route: what the analyzer saw in a window, and what each arm of a comparison did."""

from msgspec import UNSET, Struct, UnsetType

from ..stats.moments import Moments
from .scalars import Count, Millis, Name, Unit, Usd


class Performance(Struct, frozen=True, gc=False, kw_only=True):
    """Speed and success of the requests of one window.

    `error_rate` is errors over `requests`; success is its complement and has no field of its own,
    so that one fact cannot be counted twice (seed §4.5 checked both).
    """

    requests: Count
    error_rate: Unit
    latency_p50_ms: Millis
    latency_p95_ms: Millis
    latency_p99_ms: Millis | None = None


class Cost(Struct, frozen=True, gc=False, kw_only=True):
    """Cost of the requests of one window; `stddev_usd` is over requests."""

    per_request_usd: Usd
    stddev_usd: Usd = 0.0


class Quality(Struct, frozen=True, gc=False, kw_only=True):
    """Quality score between 0 and 1, its spread over samples, and how many requests were scored."""

    score: Unit
    stddev: Unit
    samples: Count


class ArmSample(Struct, frozen=True, gc=False, kw_only=True):
    """What one arm of a comparison did in a window, as sums that can be added up.

    `slow` counts requests above the policy's latency limit: a share, unlike a percentile, can be added
    and tested (exceedance; reference distribution-free).
    """

    requests: Count = 0
    errors: Count = 0
    slow: Count = 0
    quality: Moments = Moments()
    cost_usd: Moments = Moments()
    latency_ms: Moments = Moments()

    def __post_init__(self) -> None:
        if max(self.errors, self.slow) > self.requests:
            raise ValueError(f"{self.errors} errors and {self.slow} slow of {self.requests} requests")
        if not 0.0 <= self.quality.mean <= 1.0:
            raise ValueError(f"quality has mean {self.quality.mean}, expected 0 to 1")
        for moments in (self.quality, self.cost_usd, self.latency_ms):
            # Far above any sum a window can have, far below where adding up leaves the doubles.
            if not (0.0 <= moments.mean <= 1e9 and moments.m2 <= 1e30):
                raise ValueError(f"mean {moments.mean} or m2 {moments.m2} is out of bounds")

    def merge(self, other: "ArmSample") -> "ArmSample":
        """Both windows together."""
        return ArmSample(
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            slow=self.slow + other.slow,
            quality=self.quality.merge(other.quality),
            cost_usd=self.cost_usd.merge(other.cost_usd),
            latency_ms=self.latency_ms.merge(other.latency_ms),
        )


class ModelEstimate(Struct, frozen=True, kw_only=True, dict=True):
    """What is known of a model on this scope: means, spreads over requests, and the number of requests behind them.

    The spread of latency follows from the two quantiles (log-normal body); `samples` of 0 is a guess. `provider` is
    who serves it, whose incidents it shares; without one the model stands for itself.
    """

    model: Name
    quality: Unit
    quality_stddev: Unit
    cost_usd: Usd
    cost_stddev_usd: Usd
    latency_p50_ms: Millis
    latency_p95_ms: Millis
    samples: Count
    provider: Name | UnsetType = UNSET
