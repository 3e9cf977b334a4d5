"""The trace context of an event: taken from the `traceparent` header of its record."""

import re
from collections.abc import Iterable
from typing import TypeVar

from msgspec.structs import replace

from ..model.event import Event
from ..model.trace import root

TRACEPARENT = "traceparent"
_VALID = re.compile(rb"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_E = TypeVar("_E", bound=Event)


def traced(event: _E, headers: Iterable[tuple[str, bytes]]) -> _E:
    """The event with the context of its headers; a value that names one keeps it, a malformed header is no context."""
    if isinstance(event.traceparent, str):
        return event
    for name, value in headers:
        if name == TRACEPARENT and _VALID.fullmatch(value):
            return replace(event, traceparent=value.decode())
    return event


def rooted(event: _E) -> _E:
    """The event in a trace that begins with it, when it came with none."""
    if isinstance(event.traceparent, str):
        return event
    return replace(event, traceparent=root(type(event).__name__, event.scope, event.id))
