"""A real OpenTelemetry collector, Rotel, and the spans that it has received."""

import contextlib
import gzip
import http.server
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from serving.ports import HOST
from tests.integration.waiting import until


@dataclass(frozen=True)
class Span:
    """A span as the collector has passed it on."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str]


@dataclass
class Collector:
    """A running collector.

    Attributes:
        endpoint: its address for OTLP over HTTP.
        spans: spans that it has received so far.
    """

    endpoint: str
    spans: list[Span] = field(default_factory=list)

    def trace(self, trace_id: str, count: int) -> list[Span]:
        """Wait for some spans of a trace, and return them by their start."""

        def found() -> list[Span]:
            return [span for span in self.spans if span.trace_id == trace_id]

        assert until(lambda: len(found()) >= count), found()
        return sorted(found(), key=lambda span: span.start_ns)


@contextlib.contextmanager
def collecting(folder: Path) -> Iterator[Collector]:
    """Run a collector that sends the spans on to this process, until the block ends."""
    rotel = pytest.importorskip("rotel", reason="needs rotel, the collector; pip install '.[test]'")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                content = gzip.decompress(content)
            collector.spans += _spans(ExportTraceServiceRequest.FromString(content))
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        with socket.socket() as grpc, socket.socket() as otlp:
            for held in (grpc, otlp):
                held.bind((HOST, 0))
            grpc_port, port = grpc.getsockname()[1], otlp.getsockname()[1]
        collector = Collector(f"http://{HOST}:{port}")
        command = [str(Path(rotel.__file__).with_name("rotel-agent")), "start", "--exporter", "otlp"]
        command += ["--otlp-exporter-endpoint", f"http://{HOST}:{receiver.server_address[1]}"]
        command += ["--otlp-exporter-protocol", "http"]
        command += ["--otlp-grpc-endpoint", f"{HOST}:{grpc_port}", "--otlp-http-endpoint", f"{HOST}:{port}"]
        command += ["--pid-file", str(folder / "pid"), "--log-file", str(folder / "log"), "--batch-timeout", "50ms"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert until(lambda: _listens(port))
            yield collector
        finally:
            process.terminate()
            process.wait(30)
            receiver.shutdown()
            thread.join()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _spans(request: Any) -> Iterator[Span]:
    """Yield the spans of a request of OTLP."""
    for resource in request.resource_spans:
        service = _attributes(resource.resource.attributes).get("service.name", "")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    service,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    _attributes(span.attributes),
                )


def _attributes(attributes: Any) -> dict[str, str]:
    return {item.key: str(getattr(item.value, item.value.WhichOneof("value"))) for item in attributes}
