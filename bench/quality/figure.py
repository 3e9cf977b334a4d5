"""One measured figure of decision quality, with the goal it is held to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure, what it had to be, whether it was, and what it is compared with.

    `goal` starts with the goal's number; `spread` says how far the value moves by chance, such as
    "sd .012 over 20 seeds"; `goal_text` is the requirement in words, such as "<= 0.05 (gate 0.075)"; `anchor` is the
    peer or the published figure, measured in the same run where the peer is installed; `unit` is empty for a share;
    `seeds` names the seeds used for choosing and those used for judging.
    """

    goal: str
    value: float
    spread: str
    goal_text: str
    passed: bool
    anchor: str
    unit: str = ""
    seeds: str = ""
