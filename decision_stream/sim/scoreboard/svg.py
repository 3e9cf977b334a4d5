"""Plots as SVG text: axes, lines, bands and marks, coloured by classes of the page's sheet."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]


@dataclass(slots=True)
class Plot:
    """A plot with data from (left, bottom) to (right, top), drawn on `width` by `height` units."""

    left: float
    right: float
    bottom: float
    top: float
    title: str
    width: int = 860
    height: int = 220
    margin: int = 52
    parts: list[str] = field(default_factory=list)

    def x(self, value: float) -> float:
        """Where a value lies from left to right."""
        share = (value - self.left) / ((self.right - self.left) or 1.0)
        return round(self.margin + share * (self.width - self.margin - 12), 1)

    def y(self, value: float) -> float:
        """Where a value lies from top to bottom."""
        share = (value - self.bottom) / ((self.top - self.bottom) or 1.0)
        return round(self.height - 26 - share * (self.height - 42), 1)

    def line(self, points: Sequence[Point], kind: str, hint: str = "") -> None:
        """A line through points."""
        path = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" fill="none" points="{path}">{_hint(hint)}</polyline>')

    def band(self, lows: Sequence[Point], highs: Sequence[Point], kind: str) -> None:
        """The area between two lines."""
        path = " ".join(f"{self.x(x)},{self.y(y)}" for x, y in (*lows, *reversed(highs)))
        self.parts.append(f'<polygon class="{kind}" points="{path}"/>')

    def box(self, left: float, right: float, bottom: float, top: float, kind: str, hint: str = "") -> None:
        """A rectangle in the units of the data."""
        x, y = self.x(left), self.y(top)
        width, height = max(0.8, round(self.x(right) - x, 1)), max(0.5, round(self.y(bottom) - y, 1))
        self.parts.append(
            f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}">{_hint(hint)}</rect>'
        )

    def mark(self, x: float, y: float, kind: str, hint: str = "") -> None:
        """A dot."""
        self.parts.append(f'<circle class="{kind}" cx="{self.x(x)}" cy="{self.y(y)}" r="4">{_hint(hint)}</circle>')

    def text(self, x: float, y: float, words: str, anchor: str = "middle") -> None:
        """Words at a point of the data."""
        self.parts.append(f'<text x="{self.x(x)}" y="{self.y(y)}" text-anchor="{anchor}">{escape(words)}</text>')

    def x_axis(self, ticks: Sequence[tuple[float, str]]) -> None:
        """Ticks below."""
        for value, words in ticks:
            self.parts.append(
                f'<text x="{self.x(value)}" y="{self.height - 8}" text-anchor="middle">{escape(words)}</text>'
            )

    def y_axis(self, ticks: Sequence[tuple[float, str]]) -> None:
        """Ticks at the left, each with a line across."""
        for value, words in ticks:
            y = self.y(value)
            self.parts.append(f'<line class="grid" x1="{self.margin}" x2="{self.width - 12}" y1="{y}" y2="{y}"/>')
            self.parts.append(f'<text x="{self.margin - 6}" y="{y + 4}" text-anchor="end">{escape(words)}</text>')

    def drawn(self) -> str:
        """The whole picture."""
        return (
            f'<div class="plot"><svg viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(self.title)}">{"".join(self.parts)}</svg></div>'
        )


def ticks(low: float, high: float, number: int = 4) -> list[float]:
    """Round values between two ends, about so many.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    span = (high - low) or 1.0
    step = 1.0
    while step > span / number:
        step /= 10.0
    while step * 10.0 <= span / number:
        step *= 10.0
    step = next(step * factor for factor in (10.0, 5.0, 2.0, 1.0) if step * factor <= span / number)
    first = int(low / step) * step
    found = []
    while first <= high + 1e-9 * span:
        if first >= low - 1e-9 * span:
            found.append(round(first, 10))
        first += step
    return found


def _hint(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
