"""handlers.telemetry.spans: spans of a worker, as a receiver of OTLP over HTTP gets them."""

import http.server
import itertools
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from handlers.telemetry.spans import PER_SECOND, Spans, make_spans
from tests.handlers.telemetry.test_recorder import Worker

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Receiver(http.server.ThreadingHTTPServer):
    """A receiver that keeps all spans."""

    def __init__(self) -> None:
        self.resources: list[dict[str, str]] = []
        self.spans: list[Span] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.resources.append(_attributes(resource.resource))
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


def _attributes(message: Any) -> dict[str, str]:
    return {item.key: item.value.string_value or str(item.value.int_value) for item in message.attributes}


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        yield server
        server.shutdown()
        thread.join()


def traced_worker(model: str, folder: Path) -> Worker:
    spans = make_spans(model, "1")
    assert isinstance(spans, Spans)
    return Worker(model, folder, spans=spans)


def test_a_request_gets_a_span_below_the_gateways_with_its_stages(receiver: Receiver, tmp_path: Path) -> None:
    worker = traced_worker("traced", tmp_path)
    start = time.time() - 0.5
    headers = {
        "traceparent": f"00-{TRACE}-{PARENT}-01",
        "x-request-id": "theirs",
        "x-request-start": str(int(start * 1e6)),
    }
    worker.answer((b"1", headers), (b"bug", headers))
    worker.telemetry.flush(last=True)
    answered, failed = (span for span in receiver.spans if span.name == "worker traced")
    assert (answered.trace_id.hex(), answered.parent_span_id.hex()) == (TRACE, PARENT)
    assert _attributes(answered)["guid:x-request-id"] == "theirs"
    assert (_attributes(answered)["http.response.status_code"], answered.status.code) == ("200", 0)
    assert _attributes(failed)["shopcat.error_id"] == worker.lines()[1]["error_id"]
    assert failed.status.code == 2
    children = [span for span in receiver.spans if span.parent_span_id == answered.span_id]
    assert [span.name for span in children] == ["queue", "parse", "encode"]
    assert children[0].start_time_unix_nano == pytest.approx(start * 1e9, abs=1e6)
    assert children[-1].end_time_unix_nano == pytest.approx(answered.end_time_unix_nano, abs=1e6)
    assert all(a.end_time_unix_nano == b.start_time_unix_nano for a, b in itertools.pairwise(children))
    assert receiver.resources[0].items() >= {"service.name": "shopcat", "deployment.environment": "test"}.items()


def test_a_request_that_is_not_sampled_has_no_span(receiver: Receiver, tmp_path: Path) -> None:
    worker = traced_worker("unsampled", tmp_path)
    for traceparent in (f"00-{TRACE}-{PARENT}-00", "nonsense", "00-" + "0" * 32 + f"-{PARENT}-01", "é" * 200):
        worker.answer((b"1", {"traceparent": traceparent}))
    worker.answer((b"1", {}))
    worker.telemetry.flush(last=True)
    assert receiver.spans == []


def test_the_number_of_spans_per_second_is_bounded(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.telemetry.spans.time.monotonic", lambda: 1000.0)
    worker = traced_worker("busy", tmp_path)
    for _ in range(int(PER_SECOND) + 50):
        worker.answer((b"1", {"traceparent": f"00-{TRACE}-{PARENT}-01"}))
    worker.telemetry.flush()
    monkeypatch.undo()
    worker.telemetry.flush(last=True)
    assert len([span for span in receiver.spans if span.name == "worker busy"]) == PER_SECOND


@pytest.mark.parametrize("variable", [None, "OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"])
def test_without_a_collector_there_are_no_spans(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    if variable:
        monkeypatch.setenv(*variable.split("="))
    else:
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    assert make_spans("sales", "1") is None


def test_missing_packages_are_reported(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert make_spans("sales", "1") is None
    assert "pip install 'shopcat[tracing]'" in caplog.text
