"""Whose offsets the stored scopes speak of: a mark beside the state of each partition names the topics' identities.

A topic that was deleted and created again counts from 0. Its first messages would lie below the fences of the stored
scopes and be passed over as repeated, without a word. So the mark is compared whenever a partition is taken up.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

MARK_PREFIX = b"\x00topics-"


class Mark(Struct, frozen=True, gc=False, array_like=True):
    """Identities of the input topics, by name without prefix; the first three fields rank it like any stored record."""

    format: int
    epoch: int
    number: int
    topics: dict[str, bytes]


def mark_key(partition: int) -> bytes:
    """Key of a partition's mark in the table; no scope's name begins like it."""
    return MARK_PREFIX + str(partition).encode()


def mark_of(topics: Mapping[str, bytes], before: bytes | None = None) -> bytes:
    """The mark to store, which counts before the one that is stored."""
    number = 1 if before is None else _decode(before).number + 1
    return msgspec.msgpack.encode(Mark(1, 1, number, dict(sorted(topics.items()))))


def strangers(mark: bytes, topics: Mapping[str, bytes]) -> list[str]:
    """Names of the topics that are not those the mark was made for, sorted."""
    known = _decode(mark).topics
    return sorted(name for name, identity in topics.items() if name in known and known[name] != identity)


def _decode(mark: bytes) -> Mark:
    return msgspec.msgpack.decode(mark, type=Mark)
