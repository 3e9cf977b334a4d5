"""One measured figure of decision quality, with the goal it is held to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure, what it had to be, whether it was, and what it is compared with.

    `goal` starts with the goal's number; `spread` says how far the value moves by chance, such as
    "sd .012 over 20 seeds"; `goal_text` is the requirement in words, such as "<= 0.05 (gate 0.075)"; `passed` is None
    when it could not be measured; `anchor` is the peer or the published figure, measured in the same run where the peer
    is installed; `unit` is empty for a share; `seeds` names the seeds used for choosing and those used for judging.
    """

    goal: str
    value: float
    spread: str
    goal_text: str
    passed: bool | None
    anchor: str
    unit: str = ""
    seeds: str = ""

    @classmethod
    def unmeasured(cls, goal: str, goal_text: str, needed: str) -> Figure:
        """A goal that this run says nothing about, and what must be there so that one does."""
        return cls(goal, float("nan"), "", goal_text, None, f"needs {needed}")

    @property
    def met(self) -> str:
        """The verdict in words."""
        return {True: "yes", False: "NO", None: "not measured"}[self.passed]
