"""Identifiers are functions of what caused them: the same events give the same ids."""

from uuid import NAMESPACE_URL, uuid5

DECISION_NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/decision")


def derived_id(*causes: object) -> str:
    """UUIDv5 of the causes, joined by a bar.

    >>> derived_id("a/b/c", "insight-1", "pareto", 0) == derived_id("a/b/c", "insight-1", "pareto", 0)
    True
    """
    return str(uuid5(DECISION_NAMESPACE, "|".join(map(str, causes))))
