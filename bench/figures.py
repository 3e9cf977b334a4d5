"""One measured figure beside its goal, and the table that tells both."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

BARE_PASS, BARE_TABLE, QUIX, SHELL, WHOLE, MANY, SETTLED, HOT = (
    "bare Faust, pass-through",
    "bare Faust, pass-through and table",
    "quixstreams",
    "the shell alone, with all guarantees",
    "the whole worker, 500 routes in their first hour",
    "the whole worker, 500 routes after their first hour",
    "the whole worker, 100 routes after their first hour",
    "the whole worker, one hot key",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What was measured, in its unit; `at_most` is the goal in the same unit, and `goal` how it is said."""

    what: str
    value: float
    unit: str
    goal: str = ""
    at_most: float = math.nan
    remark: str = ""

    @property
    def verdict(self) -> str:
        """Whether the goal is met, and how far; empty without one."""
        if math.isnan(self.at_most):
            return ""
        return "met" if self.value <= self.at_most else "missed"


def against(figure: Figure, yardstick: float, share: float) -> Figure:
    """The figure with a share of the yardstick as its goal, and its own share told."""
    own = f"{figure.value / yardstick:.2f} ×"
    remark = f"{own}; {figure.remark}" if figure.remark else own
    return Figure(
        what=figure.what,
        value=figure.value,
        unit=figure.unit,
        goal=f"{share:g} × bare Faust",
        at_most=share * yardstick,
        remark=remark,
    )


def show(figures: Iterable[Figure], notes: Iterable[str]) -> None:
    """Print all figures as one table, notes below."""
    table = Table("what", "value", "goal", "", "remark")
    for figure in figures:
        digits = 1 if figure.value < 10.0 else 0
        table.add_row(
            figure.what, f"{figure.value:,.{digits}f} {figure.unit}", figure.goal, figure.verdict, figure.remark
        )
    console = Console(width=150)
    console.print(table)
    for note in notes:
        console.print(note)
