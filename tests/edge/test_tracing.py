"""One trace from the analyzer's span to the outcome, the same after a crash and in a replay."""

import json

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from decision_stream.edge.tracing import Tracing, tracing
from decision_stream.model.actuation import Directive
from decision_stream.model.command import Revert, Tick
from decision_stream.model.decision import Proposal
from decision_stream.model.event import Event
from decision_stream.model.journal import Source
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.model.policy import Policy
from decision_stream.model.trace import span_id, trace_id
from decision_stream.stream.record import DECISIONS, JOURNAL, PROPOSALS, SIGNALS, Output, apply, empty
from decision_stream.tools.recording import Recording
from decision_stream.tools.replay import replay
from decision_stream.wire.trace import TRACEPARENT, rooted, traced
from tests.factories import SCOPE, command, estimate, insight, outcome

TRACE, ANALYZER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CAME = f"00-{TRACE}-{ANALYZER}-01"
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


class Line:
    """Topics in miniature: records with their headers, applied one after the other, and everything recorded."""

    def __init__(self) -> None:
        self.stored = empty(SCOPE)
        self.exporter = InMemorySpanExporter()
        self.tracing = Tracing(self.exporter)
        self.recording = Recording()
        self.outputs: list[Output] = []
        self.offsets = 0

    def take(self, event: Event, traceparent: str = "") -> None:
        """One record; what it leads to is taken in turn, with the headers it was sent with."""
        if not isinstance(event, Proposal):
            self.recording.events[event.id] = event
        event = traced(event, [(TRACEPARENT, traceparent.encode())])
        source = Source(topic=type(event).__name__, partition=0, offset=self.offsets)
        self.offsets += 1
        done = apply(self.stored, source, event, Policy(), delivered={entry.sequence for entry in self.stored.outbox})
        self.stored = done.stored
        self.tracing.applied(event, done.effects, 0.001, 0.0)
        self.outputs += done.outputs
        for output in done.outputs:
            if output.topic == PROPOSALS:
                self.take(msgspec.json.decode(output.value, type=Proposal), output.traceparent)
            elif output.topic == DECISIONS:
                directive = msgspec.json.decode(output.value, type=Directive)
                self.recording.directives[directive.id] = output.value
                self.take(outcome(directive, OutcomeStatus.APPLIED, directive.at_ms + 1_000), output.traceparent)
            elif output.topic == SIGNALS:
                self.recording.signals[json.loads(output.value)["id"]] = output.value

    def switched(self, traceparent: str = CAME) -> list[Directive]:
        """Insights until the model is switched; the last ones come with this context."""
        for minute in range(5):
            self.take(insight(minute, candidates=CHEAP), traceparent)
        return self.directives

    @property
    def directives(self) -> list[Directive]:
        return [msgspec.json.decode(value, type=Directive) for value in self.recording.directives.values()]

    def spans(self):
        self.tracing.stop()
        return self.exporter.get_finished_spans()


def test_one_trace_leads_from_the_insight_to_the_outcome():
    line = Line()
    (directive, *_) = line.switched()
    assert directive.decision.trace == TRACE
    spans = [span for span in line.spans() if f"{span.context.trace_id:032x}" == TRACE]
    by_id = {f"{span.context.span_id:016x}": span for span in spans}
    (validate,) = [span for span in spans if span.name == "decision validate"]
    (learn,) = [span for span in spans if span.name == "decision learn"]
    evaluate = by_id[f"{validate.parent.span_id:016x}"]
    assert evaluate.name == "decision evaluate" and f"{evaluate.parent.span_id:016x}" == ANALYZER
    assert by_id[f"{learn.parent.span_id:016x}"] is validate
    assert validate.attributes["decision.strategy"] == "pareto"
    assert validate.attributes["decision.id"] == directive.decision.id == learn.attributes["decision.id"]
    assert [event.name for event in validate.events] == ["validating", "approved", "executing"]


def test_what_comes_without_a_context_is_told_in_the_trace_of_its_decision():
    line = Line()
    (directive, *_) = line.switched()
    line.take(outcome(directive, OutcomeStatus.FAILED, directive.at_ms + 2_000, error="no such model"))
    last = line.directives[-1]
    assert last.decision.kind == "rollback" and last.decision.trace == TRACE
    headers = [output.traceparent for output in line.outputs if output.topic == DECISIONS]
    assert len(headers) == len(line.directives) and {trace_id(header) for header in headers} == {TRACE}
    learned = [span for span in line.spans() if span.name == "decision learn"]
    assert {f"{span.context.trace_id:032x}" for span in learned} == {TRACE}


def test_an_operators_trace_is_that_of_what_was_ordered():
    line = Line()
    (directive, *_) = line.switched()
    other = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    line.take(command(30, Revert(decision_id=directive.decision.id)), other)
    assert line.directives[-1].decision.kind == "rollback" and line.directives[-1].decision.trace == "a" * 32


def test_a_trace_that_is_not_sampled_sends_no_spans_and_is_carried_on():
    line = Line()
    line.switched(CAME[:-2] + "00")
    assert line.spans() == ()
    assert {output.traceparent[-2:] for output in line.outputs if output.traceparent} == {"00"}


def test_without_traces_nothing_is_sent_and_nothing_is_written():
    line = Line()
    (directive, *_) = line.switched("")
    assert directive.decision.trace == "" and line.spans() == ()
    assert all(not output.traceparent and b"traceparent" not in output.value for output in line.outputs)


def test_an_insight_without_a_trace_begins_one_where_that_is_asked_for():
    line = Line()
    for minute in range(5):
        line.take(rooted(insight(minute, candidates=CHEAP)))
    begun = {event.id: trace_id(event.traceparent) for event in (rooted(insight(minute)) for minute in range(5))}
    assert len(set(begun.values())) == 5
    (first, *_) = [span for span in line.spans() if span.name == "decision evaluate"]
    assert first.parent is None and f"{first.context.span_id:016x}" == span_id("Insight", SCOPE, insight(0).id)
    decision = line.directives[0].decision
    assert decision.trace == begun[decision.insight_id]


def test_a_replay_from_values_alone_has_the_traces_again():
    line = Line()
    line.switched()
    line.recording.journal[SCOPE] = [output.value for output in line.outputs if output.topic == JOURNAL]
    done = replay(line.recording, Policy())
    assert done.differences == () and done.directives == len(line.directives) >= 1
    assert any(json.loads(value)["traceparent"] == CAME for value in line.recording.journal[SCOPE])


@pytest.mark.parametrize(
    "header", [b"", b"00-0-0-01", b"\xff" * 55, f"00-{'0' * 32}-{ANALYZER}-01".encode(), CAME.upper().encode()]
)
def test_a_malformed_header_is_no_context(header):
    assert traced(insight(0), [(TRACEPARENT, header)]) == insight(0)


def test_a_context_in_the_value_wins_over_the_header():
    named = traced(insight(0), [(TRACEPARENT, CAME.encode())])
    assert traced(named, [(TRACEPARENT, b"00-" + b"c" * 32 + b"-" + b"d" * 16 + b"-01")]) == named


def test_a_tick_that_changes_nothing_has_no_span():
    line = Line()
    line.take(command(1, Tick()))
    assert line.spans() == ()


def test_without_being_asked_there_is_no_tracing():
    assert tracing(False, {}) is None
