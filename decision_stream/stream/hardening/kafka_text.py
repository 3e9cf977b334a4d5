"""Counts and texts in the bytes of Kafka's protocol."""

from struct import Struct

COUNT = Struct(">i")
"""Number of elements of an array."""
_LENGTH = Struct(">h")


def text(value: str | None) -> bytes:
    """The bytes of a text, which may be missing."""
    if value is None:
        return _LENGTH.pack(-1)
    encoded = value.encode()
    return _LENGTH.pack(len(encoded)) + encoded


def text_at(whole: bytes, at: int) -> tuple[str | None, int]:
    """The text that begins here, and where it ends. Raises `struct.error` or `ValueError` when bytes are missing."""
    (length,) = _LENGTH.unpack_from(whole, at)
    at += _LENGTH.size
    if length < 0:
        return None, at
    if at + length > len(whole):
        raise ValueError(f"an answer of {len(whole)} bytes should have {at + length}")
    return whole[at : at + length].decode(), at + length
