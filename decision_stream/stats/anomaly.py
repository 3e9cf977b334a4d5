"""How unusual a value is for its hour of the week, as a score, a calibrated chance, and one alarm per episode.

Residuals from a slow mean plus a seasonal slot are smoothed and divided by their own spread (all exponentially
weighted: Roberts 1959), and then by what one in a thousand of such ratios exceeds in this very stream (a quantile
followed by stochastic approximation: Robbins & Monro 1951), so that 1 means the same in a calm stream and a wild one.
On a log scale a latency twice the usual is as far off as one half of it. The score's chance is its rank among the
scores before it, since no distribution can be believed so far in the tail (Laxhammar & Falkman 2014, eq. 1). One point
proves nothing about a change: an alarm is for people to look at, breakers need `shiryaev_roberts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log, sqrt
from struct import Struct
from typing import Literal

from msgspec import Struct as Value

_SLOT = Struct("<fB")
_SLOT_MEMORY = 50
_LEAST_SCORE, _BINS_PER_E, _BINS = 0.05, 6.0, 48
_RARE, _STEP, _FIRST_HIGH = 0.001, 0.05, log(4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of a score; the defaults are those chosen on one half of the files of the NAB benchmark.

    `scale` "log" takes positive values only. `memory` is the weight of the newest value in the slow mean and the
    spread, `smoothing` in the fast mean of residuals (1 judges single values), `clip` the most standard deviations of
    a residual that may teach the baseline anything. The season of `season_ms` has `slots` slots (at most 255, 0 for
    none). Scores are 0 before `warm_up` values. From `threshold` on there is an alarm (at 1 noise
    alone raises one in a thousand or two thousand values, at 1.5 next to none), unless one came less than
    `refractory_ms` ago.
    """

    scale: Literal["log", "linear"] = "log"
    memory: float = 0.001
    smoothing: float = 0.2
    clip: float = 100.0
    season_ms: int = 604_800_000
    slots: int = 168
    warm_up: int = 100
    threshold: float = 1.0
    refractory_ms: int = 21_600_000

    def __post_init__(self) -> None:
        if not (0.0 < self.memory < 1.0 and 0.0 < self.smoothing <= 1.0 and self.clip > 0.0 and self.threshold > 0.0):
            raise ValueError(f"memory, smoothing, clip and threshold must be positive shares or sizes, found {self}")
        if not 0 <= self.slots <= 255 or self.season_ms <= 0 or self.warm_up < 2 or self.scale not in ("log", "linear"):
            raise ValueError(f"0 to 255 slots, a season, a warm-up of 2 or more and a known scale, found {self}")

    def scaled(self, value: float) -> float:
        """The value on the scale that is judged; ValueError for what has no place on it.

        >>> Rules(scale="linear").scaled(-2.0)
        -2.0
        """
        if self.scale == "log":
            if 0.0 < value < inf:
                return log(value)
        elif isfinite(value):
            return value
        raise ValueError(f"{value!r} has no place on a {self.scale} scale")


