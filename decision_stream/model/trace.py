"""Trace context after W3C Trace Context, as events carry it: which trace an event belongs to, and which span led to it.

An event's `traceparent` is filled from the record's header where its value names none, and the journal keeps it, so
that replay sees what the engine saw. Identifiers of spans are functions of the event: an event that is told again
after a crash has the same span, and its outputs the same headers.
"""

from hashlib import sha256
from typing import Annotated

from msgspec import Meta, UnsetType

Traceparent = Annotated[
    str,
    Meta(
        pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$(?!\n)",
        description="W3C trace context: version, trace id, id of the span that led to this event, flags",
    ),
]
SAMPLED = "01"


def trace_id(traceparent: str | UnsetType | None) -> str:
    """The trace's id, 32 hexadecimal digits; empty without a trace.

    >>> trace_id("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    return traceparent[3:35] if isinstance(traceparent, str) else ""


def flags(traceparent: str | UnsetType | None) -> str:
    """The flags of a trace context; those of a sampled trace where there is none."""
    return traceparent[53:] if isinstance(traceparent, str) else SAMPLED


def span_id(kind: str, scope: str, event_id: str) -> str:
    """The id of the span in which this event is applied, 16 hexadecimal digits; `kind` is the event's class name.

    >>> span_id("Insight", "a/b/c", "i1") == span_id("Insight", "a/b/c", "i1") != span_id("Command", "a/b/c", "i1")
    True
    """
    return _digest(kind, scope, event_id)[:16]


def continued(traceparent: str | UnsetType | None, trace: str, kind: str, scope: str, event_id: str) -> str:
    """The context to send on with what this event led to, in the trace of this id.

    >>> came = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    >>> sent = continued(came, trace_id(came), "Insight", "a/b/c", "i1")
    >>> sent == f"00-{trace_id(came)}-{span_id('Insight', 'a/b/c', 'i1')}-00"
    True
    """
    told = flags(traceparent) if trace_id(traceparent) == trace else SAMPLED
    return f"00-{trace}-{span_id(kind, scope, event_id)}-{told}"


def root(kind: str, scope: str, event_id: str) -> str:
    """The context of a trace that begins with this event: its parent is the event's own span.

    >>> context = root("Insight", "a/b/c", "i1")
    >>> context == root("Insight", "a/b/c", "i1"), context[36:52] == span_id("Insight", "a/b/c", "i1")
    (True, True)
    """
    return f"00-{_digest('trace', kind, scope, event_id)[:32]}-{span_id(kind, scope, event_id)}-{SAMPLED}"


def _digest(*parts: str) -> str:
    return sha256("|".join(parts).encode()).hexdigest()
