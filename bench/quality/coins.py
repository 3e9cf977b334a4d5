"""Two-armed experiments without and with an effect, looked at after every pair of units."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from decision_stream.stats import reflection
from decision_stream.stats.difference import Difference, difference
from decision_stream.stats.moments import Moments

Draw = Callable[[random.Random], float]
BURN_IN = 30


@dataclass(frozen=True)
class Stop:
    """How an experiment ended: at which pair, with what, and whether it declared a difference."""

    pairs: int
    found: Difference
    declared: bool


def pairs(rng: random.Random, control: Draw, treatment: Draw, count: int) -> Iterator[tuple[int, Difference]]:
    """The difference after each pair, from the burn-in on."""
    a = b = Moments()
    for n in range(1, count + 1):
        a, b = a.apply(control(rng)), b.apply(treatment(rng))
        if n >= BURN_IN and (found := difference(a, b, BURN_IN)) is not None:
            yield n, found


def judged(rng: random.Random, control: Draw, treatment: Draw, planned: int, most: int, alpha: float = 0.05) -> Stop:
    """One experiment under the reflection bound with a look after every pair; `most` is where traffic ends."""
    bound = reflection.bound(alpha)
    for n, found in pairs(rng, control, treatment, min(planned, most)):
        if abs(reflection.score(found, planned)) >= bound:
            return Stop(n, found, True)
    return Stop(n, found, False)


def yes(rate: float) -> Draw:
    return lambda rng: float(rng.random() < rate)


def score(mean: float) -> Draw:
    """A judge's score with standard deviation .15."""
    return lambda rng: rng.gauss(mean, 0.15)


def cost(median: float) -> Draw:
    """Lognormal dollars with sigma .6."""
    return lambda rng: rng.lognormvariate(median, 0.6)
