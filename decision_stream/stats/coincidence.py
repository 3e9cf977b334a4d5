"""How many of n independent sources must have trouble at nearly the same time before chance no longer explains it.

Each source falls into trouble by itself, at a rate of at most r a day. The rule speaks when a trouble begins and k
sources, that one included, have had theirs begin within the last w days. A given source's onset does so when at least
k - 1 of the others had one within w, each with probability at most q = 1 - exp(-r w); so the rule speaks by chance at
most n r P(Bin(n - 1, q) >= k - 1) times a day on average. The bound needs no Poisson process of the whole, only
independent sources; it is the first term of the bounds for scan statistics in Glaz, Naus & Wallenstein (2001), §2.
"""

from math import expm1


def false_alarms_per_day(sources: int, needed: int, per_day: float, window_days: float) -> float:
    """Upper bound on how often `needed` of the `sources` coincide by chance, per day; `needed` from 2 to `sources`.

    >>> round(false_alarms_per_day(10, 4, 1.0, 1.0 / 48.0), 4)
    0.0067
    """
    if not 2 <= needed <= sources:
        raise ValueError(f"{needed} of {sources} sources; needed is from 2 to the number of sources")
    from scipy.special import bdtrc  # type: ignore[import-untyped]  # a worker without incidents does without it

    share = -expm1(-per_day * window_days)
    return sources * per_day * float(bdtrc(needed - 2, sources - 1, share))


def least_needed(sources: int, per_day: float, window_days: float, promise_days: float) -> int | None:
    """The smallest number of coinciding sources that chance brings about less than once in `promise_days`.

    None where even all of them would not do.

    >>> [least_needed(n, 1.0, 1.0 / 48.0, 365.0) for n in (2, 3, 10, 100, 500)]
    [None, 3, 5, 12, 29]
    """
    low, high = 2, sources
    if high < low or false_alarms_per_day(sources, high, per_day, window_days) * promise_days > 1.0:
        return None
    while low < high:
        middle = (low + high) // 2
        if false_alarms_per_day(sources, middle, per_day, window_days) * promise_days <= 1.0:
            high = middle
        else:
            low = middle + 1
    return low
