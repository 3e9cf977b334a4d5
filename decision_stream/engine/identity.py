"""Identifiers and chance, both functions of what caused them: the same events give the same ids and draws."""

from hashlib import blake2b
from uuid import NAMESPACE_URL, uuid5

DECISION_NAMESPACE = uuid5(NAMESPACE_URL, "decision-stream/decision")


def derived_id(*causes: object) -> str:
    """UUIDv5 of the causes, joined by a bar.

    >>> derived_id("a/b/c", "insight-1", "pareto", 0) == derived_id("a/b/c", "insight-1", "pareto", 0)
    True
    """
    return str(uuid5(DECISION_NAMESPACE, "|".join(map(str, causes))))


def chance(salt: str, event_id: str, purpose: str, draw: int = 0) -> float:
    """A uniform number in [0, 1) that belongs to this event, purpose and draw, and to no other.

    Counter-based rather than a shared stream: no draw depends on how many came before it. 53 bits of BLAKE2b.

    >>> 0.0 <= chance("salt", "insight-1", "bandit") < 1.0
    True
    """
    digest = blake2b(f"{event_id}|{purpose}|{draw}".encode(), key=salt.encode()[:64], digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53
