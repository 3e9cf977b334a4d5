"""Prompts with a true effect on quality, and the simulated engineer who offers them for experiments."""

from ..model.command import Command, Offer

PROMPTS = {"stepwise": 0.05, "polite": 0.0, "terse": -0.08}
"""Points of quality that a prompt adds on a scope of difficulty 1; an easy scope gains in proportion."""
OFFERED_AT_MINUTE = 40
OFFERS = {"globex/agents/tools": ("stepwise", "polite"), "globex/agents/planner": ("terse",)}
"""Which prompts are offered where: one that helps, one that changes nothing, one that harms."""


def effect(prompt: str | None, difficulty: float) -> float:
    """Points of quality that a prompt adds; none for the route's own and for unknown ones.

    >>> effect("stepwise", 0.5), effect(None, 0.5)
    (0.025, 0.0)
    """
    return PROMPTS.get(prompt or "", 0.0) * difficulty


def offers(scopes: list[str], minute: int, at_ms: int) -> list[Command]:
    """The commands of this minute on these scopes."""
    if minute != OFFERED_AT_MINUTE:
        return []
    return [
        Command(
            id=f"offer:{scope}:{minute}",
            scope=scope,
            at_ms=at_ms,
            instruction=Offer(variants=OFFERS[scope]),
            actor="user:prompt-engineer",
        )
        for scope in scopes
        if scope in OFFERS
    ]
