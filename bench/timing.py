"""How long one call takes, for calls of some microseconds."""

import timeit
from collections.abc import Callable
from typing import Any

ROUNDS = 15


def each_us(work: Callable[[Any], object], over: list[Any]) -> float:
    """Microseconds of one call: the best of some rounds over all of the list."""
    return min(timeit.repeat(lambda: [work(one) for one in over], number=1, repeat=ROUNDS)) / len(over) * 1e6
