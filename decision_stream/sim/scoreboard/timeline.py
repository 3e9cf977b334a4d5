"""Who served what, when: the record of a run, and what it came to on the truth."""

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np

from ...model.configuration import Configuration
from .world import SLOT_MINUTES, RouteWorld

Arms = tuple[tuple[Configuration, float], ...]
"""Configurations and their shares of the traffic."""


@dataclass(slots=True)
class Timeline:
    """The arms from each minute on; a minute that repeats the arms before is not kept."""

    minutes: list[int] = field(default_factory=list)
    arms: list[Arms] = field(default_factory=list)

    def serve(self, minute: int, arms: Arms) -> None:
        """From this minute on the traffic is shared so; call it in the order of time."""
        if self.arms and self.arms[-1] == arms:
            return
        if self.minutes and self.minutes[-1] == minute:
            self.arms[-1] = arms
            return
        self.minutes.append(minute)
        self.arms.append(arms)

    def at(self, minute: int) -> Arms:
        """The arms at a minute."""
        return self.arms[max(0, bisect_right(self.minutes, minute) - 1)]

    def segments(self, end: int) -> list[tuple[int, int, Arms]]:
        """Start, end and arms of each stretch, up to `end`."""
        return [
            (start, stop, arms)
            for start, stop, arms in zip(self.minutes, (*self.minutes[1:], end), self.arms, strict=True)
            if start < min(stop, end)
        ]

    def share(self, model: str, minute: int) -> float:
        """Share of the traffic that a model has at a minute."""
        return sum(share for configuration, share in self.at(minute) if configuration.model == model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Sums over requests, in expectation: the truth has no noise.

    `short` is the sum over requests of quality below the floor.
    """

    requests: float = 0.0
    worth: float = 0.0
    utility: float = 0.0
    cost_usd: float = 0.0
    value: float = 0.0
    short: float = 0.0

    def __add__(self, other: "Account") -> "Account":
        return Account(
            requests=self.requests + other.requests,
            worth=self.worth + other.worth,
            utility=self.utility + other.utility,
            cost_usd=self.cost_usd + other.cost_usd,
            value=self.value + other.value,
            short=self.short + other.short,
        )


COLUMNS = ("requests", "worth", "utility", "cost_usd", "value", "short")


class Accountant:
    """Sums over stretches of time, by running totals of each configuration."""

    def __init__(self, world: RouteWorld) -> None:
        self._world = world
        self._totals: dict[str, np.ndarray] = {}

    def of(self, timeline: Timeline) -> Account:
        """What a whole run came to."""
        total = Account()
        for start, stop, arms in timeline.segments(self._world.minutes):
            for configuration, share in arms:
                total = total + self.stretch(configuration, start, stop, share)
        return total

    def stretch(self, configuration: Configuration, start: int, stop: int, share: float = 1.0) -> Account:
        """A configuration that serves a share of the traffic between two minutes."""
        totals = self._running(configuration)
        sums = (_at(totals, stop) - _at(totals, start)) * share
        return Account(**dict(zip(COLUMNS, sums.tolist(), strict=True)))

    def requests(self, start: int, stop: int) -> float:
        """How many requests arrive between two minutes."""
        edges = np.concatenate([[0.0], np.cumsum(self._world.arrivals)])
        return float(np.interp(stop, _minutes(len(edges)), edges) - np.interp(start, _minutes(len(edges)), edges))

    def by_hour(self, timeline: Timeline, column: str) -> list[float]:
        """Sums of one column hour by hour."""
        place, found = COLUMNS.index(column), [0.0] * (self._world.minutes // 60)
        for start, stop, arms in timeline.segments(self._world.minutes):
            for hour in range(start // 60, (stop - 1) // 60 + 1):
                begin, end = max(start, hour * 60), min(stop, hour * 60 + 60)
                for configuration, share in arms:
                    totals = self._running(configuration)
                    found[hour] += float((_at(totals, end) - _at(totals, begin))[place]) * share
        return found

    def _running(self, configuration: Configuration) -> np.ndarray:
        known = self._totals.get(configuration.id)
        if known is None:
            figures, arrivals = self._world.figures(configuration), self._world.arrivals
            each = np.column_stack(
                [
                    np.ones_like(arrivals),
                    figures.worth,
                    figures.utility,
                    figures.cost_usd,
                    figures.value,
                    np.maximum(0.0, self._world.floor - figures.value),
                ]
            )
            sums = np.cumsum(each * arrivals[:, None], axis=0)
            known = self._totals[configuration.id] = np.vstack([np.zeros(len(COLUMNS)), sums])
        return known


def _at(totals: np.ndarray, minute: int) -> np.ndarray:
    """Running totals at a minute; within a slot traffic is even."""
    slot, rest = divmod(minute, SLOT_MINUTES)
    found: np.ndarray = totals[min(slot, len(totals) - 1)]
    if rest and slot + 1 < len(totals):
        found = found + (totals[slot + 1] - found) * (rest / SLOT_MINUTES)
    return found


def _minutes(edges: int) -> np.ndarray:
    return np.arange(edges) * SLOT_MINUTES
