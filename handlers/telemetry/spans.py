"""Spans of a worker for OpenTelemetry: one for each request, with a child for each stage.

They are made after the responses have been sent, from the times that telemetry has anyway. The gateway's span is the
parent; its ``traceparent`` says whether the request has a trace.
"""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

logger = logging.getLogger(__name__)

TRACE_HEADER, ID_HEADER = b"traceparent", b"x-request-id"
PER_SECOND = 100.0  # requests of a worker that get spans; why: each takes 0.2 ms of a core, so all take 2 percent


class TracedBatch(Protocol):
    """Part of `handlers.telemetry.recorder.BatchRecord` that spans are made of."""

    @property
    def traces(self) -> Sequence[bytes | None]:
        """Return the ``traceparent`` of each request; empty without traces."""
        ...

    @property
    def request_ids(self) -> Sequence[bytes | None]:
        """Return the id of each request."""
        ...

    @property
    def seconds(self) -> Mapping[str, float]:
        """Return the seconds by stage, in order."""
        ...

    @property
    def end(self) -> float:
        """Return the time of the end in seconds since 1970."""
        ...

    @property
    def size(self) -> int:
        """Return the number of requests."""
        ...

    @property
    def statuses(self) -> Mapping[int, int]:
        """Return the HTTP statuses of the requests with a problem, by index."""
        ...

    @property
    def error_ids(self) -> Mapping[int, str]:
        """Return the ids of internal errors, by index."""
        ...


class Spans:
    """Makes the spans of a worker, and sends them from a thread of the OpenTelemetry SDK."""

    def __init__(self, model: str, version: str) -> None:
        """Start the exporter with the settings in the standard environment variables.

        Raises:
            ImportError: if the packages of the extra ``tracing`` are not installed.
        """
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace, self._span = trace, ReadableSpan
        name = os.environ.get("OTEL_SERVICE_NAME") or "shopcat"
        self._resource = Resource.create({"service.name": name})
        self._scope = InstrumentationScope("shopcat", version)
        self._attributes = {"shopcat.model": model, "shopcat.version": version, "process.pid": os.getpid()}
        self._new_id = RandomIdGenerator().generate_span_id
        self._extract = TraceContextTextMapPropagator().extract
        self._processor = BatchSpanProcessor(OTLPSpanExporter())
        self._quota, self._refilled = PER_SECOND, time.monotonic()
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # a collector may be away for hours

    def record(self, batch: TracedBatch, queue: Sequence[float]) -> None:
        """Make the spans of a batch; ``queue`` has the seconds of each request in the queue, NaN if unknown."""
        now = time.monotonic()
        self._quota = min(self._quota + (now - self._refilled) * PER_SECOND, PER_SECOND)
        self._refilled = now
        for index, header in enumerate(batch.traces):
            if header is None or self._quota < 1:
                continue
            context = self._extract({TRACE_HEADER.decode(): header.decode("ascii", "replace")})
            parent = self._trace.get_current_span(context).get_span_context()
            if parent.is_valid and parent.trace_flags.sampled:
                self._quota -= 1
                self._make(batch, index, parent, queue[index])

    def flush(self) -> None:
        """Send all spans, for at most a second."""
        self._processor.force_flush(1000)

    def _make(self, batch: TracedBatch, index: int, parent: Any, queue: float) -> None:
        """Make the span of one request, and its children."""
        status = batch.statuses.get(index, 200)
        end = batch.end
        began = end - sum(batch.seconds.values())
        start = began - queue if queue == queue else began  # not if it is NaN
        attributes = {
            **self._attributes,
            "shopcat.batch.size": batch.size,
            "http.response.status_code": status,
        }
        if batch.request_ids and (request_id := batch.request_ids[index]):
            attributes["guid:x-request-id"] = request_id.decode("ascii", "replace")
        if error_id := batch.error_ids.get(index):
            attributes["shopcat.error_id"] = error_id
        context = self._context(parent)
        failed = self._trace.StatusCode.ERROR if status >= 500 else self._trace.StatusCode.UNSET
        self._end(f"worker {attributes['shopcat.model']}", context, parent, start, end, attributes, failed)
        stages = ({"queue": queue} if queue == queue else {}) | dict(batch.seconds)
        for stage, seconds in stages.items():
            self._end(stage, self._context(parent), context, start, start + seconds)
            start += seconds

    def _context(self, parent: Any) -> Any:
        return self._trace.SpanContext(parent.trace_id, self._new_id(), False, parent.trace_flags)

    def _end(
        self,
        name: str,
        context: Any,
        parent: Any,
        start: float,
        end: float,
        attributes: Mapping[str, Any] | None = None,
        status: Any = None,
    ) -> None:
        self._processor.on_end(
            self._span(
                name,
                context=context,
                parent=parent,
                resource=self._resource,
                attributes=attributes or {},
                kind=self._trace.SpanKind.SERVER if attributes else self._trace.SpanKind.INTERNAL,
                instrumentation_scope=self._scope,
                status=self._trace.Status(status or self._trace.StatusCode.UNSET),
                start_time=int(start * 1e9),
                end_time=int(end * 1e9),
            )
        )


def make_spans(model: str, version: str) -> Spans | None:
    """Return the maker of spans; None if no collector is named, tracing is disabled, or its packages are missing."""
    names = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or os.environ.get("OTEL_TRACES_EXPORTER") == "none" or not any(map(os.environ.get, names)):
        return None
    try:
        return Spans(model, version)
    except ImportError as error:
        logger.warning("workers send no spans, only the gateway does: %s; pip install 'shopcat[tracing]'", error)
        return None
