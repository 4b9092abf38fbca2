"""Traces of requests: where the gateway sends its spans, from the standard environment variables of OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from serving.gateway.errors import GatewayError

_PREFIX = "OTEL_EXPORTER_OTLP_"
# OpenTelemetry's own default is all requests. That costs Envoy a third more CPU time (benchmarks.gateway_cost).
_DEFAULT_SHARE = "0.1"
# By the name of the sampler: the share of the requests that get a trace, None for that of OTEL_TRACES_SAMPLER_ARG, and
# whether a client's traceparent decides instead.
_SAMPLERS = {
    "always_on": (1.0, False),
    "traceidratio": (None, False),
    "parentbased_always_on": (1.0, True),
    "parentbased_traceidratio": (None, True),
    "parentbased_always_off": (0.0, True),
}


@dataclass(frozen=True)
class Tracing:
    """Destination and share of the spans.

    Attributes:
        url: address of the collector that receives OTLP over HTTP.
        service_name: name of this service in traces.
        share: share of requests that get a trace, from 0 to 1.
        parent_based: True if the traceparent decides, where a client sends one.
        timeout: seconds that the collector has to answer.
        headers: headers for the collector, such as its key.
        has_attributes: True if OTEL_RESOURCE_ATTRIBUTES, which Envoy reads, describes this service.
    """

    url: SplitResult
    service_name: str
    share: float
    parent_based: bool
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    has_attributes: bool = False

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the collector."""
        return str(self.url.hostname), self.url.port or (443 if self.url.scheme == "https" else 80)

    def envoy_sampler(self) -> dict[str, Any]:
        """Return the sampler in the form of Envoy's configuration."""
        kinds = "type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3"
        name = "envoy.tracers.opentelemetry.samplers"
        share = {"numerator": round(self.share * 1e6), "denominator": "MILLION"}
        ratio = {
            "name": f"{name}.trace_id_ratio_based",
            "typed_config": {"@type": f"{kinds}.TraceIdRatioBasedSamplerConfig", "sampling_percentage": share},
        }
        if not self.parent_based:
            return ratio
        config = {"@type": f"{kinds}.ParentBasedSamplerConfig", "wrapped_sampler": ratio}
        return {"name": f"{name}.parent_based", "typed_config": config}


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
    sampler = environment.get("OTEL_TRACES_SAMPLER") or "parentbased_traceidratio"
    if sampler == "always_off":
        return None
    if sampler not in _SAMPLERS:
        raise GatewayError(
            f"OTEL_TRACES_SAMPLER={sampler} is not supported; set always_off or one of {', '.join(_SAMPLERS)}"
        )
    share, parent_based = _SAMPLERS[sampler]
    if share is None:
        default = "1" if environment.get("OTEL_TRACES_SAMPLER") else _DEFAULT_SHARE
        share = _number("OTEL_TRACES_SAMPLER_ARG", environment.get("OTEL_TRACES_SAMPLER_ARG") or default, 1)
    return Tracing(
        url,
        environment.get("OTEL_SERVICE_NAME") or "shopcat",
        share,
        parent_based,
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
