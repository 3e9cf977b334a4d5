"""The box of parameters that may be tuned, and its mapping to and from the unit cube.

Distances only mean something once each axis has a comparable scale: a temperature of 0 to 2 and a token limit of
256 to 8192 do not. So everything downstream works on unit coordinates, in which log-scaled axes are straight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One tunable parameter: bounds inclusive, in its own unit.

    `scale` "log" makes equal ratios equally far apart (needs low > 0). An integer parameter has integer bounds
    and yields int.

    >>> limit = Dimension(name="max_tokens", low=256, high=4096, scale="log", is_integer=True)
    >>> limit.to_unit(1024), limit.from_unit(0.5), limit.from_unit(7.0)
    (0.5, 1024, 4096)
    """

    name: str
    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    is_integer: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.name}: bounds {self.low!r} to {self.high!r}, expected finite and low < high")
        if self.scale not in ("linear", "log"):
            raise ValueError(f"{self.name}: scale {self.scale!r}, expected 'linear' or 'log'")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.name}: low {self.low!r} on a log scale, expected above 0")
        if self.is_integer and not (self.low == int(self.low) and self.high == int(self.high)):
            raise ValueError(f"{self.name}: bounds {self.low!r} to {self.high!r}, expected integers")

    def to_unit(self, value: float) -> float:
        """Unit coordinate of a value; outside [0, 1] when the value is outside the bounds.

        A running configuration may lie outside (an operator set it, or the bounds have since been narrowed), and
        what was learnt there still counts. Raises ValueError for NaN, infinity and, on a log scale, values <= 0.
        """
        if not math.isfinite(value) or (self.scale == "log" and value <= 0):
            raise ValueError(f"{self.name}: {value!r}, expected a finite value{self._above_zero}")
        if self.scale == "log":
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def from_unit(self, unit: float) -> float:
        """Value at a unit coordinate; clamped, so never out of bounds; rounded when an integer.

        Raises ValueError for NaN, which has no nearest bound.
        """
        if math.isnan(unit):
            raise ValueError(f"{self.name}: nan is no unit coordinate")
        unit = min(max(unit, 0.0), 1.0)
        if self.scale == "log":
            value = self.low * (self.high / self.low) ** unit
        else:
            value = self.low + unit * (self.high - self.low)
        if self.is_integer:
            value = round(value)
        # Rounding errors of the two formulas may step over a bound by one unit in the last place.
        clamped = min(max(value, self.low), self.high)
        return int(clamped) if self.is_integer else float(clamped)

    @property
    def _above_zero(self) -> str:
        return " above 0" if self.scale == "log" else ""


@dataclass(frozen=True, slots=True)
class Space:
    """A box of one or more dimensions with distinct names, in the order coordinates are given in.

    >>> box = Space((Dimension(name="temperature", low=0, high=2), Dimension(name="top_p", low=0.5, high=1)))
    >>> box.to_unit((1.0, 1.0)), box.from_unit((-3.0, 0.5))
    ((0.5, 1.0), (0.0, 0.75))
    """

    dimensions: tuple[Dimension, ...]

    def __post_init__(self) -> None:
        names = [dimension.name for dimension in self.dimensions]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"dimensions {names}, expected at least one and distinct names")

    def __len__(self) -> int:
        return len(self.dimensions)

    def to_unit(self, values: Sequence[float]) -> tuple[float, ...]:
        """Unit coordinates of values, in the order of `dimensions`; see `Dimension.to_unit`."""
        return tuple(dimension.to_unit(value) for dimension, value in self._paired(values))

    def from_unit(self, units: Sequence[float]) -> tuple[float, ...]:
        """Values at unit coordinates, always inside the bounds; see `Dimension.from_unit`."""
        return tuple(dimension.from_unit(unit) for dimension, unit in self._paired(units))

    def contains(self, values: Sequence[float]) -> bool:
        """Whether every value is finite, inside its bounds and whole where it must be."""
        return all(
            math.isfinite(value)
            and dimension.low <= value <= dimension.high
            and not (dimension.is_integer and value != int(value))
            for dimension, value in self._paired(values)
        )

    def _paired(self, numbers: Sequence[float]) -> list[tuple[Dimension, float]]:
        if len(numbers) != len(self.dimensions):
            raise ValueError(f"{len(numbers)} coordinates, expected {len(self.dimensions)}")
        return list(zip(self.dimensions, numbers, strict=True))
