"""Why a message was parked instead of processed; the codes are part of the contract."""

from enum import StrEnum

from msgspec import Struct

from .scalars import Name, Text


class ReasonCode(StrEnum):
    """What was wrong with a message."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    WRONG_VERSION = "wrong_version"
    SCHEMA = "schema"
    TIME_BOUNDS = "time_bounds"
    KEY_MISMATCH = "key_mismatch"
    SEMANTIC = "semantic"
    INTERNAL = "internal"


class DeadLetter(Struct, frozen=True, gc=False, kw_only=True):
    """Origin and reason of a parked message, carried as headers beside its unchanged key, bytes and headers.

    Its `id` is topic, partition and offset of the origin, so that a repeated parking can be recognised.
    """

    topic: Name
    partition: int
    offset: int
    timestamp_ms: int
    code: ReasonCode
    reason: Text
    engine_version: Name

    @property
    def id(self) -> str:
        """`topic-partition-offset` of the origin."""
        return f"{self.topic}-{self.partition}-{self.offset}"
