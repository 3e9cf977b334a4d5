"""Tables for people, whole in every terminal: an id or a state that is cut short tells nothing."""

import os
import sys

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 240
"""Characters of a line for a program, which is cut by no terminal."""


def show(table: Table) -> None:
    """On the output. In a narrow terminal cells go on below; to a pipe, each row is a line."""
    table.box = SIMPLE_HEAD
    for column in table.columns:
        column.overflow = "fold"
    is_piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=PIPED_WIDTH if is_piped else None).print(table)
