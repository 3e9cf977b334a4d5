"""An alarm for events that fail too often, with a promised mean time between false alarms.

Shiryaev (1963), Roberts (1966): R_n = (1 + R_{n-1}) * likelihood ratio of the n-th event, averaged over several worse
rates. While the rate is the good one, R_n - n is a martingale, so the mean number of events to a false alarm is at
least the threshold: what is promised *is* the threshold, without calibration (Pollak 1987). Feed it failures, or events
beyond a frozen quantile of a baseline (5 % lie beyond its p95), which needs no assumption about how latencies are
distributed.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import exp, log

MULTIPLES = (1.5, 2.0, 4.0)
"""Rates tested for, as multiples of the good one; one of .05 to .075 / .10 / .20 is found within 1.2 times the delay
of a CUSUM that knows the new rate."""
MAX_STATISTIC = 1e30
_MAX_RATE = 0.98


def advanced(statistics: Sequence[float], ratios: Iterable[float]) -> tuple[float, ...]:
    """The statistics after one more observation: R_n = (1 + R_{n-1}) * ratio, one for each alternative.

    `ratios` are likelihood ratios of the observation, or any numbers of at least 0 whose mean is at most 1 while
    nothing is wrong (Shin, Ramdas & Rinaldo 2022, "E-detectors"): the promise holds for both. An empty
    tuple starts.

    >>> advanced(advanced((), (2.0, 0.5)), (2.0, 0.5))
    (6.0, 0.75)
    """
    if not statistics:
        return tuple(ratios)
    moved = [(1.0 + r) * ratio for r, ratio in zip(statistics, ratios, strict=True)]
    if max(moved) >= MAX_STATISTIC:
        moved = [min(MAX_STATISTIC, value) for value in moved]
    return tuple(moved)


@lru_cache(maxsize=1_024)
def ratios(rate: float, multiples: tuple[float, ...] = MULTIPLES) -> tuple[tuple[float, float], ...]:
    """Likelihood ratios of a failing and of a passing event, one pair for each multiple of the good `rate`.

    A rate is raised to at most 98 %, or halfway to 1 where the good rate is beyond that. ValueError for a rate outside
    (0, 1) or multiples that are not all above 1: a rate of 0 would make every failure certain damage.

    >>> ratios(0.05, (2.0,))
    ((2.0, 0.9473684210526316),)
    """
    if not 0.0 < rate < 1.0 or not multiples or min(multiples) <= 1.0:
        raise ValueError(f"a rate inside (0, 1) and multiples above 1 are needed, found {rate} and {multiples}")
    worst = max(_MAX_RATE, 0.5 + 0.5 * rate)
    raised = [min(worst, multiple * rate) for multiple in multiples]
    return tuple((bad / rate, (1.0 - bad) / (1.0 - rate)) for bad in raised)


def updated(statistics: Sequence[float], failed: bool, rate: float) -> tuple[float, ...]:
    """The statistics, one for each multiple, after an event; starts from an empty tuple. 24 bytes of state.

    `rate` is the share of events that fail when all is well, or an upper bound of it (see `upper_rate`).

    >>> updated((), True, 0.25)
    (1.5, 2.0, 3.92)
    """
    return advanced(statistics, _sides(rate)[not failed])


@lru_cache(maxsize=1_024)
def _sides(rate: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The ratios of a failing event, and those of a passing one."""
    failing, passing = zip(*ratios(rate), strict=True)
    return failing, passing


def counted(statistics: Sequence[float], failures: int, events: int, rate: float) -> tuple[float, ...]:
    """The statistics after a window of events whose order is not known; nothing changes for an empty window.

    The window counts as one observation, so the threshold then promises a number of windows.

    >>> [round(value, 2) for value in counted((), 10, 100, 0.05)]
    [5.23, 7.89, 0.2]
    """
    if not 0 <= failures <= events:
        raise ValueError(f"{failures} failures among {events} events")
    if events == 0:
        return tuple(statistics)
    gains = [failures * log(up) + (events - failures) * log(down) for up, down in ratios(rate)]
    return advanced(statistics, [exp(max(-700.0, min(60.0, gain))) for gain in gains])


def level(statistics: Sequence[float]) -> float:
    """The mixture: an alarm when it reaches the promised mean number of observations between false alarms.

    >>> level((1.5, 2.0, 4.0))
    2.5
    """
    return sum(statistics) / len(statistics) if statistics else 0.0


def upper_rate(failures: int, events: int, chance: float = 0.9) -> float:
    """A failure rate that the true one stays below with this chance, from a baseline (Clopper & Pearson 1934).

    With a rate estimated too low, false alarms come more often than promised; with this bound they do so in at most
    1 - chance of all baselines. ValueError for a baseline without events.

    >>> round(upper_rate(10, 200), 4)
    0.076
    """
    if not 0 <= failures <= events or events == 0 or not 0.0 < chance < 1.0:
        raise ValueError(f"{failures} failures among {events} events, chance {chance}")
    if failures == events:
        return 1.0
    from scipy.special import betaincinv  # type: ignore[import-untyped]

    return float(betaincinv(failures + 1, events - failures, chance))
