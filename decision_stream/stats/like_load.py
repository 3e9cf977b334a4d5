"""What is usual of a value at each load, so that a busy hour is judged by busy hours.

The logarithm of a response time is compared with what was usual in its own class of load, half an octave wide; where
that class is not known yet, with the next known class below it. Waiting at utilisation u grows as u / (1 - u)
(Kleinrock 1975, M/M/1), so that nobody can tell from below how near the end of the capacity is: beyond the mean load
of the class a value may rise with the square of the load. So it does in a pool that waits for 0.3 of the time of
service when half full and is driven from there to nine tenths. A class is frozen when it is full, so that slow drift
cannot poison it.
"""

from math import floor, log
from struct import Struct as Layout

from msgspec import Struct

from .moments import Moments

STEP = log(2.0) / 2.0
"""Width of a class of load, in logarithms."""
KNOWN, FULL = 10, 30
"""Values by which a class is known, and with which it is frozen."""
ELASTICITY = 2.0
"""Power of the load by which a value is expected to rise beyond the loads that are known."""
LEAST_LOAD = 1e-12
"""Asked for this load, the lowest class that is known answers."""
MAX_CLASSES = 16
"""Eight octaves; values at loads beyond them teach nothing."""
_CLASS = Layout("<bBfff")
"""Number, count, mean, m2 and mean logarithm of the load; classes are kept in the order of their numbers."""
_LOWEST, _HIGHEST = -128, 127
_NOTHING = Moments()


class Usual(Struct, frozen=True, gc=False):
    """What is usual in the class nearest to a load, and how much more than that the load itself explains."""

    moments: Moments
    explained: float = 0.0


def usual_at(known: bytes, load: float) -> Usual | None:
    """What is usual at this load (above 0): by its class, else by the next known one below, else above.

    None while no class is known. A value of a class above is an upper bound, for less load makes nothing slower.

    >>> known = b""
    >>> for _ in range(KNOWN):
    ...     known = learned(known, 7.0, 100.0)
    >>> usual_at(known, 100.0).moments.mean, round(usual_at(known, 200.0).explained, 2), usual_at(known, 10.0).explained
    (7.0, 1.39, 0.0)
    """
    if not known:
        return None
    asked, found = log(load), None
    place = _class_of(asked)
    for row in _CLASS.iter_unpack(known):
        if row[1] >= KNOWN and (found is None or row[0] <= place):
            found = row
    if found is None:
        return None
    _, count, mean, m2, log_load = found
    return Usual(Moments(count, mean, m2), ELASTICITY * (asked - log_load) if asked > log_load else 0.0)


def over_all(known: bytes) -> float | None:
    """Mean of all values that were learnt, whatever the load; None before there are any.

    A class that is full counts no more, so that the hours of its load weigh as those of others do.

    >>> over_all(b""), round(over_all(learned(learned(b"", 7.0, 100.0), 8.0, 800.0)), 6)
    (None, 7.5)
    """
    count = total = 0.0
    for row in _CLASS.iter_unpack(known):
        count += row[1]
        total += row[1] * row[2]
    return total / count if count else None


def learned(known: bytes, value: float, load: float) -> bytes:
    """With one more value at this load, unless its class is full; 14 bytes for each class that was seen.

    >>> len(learned(learned(b"", 7.0, 100.0), 7.1, 800.0))
    28
    """
    log_load = log(load)
    place, start, moments, mean_load = _class_of(log_load), 0, _NOTHING, 0.0
    for number, count, mean, m2, log_mean in _CLASS.iter_unpack(known):
        if number >= place:
            if number == place:
                if count >= FULL:
                    return known
                moments, mean_load = Moments(count, mean, m2), log_mean
            break
        start += _CLASS.size
    if not moments.count and len(known) >= MAX_CLASSES * _CLASS.size:
        return known
    end = start + _CLASS.size if moments.count else start
    moments = moments.apply(value)
    mean_load += (log_load - mean_load) / moments.count
    row = _CLASS.pack(place, moments.count, moments.mean, moments.m2, mean_load)
    return known[:start] + row + known[end:]


def _class_of(log_load: float) -> int:
    number = floor(log_load / STEP)
    return _LOWEST if number < _LOWEST else _HIGHEST if number > _HIGHEST else number
