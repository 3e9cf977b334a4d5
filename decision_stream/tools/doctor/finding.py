"""What an examination tells: one line each, with what to do where something is to be done."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Fine; odd but working, or about to be wrong; broken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is a command or a setting where there is one; empty when nothing is to be done."""

    level: Level
    what: str
    told: str
    fix: str = ""

    def __str__(self) -> str:
        """As the command prints it.

        >>> print(Finding(Level.FAIL, "redis", "no answer", "start it"))
        fail  redis      no answer → start it
        """
        return f"{self.level:<5} {self.what:<10} {self.told}{f' → {self.fix}' if self.fix else ''}"


def ok(what: str, told: str) -> Finding:
    """Nothing is to be done."""
    return Finding(Level.OK, what, told)


def warn(what: str, told: str, fix: str) -> Finding:
    """It works, and somebody should know."""
    return Finding(Level.WARN, what, told, fix)


def fail(what: str, told: str, fix: str) -> Finding:
    """It does not work as it is."""
    return Finding(Level.FAIL, what, told, fix)