class Baseline(Value, frozen=True, gc=False):
    """What is usual: slow mean and spread of smoothed residuals, the fast mean `short`, and 5 bytes for each slot.

    `high` is the logarithm of what one ratio of residual to spread in a thousand exceeds. 880 bytes with hours of the
    week. All on the judged scale.

    >>> rules, usual = Rules(scale="linear", slots=0, warm_up=10), Baseline()
    >>> for minute in range(50):
    ...     usual, score = usual.apply(minute % 5, minute * 60_000, rules)
    >>> usual.apply(100.0, 3_000_000, rules)[1] > 1.0
    True
    """

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0
    short: float = 0.0
    high: float = _FIRST_HIGH
    slots: bytes = b""

    def apply(self, value: float, at_ms: int, rules: Rules) -> tuple[Baseline, float]:
        """With one more value, and how far off it was: 1 is what one value in a thousand reaches.

        0 until the warm-up is over. Raises ValueError as `Rules.scaled` does.
        """
        x = rules.scaled(value)
        count = self.count + 1
        is_warm = count > rules.warm_up
        if count == 1:
            mean, variance, short = x, 0.0, 0.0
        else:
            mean, variance, short = self.mean, self.variance, self.short
        gap = x - mean
        slots, usual, seen, place = self.slots, 0.0, 0, 0
        if rules.slots:
            slots = slots or bytes(_SLOT.size * rules.slots)
            place = at_ms % rules.season_ms * rules.slots // rules.season_ms * _SLOT.size
            usual, seen = _SLOT.unpack_from(slots, place)
        residual = gap - usual
        deviation = sqrt(variance) + 1e-9 * (1.0 + abs(mean))
        if is_warm:
            most = rules.clip * deviation
            residual = most if residual > most else -most if residual < -most else residual
            gap = residual + usual
        short += rules.smoothing * (residual - short)
        score, high = 0.0, self.high
        if is_warm:
            score = abs(short) / deviation / exp(high)
            high += _STEP * ((score > 1.0) - _RARE)
        if rules.slots:
            seen += seen < _SLOT_MEMORY
            usual += (gap - usual) / seen
            slots = slots[:place] + _SLOT.pack(usual, seen) + slots[place + _SLOT.size :]
        weight = max(rules.memory, 1.0 / count)
        mean += weight * gap
        variance = (1.0 - weight) * (variance + weight * short * short)
        return Baseline(count, mean, variance, short, high, slots), score


class Ranks(Value, frozen=True, gc=False):
    """Scores seen so far, counted in 48 bins of equal ratios from 0.05 to about 150: 192 bytes as 32-bit numbers.

    >>> ranks = Ranks()
    >>> for _ in range(99):
    ...     ranks = ranks.apply(1.0)
    >>> ranks.chance(8.0), ranks.chance(0.5)
    (0.01, 1.0)
    """

    counts: tuple[int, ...] = (0,) * _BINS

    def apply(self, score: float) -> Ranks:
        """With one more score; ask for its chance first."""
        counts = list(self.counts)
        counts[_bin(score)] += 1
        return Ranks(tuple(counts))

    def chance(self, score: float) -> float:
        """Chance of a score in this bin or above when nothing is wrong: (1 + such scores) / (1 + all scores).

        Never below 1 / (1 + all): what has not been watched for long cannot be called rare.
        """
        place = _bin(score)
        above = 1 + sum(self.counts[place:])
        return above / (above + sum(self.counts[:place]))


@dataclass(frozen=True, slots=True)
class Episodes:
    """When the newest alarm was raised, so that an episode raises one.

    >>> first, alarm = Episodes().notice(9.0, 1_000, Rules())
    >>> alarm, first.notice(9.0, 2_000, Rules())[1]
    (True, False)
    """

    alarmed_at_ms: int | None = None

    def notice(self, score: float, at_ms: int, rules: Rules) -> tuple[Episodes, bool]:
        """After a score at this time, and whether it is an alarm."""
        if score < rules.threshold or (
            self.alarmed_at_ms is not None and at_ms - self.alarmed_at_ms < rules.refractory_ms
        ):
            return self, False
        return Episodes(at_ms), True


def alarms(values: Sequence[float], at_ms: Sequence[int], rules: Rules) -> list[int]:
    """Places of the alarms in a whole series.

    >>> alarms([1.0, 2.0] * 100 + [50.0] * 5, range(205), Rules(scale="linear", slots=0, refractory_ms=100))
    [200]
    """
    usual, episodes, found = Baseline(), Episodes(), []
    for place, (value, now_ms) in enumerate(zip(values, at_ms, strict=True)):
        usual, score = usual.apply(value, now_ms, rules)
        episodes, alarm = episodes.notice(score, now_ms, rules)
        if alarm:
            found.append(place)
    return found


def _bin(score: float) -> int:
    if score <= _LEAST_SCORE:
        return 0
    place = int(_BINS_PER_E * log(score / _LEAST_SCORE))
    return place if place < _BINS else _BINS - 1
