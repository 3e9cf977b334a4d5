"""The standard normal distribution: quantile, lower and upper tail, density."""

from math import erfc, exp, pi, sqrt
from statistics import NormalDist

_STANDARD = NormalDist()
_ROOT_2 = sqrt(2.0)
_ROOT_2_PI = sqrt(2.0 * pi)


def quantile(probability: float) -> float:
    """The value that a standard normal stays below with this probability; ValueError outside (0, 1).

    Relative error below 1e-15 (Wichura 1988, algorithm AS 241).

    >>> round(quantile(0.975), 6)
    1.959964
    """
    if not 0.0 < probability < 1.0:
        raise ValueError(f"a quantile needs a probability inside (0, 1), found {probability}")
    return _STANDARD.inv_cdf(probability)


def lower(value: float) -> float:
    """Chance of a standard normal at or below the value; keeps its relative precision far in the tail.

    >>> lower(0.0)
    0.5
    """
    return 0.5 * erfc(-value / _ROOT_2)


def upper(value: float) -> float:
    """Chance of a standard normal above the value; keeps its relative precision far in the tail.

    >>> f"{upper(10.0):.3e}"
    '7.620e-24'
    """
    return 0.5 * erfc(value / _ROOT_2)


def density(value: float) -> float:
    """Density of the standard normal.

    >>> round(density(0.0), 6)
    0.398942
    """
    return exp(-0.5 * value * value) / _ROOT_2_PI
