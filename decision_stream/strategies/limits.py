"""Hard limits on a route: broken for several windows in a row, each with enough requests (seed §4.5)."""

from msgspec import Struct

from ..model.insight import Insight, Metric, Severity
from ..model.policy import Limits
from ..model.state import Watch

QUALITY, COST, LATENCY, ERRORS = (
    metric.value for metric in (Metric.QUALITY, Metric.COST, Metric.LATENCY, Metric.ERRORS)
)


class Reading(Struct, frozen=True, gc=False, kw_only=True):
    """A measured value against its limit; `excess` is how far beyond the limit, as a share of it, negative inside.

    `name` is that of the metric: asking a member of an enumeration for its value costs more than the comparison.
    """

    name: str
    value: float
    limit: float
    excess: float


def readings(insight: Insight, limits: Limits) -> tuple[Reading, ...]:
    """The four limits of a window, in a fixed order.

    The success rate is one minus the error rate: the stricter limit counts.
    """
    max_error_rate = min(limits.max_error_rate, 1.0 - limits.min_success_rate)
    quality = insight.quality.score
    return (
        _above(ERRORS, insight.performance.error_rate, max_error_rate),
        _above(LATENCY, insight.performance.latency_p95_ms, limits.max_latency_p95_ms),
        Reading(
            name=QUALITY,
            value=quality,
            limit=limits.min_quality_score,
            excess=(limits.min_quality_score - quality) / max(limits.min_quality_score, 1e-9),
        ),
        _above(COST, insight.cost.per_request_usd, limits.max_cost_per_request_usd),
    )


def stays_calm(watches: dict[str, Watch], insight: Insight, limits: Limits) -> bool:
    """Whether a window changes no watch: all four limits are watched, none was broken lately, and it keeps them all."""
    for watch in watches.values():
        if watch.windows or watch.firing:
            return False
    if len(watches) != 4:
        return False
    performance = insight.performance
    return (
        performance.error_rate <= min(limits.max_error_rate, 1.0 - limits.min_success_rate)
        and performance.latency_p95_ms <= limits.max_latency_p95_ms
        and insight.quality.score >= limits.min_quality_score
        and insight.cost.per_request_usd <= limits.max_cost_per_request_usd
    )


def watched(watch: Watch, reading: Reading, insight: Insight, limits: Limits) -> Watch:
    """The watch after a window. A window with too few samples changes nothing: missing data never triggers."""
    samples = insight.quality.samples if reading.name == QUALITY else insight.performance.requests
    if samples < limits.min_requests:
        return watch
    if reading.excess > 0.0:
        windows = min(watch.windows + 1, 1_000_000)
        return Watch(windows=windows, firing=watch.firing or windows >= limits.for_windows)
    if watch.firing and reading.excess > -limits.hysteresis:
        return watch
    return watch if watch == _CALM else _CALM


def severity_of(excess: float) -> Severity:
    """Twice the limit is critical, a quarter beyond it high, a tenth medium.

    >>> severity_of(1.2).value, severity_of(0.3).value, severity_of(0.01).value
    ('critical', 'high', 'low')
    """
    if excess >= 1.0:
        return Severity.CRITICAL
    if excess >= 0.25:
        return Severity.HIGH
    return Severity.MEDIUM if excess >= 0.1 else Severity.LOW


_CALM = Watch()


def _above(name: str, value: float, limit: float) -> Reading:
    return Reading(name=name, value=value, limit=limit, excess=(value - limit) / max(limit, 1e-9))
