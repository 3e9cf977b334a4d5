"""How long one call takes, for calls of some microseconds."""

import time
import timeit
from collections.abc import Callable
from typing import Any

ROUNDS = 40


def each_us(work: Callable[[Any], object], over: list[Any]) -> float:
    """Microseconds of CPU for one call: the best of some rounds over all of the list."""
    rounds = timeit.repeat(lambda: [work(one) for one in over], timer=time.process_time, number=1, repeat=ROUNDS)
    return min(rounds) / len(over) * 1e6
