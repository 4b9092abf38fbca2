"""Traces of requests: where the gateway sends its spans, from the standard environment variables of OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from serving.gateway.errors import GatewayError

Decision = Literal["chance", "trace id", "client"]

_PREFIX = "OTEL_EXPORTER_OTLP_"
# OpenTelemetry's own default is all requests. That costs Envoy two fifths more CPU time (benchmarks.gateway_cost).
_DEFAULT_SHARE = "0.1"
DRAW_HEADER = "x-shopcat-draw"  # of requests inside the gateway: a new UUID, whose first 32 bits are random
# By the name of the sampler: the share of the requests that get a trace, None for that of OTEL_TRACES_SAMPLER_ARG, and
# what decides. The default has no name in the standard: a client chooses its traceparent, with the trace ID in it.
_SAMPLERS: dict[str, tuple[float | None, Decision]] = {
    "": (None, "chance"),
    "always_on": (1.0, "trace id"),
    "traceidratio": (None, "trace id"),
    "parentbased_always_on": (1.0, "client"),
    "parentbased_traceidratio": (None, "client"),
    "parentbased_always_off": (0.0, "client"),
}


@dataclass(frozen=True)
class Tracing:
    """Destination and share of the spans.

    Attributes:
        url: address of the collector that receives OTLP over HTTP.
        service_name: name of this service in traces.
        share: share of requests that get a trace, from 0 to 1.
        decision: what decides if a request is one of the share: chance, its trace ID, or the traceparent of its client,
            where it has one.
        timeout: seconds that the collector has to answer.
        headers: headers for the collector, such as its key.
        has_attributes: True if OTEL_RESOURCE_ATTRIBUTES, which Envoy reads, describes this service.
    """

    url: SplitResult
    service_name: str
    share: float
    decision: Decision
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_attributes: bool = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the collector."""
        return str(self.url.hostname), self.url.port or (443 if self.url.scheme == "https" else 80)

    def envoy_sampler(self) -> dict[str, Any]:
        """Return the sampler in the form of Envoy's configuration."""
        if self.decision == "chance":
            return _sampler("cel", "CELSamplerConfig", expression={"cel_expr_parsed": {"expr": _is_drawn(self.share)}})
        share = {"numerator": round(self.share * 1e6), "denominator": "MILLION"}
        ratio = _sampler("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", sampling_percentage=share)
        if self.decision == "trace id":
            return ratio
        return _sampler("parent_based", "ParentBasedSamplerConfig", wrapped_sampler=ratio)


def _sampler(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    kind = f"type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.{kind}"
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": {"@type": kind, **settings}}


def _is_drawn(share: float) -> dict[str, Any]:
    """Return the expression ``request.headers[DRAW_HEADER] < LIMIT`` in the parsed form, the only one Envoy takes here.

    The header begins with 32 random bits in hexadecimal. A share of them is below the limit.
    """
    limit = f"{int(share * 2**32):08x}" if share < 1 else "g"
    headers = {"select_expr": {"operand": {"ident_expr": {"name": "request"}}, "field": "headers"}}
    name, value = ({"const_expr": {"string_value": text}} for text in (DRAW_HEADER, limit))
    header = {"call_expr": {"function": "_[_]", "args": [headers, name]}}
    return {"call_expr": {"function": "_<_", "args": [header, value]}}


def tracing_from(environment: Mapping[str, str]) -> Tracing | None:
    """Return the settings in environment variables; None if no collector is named, or tracing is disabled.

    Raises:
        GatewayError: if a variable has a value that is invalid or not supported.
    """

    def setting(name: str, default: str = "") -> str:
        """Return a variable for traces, or that for all signals."""
        return environment.get(f"{_PREFIX}TRACES_{name}") or environment.get(f"{_PREFIX}{name}") or default

    specific = environment.get(f"{_PREFIX}TRACES_ENDPOINT")
    general = environment.get(f"{_PREFIX}ENDPOINT")
    endpoint = specific or (general and f"{general.rstrip('/')}/v1/traces")
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if not endpoint or disabled or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    name = f"{_PREFIX}TRACES_ENDPOINT" if specific else f"{_PREFIX}ENDPOINT"
    try:
        url = urlsplit(endpoint)
        valid = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise GatewayError(f"{name}={specific or general} is not an address like http://localhost:4318")
    if (protocol := setting("PROTOCOL", "http/protobuf")) != "http/protobuf":
        raise GatewayError(
            f"{_PREFIX}PROTOCOL={protocol} is not supported; set http/protobuf, and the collector's port for it (4318)"
        )
    sampler = environment.get("OTEL_TRACES_SAMPLER") or ""
    if sampler == "always_off":
        return None
    if sampler not in _SAMPLERS:
        names = ", ".join(filter(None, _SAMPLERS))
        raise GatewayError(f"OTEL_TRACES_SAMPLER={sampler} is not supported; set always_off or one of {names}")
    share, decision = _SAMPLERS[sampler]
    if share is None:
        default = "1" if sampler else _DEFAULT_SHARE
        share = _number("OTEL_TRACES_SAMPLER_ARG", environment.get("OTEL_TRACES_SAMPLER_ARG") or default, 1)
    return Tracing(
        url,
        environment.get("OTEL_SERVICE_NAME") or "shopcat",
        share,
        decision,
        _number(f"{_PREFIX}TIMEOUT", setting("TIMEOUT", "10000"), 1e6) / 1000,
        _headers(setting("HEADERS")),
        bool(environment.get("OTEL_RESOURCE_ATTRIBUTES")),
    )


def _number(name: str, text: str, largest: float) -> float:
    """Return the number in a variable's text."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= largest:
        raise GatewayError(f"{name}={text} is not a number from 0 to {largest:g}")
    return number


def _headers(text: str) -> dict[str, str]:
    """Return the headers of a list like ``api-key=secret,tenant=shop``; the error does not repeat it."""
    headers = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        name, separator, value = pair.partition("=")
        if not separator:
            raise GatewayError(f"{_PREFIX}HEADERS is not a list like name=value,name=value")
        headers[name.strip().lower()] = unquote(value.strip())
    return headers
