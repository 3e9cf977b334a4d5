"""Which input record a record of the journal is about, read without the rest of it."""

import msgspec


class Source(msgspec.Struct):
    """Topic without prefix, partition and offset."""

    topic: str
    partition: int
    offset: int


class _Judged(msgspec.Struct):
    source: Source


_judged = msgspec.json.Decoder(_Judged)


def source_of(value: bytes) -> Source:
    """The source of a journal record's bytes; msgspec's `ValidationError` for others."""
    return _judged.decode(value).source
