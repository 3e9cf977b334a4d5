"""What is usual of a value at each load, so that a busy hour is judged by busy hours.

The logarithm of a response time is compared with what was usual in its own class of load, half an octave wide; where
that class is not known yet, with the next known class below it. Waiting at utilisation u grows as u / (1 - u)
(Kleinrock 1975, M/M/1), so that nobody can tell from below how near the end of the capacity is: beyond the mean load
of the class a value may rise with the square of the load. So it does in a pool that waits for 0.3 of the time of
service when half full and is driven from there to nine tenths. A class is frozen when it is full, so that slow drift
cannot poison it.
"""

from dataclasses import dataclass
from math import floor, log
from struct import Struct

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
_CLASS = Struct("<bBfff")
"""Number, count, mean, m2 and mean logarithm of the load; classes are kept in the order of their numbers."""
_LOWEST, _HIGHEST = -128, 127


@dataclass(frozen=True, slots=True)
class Usual:
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
    place, found = _class_of(load), None
    for row in _CLASS.iter_unpack(known):
        number, count = row[:2]
        if count >= KNOWN and (found is None or number <= place):
            found = row
    if found is None:
        return None
    _, count, mean, m2, log_load = found
    return Usual(Moments(count, mean, m2), ELASTICITY * max(0.0, log(load) - log_load))


def learned(known: bytes, value: float, load: float) -> bytes:
    """With one more value at this load, unless its class is full; 14 bytes for each class that was seen.

    >>> len(learned(learned(b"", 7.0, 100.0), 7.1, 800.0))
    28
    """
    place, rows = _class_of(load), list(_CLASS.iter_unpack(known))
    before = next((row for row in rows if row[0] == place), None)
    if before is None:
        if len(rows) >= MAX_CLASSES:
            return known
        before = (place, 0, 0.0, 0.0, 0.0)
    elif before[1] >= FULL:
        return known
    else:
        rows.remove(before)
    moments = Moments(*before[1:4]).apply(value)
    log_load = before[4] + (log(load) - before[4]) / moments.count
    rows.append((place, moments.count, moments.mean, moments.m2, log_load))
    return b"".join(_CLASS.pack(*row) for row in sorted(rows))


def _class_of(load: float) -> int:
    return min(_HIGHEST, max(_LOWEST, floor(log(load) / STEP)))
