"""Before an experiment: how many units it needs, what it can see, how long it takes.

For the bound of `reflection` with its planned end: the power of a look at every event is the chance that a Brownian
motion with drift passes the bound by its end (Bachelier-Levy; Siegmund 1985, "Sequential analysis", chapter 3),
which is closed form.
"""

from dataclasses import dataclass
from math import exp, inf, sqrt

from . import normal, reflection

_FURTHEST = 40.0


def crossing(drift: float, bound: float, time: float = 1.0) -> float:
    """Chance that a Brownian motion with this drift per unit of time reaches `bound` > 0 by `time`.

    Bachelier-Levy formula: Phi((mu t - b) / sqrt t) + exp(2 mu b) Phi((-b - mu t) / sqrt t).

    >>> round(crossing(0.0, 1.959964), 4)
    0.05
    """
    if bound <= 0.0 or time <= 0.0:
        raise ValueError(f"bound and time must be positive, found {bound} and {time}")
    root = sqrt(time)
    tail = normal.lower((-bound - drift * time) / root)
    reflected = exp(min(700.0, 2.0 * drift * bound)) * tail if tail > 0.0 else 0.0
    return min(1.0, normal.lower((drift * time - bound) / root) + reflected)


def power(effect: float, unit_variance: float, pairs: float, alpha: float = 0.05, sides: int = 2) -> float:
    """Chance that an effect of this size (units of the metric) is declared by the planned end, looked at always.

    `unit_variance` is the sum of both arms' variances, in squared units; `pairs` the planned units per arm.

    >>> round(power(0.02, 0.1 * 0.9 + 0.12 * 0.88, 3839), 3)
    0.778
    """
    _check(unit_variance, pairs)
    return crossing(abs(effect) * sqrt(pairs / unit_variance), reflection.bound(alpha, sides))


def pairs_needed(effect: float, unit_variance: float, alpha: float = 0.05, power: float = 0.8, sides: int = 2) -> float:
    """Pairs of units after which an effect of this size is found with this power; ValueError for an effect of 0.

    >>> round(pairs_needed(0.02, 0.1 * 0.9 + 0.12 * 0.88))
    4058
    """
    if effect == 0.0 or not 0.0 < power < 1.0:
        raise ValueError(f"an effect other than 0 and a power inside (0, 1) are needed, found {effect} and {power}")
    _check(unit_variance, 1.0)
    return unit_variance * (_drift_for(power, alpha, sides) / effect) ** 2


def detectable(pairs: float, unit_variance: float, alpha: float = 0.05, power: float = 0.8, sides: int = 2) -> float:
    """The smallest effect (units of the metric) found with this power by so many pairs.

    >>> round(detectable(4058, 0.1 * 0.9 + 0.12 * 0.88), 4)
    0.02
    """
    _check(unit_variance, pairs)
    return _drift_for(power, alpha, sides) * sqrt(unit_variance / pairs)


@dataclass(frozen=True, slots=True)
class Duration:
    """Hours until a plan is full, `inf` without traffic, and whether that fits the longest allowed time."""

    hours: float
    fits: bool


def time_to_decision(
    pairs: float, units_per_hour: float, weights: tuple[float, float], longest_hours: float = inf
) -> Duration:
    """How long until so many pairs are seen when control and treatment get these shares of the traffic.

    With shares w_c and w_t, n units carry the information of 2 n / (1 / w_c + 1 / w_t) pairs.

    >>> time_to_decision(1000, 500, (0.5, 0.5))
    Duration(hours=4.0, fits=True)
    """
    if min(weights) <= 0.0 or sum(weights) > 1.0 + 1e-9 or units_per_hour < 0.0 or pairs < 0.0:
        raise ValueError(f"positive shares of at most 1 together are needed, found {weights}")
    rate = units_per_hour * 2.0 / (1.0 / weights[0] + 1.0 / weights[1])
    hours = pairs / rate if rate > 0.0 else inf
    return Duration(hours, hours <= longest_hours)


def _drift_for(power: float, alpha: float, sides: int) -> float:
    bound = reflection.bound(alpha, sides)
    low, high = 0.0, _FURTHEST
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if crossing(middle, bound) < power else (low, middle)
    return 0.5 * (low + high)


def _check(unit_variance: float, pairs: float) -> None:
    if not 0.0 < unit_variance < inf or not 0.0 < pairs < inf:
        raise ValueError(f"variance and pairs must be positive and finite, found {unit_variance} and {pairs}")
