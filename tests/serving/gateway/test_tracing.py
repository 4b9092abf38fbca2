"""serving.gateway.tracing: the environment variables of OpenTelemetry."""

from collections.abc import Mapping

import pytest

from serving.gateway.errors import GatewayError
from serving.gateway.tracing import tracing_from

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "shop"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
        {**ENDPOINT, "OTEL_TRACES_SAMPLER": "always_off"},
    ],
)
def test_without_a_collector_there_are_no_traces(environment: Mapping[str, str]) -> None:
    assert tracing_from(environment) is None


@pytest.mark.parametrize(
    ("environment", "url", "address"),
    [
        (ENDPOINT, "http://collector:4318/v1/traces", ("collector", 4318)),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example/otlp/"},
            "https://c.example/otlp/v1/traces",
            ("c.example", 443),
        ),
        (
            {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1]/traces"},
            "http://[::1]/traces",
            ("::1", 80),
        ),
    ],
)
def test_the_address_follows_the_standard(environment: Mapping[str, str], url: str, address: tuple[str, int]) -> None:
    tracing = tracing_from(environment)
    assert tracing
    assert (tracing.url.geturl(), tracing.address) == (url, address)


def test_the_other_settings_follow_the_standard() -> None:
    tracing = tracing_from(ENDPOINT)
    assert tracing
    assert (tracing.service_name, tracing.share, tracing.decision, tracing.timeout) == ("shopcat", 0.1, "chance", 10)
    tracing = tracing_from(
        {
            **ENDPOINT,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_TRACES_SAMPLER": "traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
            "OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=se%3Dcret, tenant=a",
        }
    )
    assert tracing
    assert (tracing.service_name, tracing.share, tracing.decision, tracing.timeout) == ("shop", 0.25, "trace id", 2.5)
    assert tracing.headers == {"api-key": "se=cret", "tenant": "a"}
    assert "cret" not in repr(tracing)
    for sampler in ("always_on", "parentbased_always_on", "parentbased_traceidratio"):
        tracing = tracing_from({**ENDPOINT, "OTEL_TRACES_SAMPLER": sampler})
        assert tracing
        assert (tracing.share, tracing.decision) == (1, "client" if sampler.startswith("parentbased") else "trace id")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "ENDPOINT=collector:4318 is not an address like http"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:x"}, "is not an address"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "PROTOCOL=grpc is not supported; set http/protobuf"),
        (
            {**ENDPOINT, "OTEL_TRACES_SAMPLER": "jaeger_remote"},
            "SAMPLER=jaeger_remote is not supported; set always_off or one of",
        ),
        (
            {**ENDPOINT, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
            "SAMPLER_ARG=2 is not a number from 0 to 1",
        ),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "TIMEOUT=soon is not a number"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "HEADERS is not a list like name=value"),
    ],
)
def test_an_invalid_variable_is_named(environment: Mapping[str, str], message: str) -> None:
    with pytest.raises(GatewayError, match=message) as raised:
        tracing_from(environment)
    assert "secret" not in str(raised.value)
