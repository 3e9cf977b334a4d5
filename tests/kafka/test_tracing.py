"""One trace id through a real Kafka: in the headers, in the decision, and in the spans a collector receives."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import msgspec
from aiokafka import AIOKafkaProducer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from decision_stream.model.actuation import Directive
from decision_stream.model.outcome import OutcomeStatus
from decision_stream.wire.codec import encode
from tests.factories import SCOPE, estimate, insight, outcome

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CAME = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
CHEAP = (estimate("cheap", quality=0.895, cost_usd=0.002, p95_ms=1_900.0),)


@contextmanager
def collector() -> Iterator[tuple[str, list]]:
    """An OTLP receiver on loopback, and the spans it was sent."""
    spans: list = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(span for resource in sent.resource_spans for it in resource.scope_spans for span in it.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", spans
    finally:
        server.shutdown()
        server.server_close()


async def publish(bench, topic: str, value: bytes, headers) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bench.bootstrap_servers)
    await producer.start()
    try:
        await producer.send_and_wait(bench.topic(topic), value, key=SCOPE.encode(), headers=headers)
    finally:
        await producer.stop()


async def test_an_insights_trace_reaches_its_decision_and_its_outcome(bench):
    with collector() as (endpoint, spans):
        environment = {
            **os.environ,
            "PYTHONPATH": ".",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "DS_KAFKA__APP_ID": bench.app_id,
            "DS_KAFKA__TOPIC_PREFIX": bench.prefix,
            "DS_KAFKA__PARTITIONS": str(bench.partitions),
            "DS_MONITORING__METRICS_PORT": "0",
            "DS_MONITORING__LOG_FORMAT": "json",
        }
        command = [sys.executable, "-m", "decision_stream", "run", "-b", bench.bootstrap_servers]
        worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        bench.workers.append(worker)
        for minute in range(5):
            await publish(bench, "insights", encode(insight(minute, candidates=CHEAP)), [("traceparent", CAME)])
        (record, *_) = await bench.wait_for("decisions", lambda found: len(found) >= 1)
        directive = msgspec.json.decode(record.value, type=Directive)
        assert directive.decision.trace == TRACE
        headers = dict(record.headers)
        assert headers["traceparent"].decode().split("-")[1] == TRACE
        (proposal, *_) = await bench.wait_for("proposals", lambda found: len(found) >= 1)
        assert dict(proposal.headers)["traceparent"].decode().split("-")[1] == TRACE
        told = outcome(directive, OutcomeStatus.APPLIED, directive.at_ms + 1_000)
        await publish(bench, "outcomes", encode(told), list(record.headers))
        await bench.wait_for("journal", lambda found: any(told.id.encode() in one.value for one in found))
        worker.terminate()
        _, log = worker.communicate(timeout=60)
    assert worker.returncode == 0, log
    stages = {span.name for span in spans if span.trace_id.hex() == TRACE}
    assert stages == {"decision evaluate", "decision validate", "decision learn"}
    ids = {span.span_id.hex() for span in spans}
    (learn,) = [span for span in spans if span.name == "decision learn"]
    assert learn.parent_span_id.hex() == headers["traceparent"].decode().split("-")[2] in ids
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    moved = [line for line in lines if line.get("decision_id") == directive.decision.id]
    assert {line["trace_id"] for line in moved} == {TRACE}
    assert all(line["strategy"] == "pareto" and line["decision_type"] == "model_switch" for line in moved)
