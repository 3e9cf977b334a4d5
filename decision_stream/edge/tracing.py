"""Spans for OpenTelemetry: one for every traced event, from the analyzer's own span to the outcome of the decision.

The shell carries the trace context through Kafka whether or not spans are sent (`model/trace.py`); this observer sends
them. It needs the extra `otel`. Where they go is said by OpenTelemetry's own variables, such as
`OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_TRACES_SAMPLER`. A strategy has no span of its own, because the pure rooms
read no clock.
"""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import ENGINE_VERSION
from ..model.effect import Effects
from ..model.event import Event
from ..model.trace import span_id, trace_id
from ..stream.observer import SilentObserver

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
SERVICE = "decision-stream"


def is_wanted(enable_tracing: bool, environment: Mapping[str, str]) -> bool:
    """Whether spans are to be sent: asked for by the settings or by an endpoint, and not switched off.

    >>> is_wanted(False, {}), is_wanted(True, {}), is_wanted(False, {ENDPOINTS[0]: "http://collector:4318"})
    (False, True, True)
    >>> is_wanted(True, {"OTEL_SDK_DISABLED": "true"}), is_wanted(True, {"OTEL_TRACES_EXPORTER": "none"})
    (False, False)
    """
    off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    return not off and (enable_tracing or any(environment.get(name) for name in ENDPOINTS))


def tracing(enable_tracing: bool, environment: Mapping[str, str]) -> "Tracing | None":
    """The observer, or None where no spans are wanted or the extra is not installed, which is logged."""
    if not is_wanted(enable_tracing, environment):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError:
        log.warning("no spans are sent", extra={"why": "OpenTelemetry is missing; install decision-stream[otel]"})
        return None
    return Tracing(OTLPSpanExporter())


class Tracing(SilentObserver):
    """Sends a span for each event that belongs to a trace; `stop` sends what is left."""

    def __init__(self, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._ids = _given_ids()
        # The resource's own variables, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, win over these.
        named = Resource({SERVICE_NAME: SERVICE, SERVICE_VERSION: ENGINE_VERSION}).merge(Resource.create())
        self._provider = TracerProvider(id_generator=self._ids, resource=_with_name(named), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("decision_stream", ENGINE_VERSION)

    def stop(self) -> None:
        """Send the spans that wait, and close."""
        self._provider.shutdown()

    def applied(self, event: Event, effects: Effects, seconds: float, age_seconds: float) -> None:
        """Send the span of this event; nothing for an event that belongs to no trace."""
        came = trace_id(event.traceparent)
        trace = came or next((subject.trace for subject in effects.about if subject.trace), "")
        if not trace:
            return
        own = span_id(type(event).__name__, event.scope, event.id)
        self._ids.trace, self._ids.span = int(trace, 16), int(own, 16)
        ended_ns = time.time_ns()
        span = self._tracer.start_span(
            f"decision {effects.stage}",
            context=_parent(event.traceparent, own) if came else None,
            start_time=ended_ns - int(seconds * 1e9),
            attributes=_attributes(event, effects),
        )
        for move in effects.transitions:
            span.add_event(move.to_state, {"decision.id": move.decision_id, "reason": move.reason}, ended_ns)
        span.end(ended_ns)


def _attributes(event: Event, effects: Effects) -> dict[str, Any]:
    found: dict[str, Any] = {"scope": event.scope, "event.id": event.id, "verdict": str(effects.verdict)}
    if effects.about:
        subject = effects.about[-1]
        found |= {"decision.id": subject.id, "decision.strategy": subject.strategy, "decision.type": subject.kind}
        if subject.confidence is not None:
            found["decision.confidence"] = subject.confidence
    return found


def _parent(traceparent: Any, own: str) -> Any:
    """The context of the span that led here; none for an event whose trace begins with it."""
    from opentelemetry import trace as otel

    if traceparent[36:52] == own:
        return None
    context = otel.SpanContext(
        int(traceparent[3:35], 16), int(traceparent[36:52], 16), True, otel.TraceFlags(int(traceparent[53:], 16))
    )
    return otel.set_span_in_context(otel.NonRecordingSpan(context))


def _given_ids() -> Any:
    """An id generator that is told the next ids: those that already went out in headers."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class GivenIds(RandomIdGenerator):
        trace = 0
        span = 0

        def generate_trace_id(self) -> int:
            return self.trace or super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self.span or super().generate_span_id()

    return GivenIds()


def _with_name(resource: Any) -> Any:
    """The resource under our name, where OpenTelemetry only knows a default."""
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource

    given = str(resource.attributes.get(SERVICE_NAME, ""))
    return resource.merge(Resource({SERVICE_NAME: SERVICE})) if given.startswith("unknown_service") else resource
