"""Spans of the gateway, as a real collector receives them."""

from collections.abc import Iterator

import pytest

from serving.gateway.envoy import Gateway, running_gateway
from serving.gateway.tracing import DRAW_HEADER, tracing_from
from tests.integration.client import ask
from tests.integration.collector import Collector, collecting
from tests.integration.gateway.helpers import MODELS, SHOP, constant, settings
from tests.integration.gateway.standin import StandIn

pytestmark = pytest.mark.integration

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KEY = {"X-API-Key": SHOP.key}


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with collecting(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def traced(shared_stand_in: StandIn, collector: Collector) -> Iterator[Gateway]:
    """A gateway that traces every request, unless its client says that it traces nothing."""
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_TRACES_SAMPLER": "parentbased_always_on"}
    tracing = tracing_from(variables)
    config = settings(keys=constant(SHOP), tracing=tracing, probes_port=shared_stand_in.port)
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


@pytest.fixture(scope="module")
def by_default(shared_stand_in: StandIn, collector: Collector) -> Iterator[Gateway]:
    """A gateway with the default share of traces."""
    config = settings(tracing=tracing_from({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}))
    with running_gateway(config, MODELS, [shared_stand_in.socket]) as running:
        yield running


def test_a_request_has_a_span_and_its_worker_the_spans_id(
    traced: Gateway, collector: Collector, stand_in: StandIn
) -> None:
    answer = ask(traced, b"{}", headers={**KEY, "X-Request-Id": "mine"})
    _, trace_id, span_id, flags = answer.content["headers"]["traceparent"].split("-")
    assert (flags, answer.headers["traceparent"]) == ("01", answer.content["headers"]["traceparent"])
    (span,) = collector.trace(trace_id, 1)
    assert (span.span_id, span.parent_id) == (span_id, "")
    assert (span.name, span.service) == ("POST /predictions/sales", "shopcat")
    expected = {"http.status_code": "200", "guid:x-request-id": "mine", "shopcat.client": "shop"}
    assert expected.items() <= span.attributes.items()
    assert SHOP.key not in str(span)
    assert 0 < span.start_ns <= span.end_ns


def test_a_clients_trace_is_continued(traced: Gateway, collector: Collector, stand_in: StandIn) -> None:
    sent = f"00-{TRACE_ID}-{PARENT_ID}-01"
    answer = ask(traced, b"{}", headers={**KEY, "traceparent": sent})
    received = answer.content["headers"]["traceparent"]
    (span,) = collector.trace(TRACE_ID, 1)
    assert (span.parent_id, received) == (PARENT_ID, f"00-{TRACE_ID}-{span.span_id}-01")


def test_a_request_whose_client_traces_nothing_has_no_span(
    traced: Gateway, collector: Collector, stand_in: StandIn
) -> None:
    unsampled = "00-11111111111111111111111111111111-00f067aa0ba902b7-00"
    assert ask(traced, b"{}", headers={**KEY, "traceparent": unsampled}).status == 200
    last = ask(traced, b"{}", headers=KEY).headers["traceparent"].split("-")[1]
    collector.trace(last, 1)
    assert "1" * 32 not in {span.trace_id for span in collector.spans}


@pytest.mark.parametrize("trace_id", [TRACE_ID, "0" * 31 + "1"])
def test_a_client_cannot_decide_that_its_requests_are_traced(
    by_default: Gateway, stand_in: StandIn, trace_id: str
) -> None:
    headers = {"traceparent": f"00-{trace_id}-{PARENT_ID}-01", DRAW_HEADER: "0"}
    received = [ask(by_default, b"{}", headers=headers).content["headers"] for _ in range(200)]
    traces = [headers["traceparent"].split("-") for headers in received]
    assert {trace for _, trace, _, _ in traces} == {trace_id}
    assert 0 < [flags for *_, flags in traces].count("01") < 60  # a tenth
    assert not any(DRAW_HEADER in headers for headers in received)


def test_an_absent_collector_costs_no_answer(stand_in: StandIn) -> None:
    tracing = tracing_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    with running_gateway(settings(tracing=tracing), MODELS, [stand_in.socket]) as gateway:
        assert {ask(gateway, b"{}").status for _ in range(20)} == {200}


def test_the_share_of_traced_requests_is_a_setting(stand_in: StandIn, collector: Collector) -> None:
    settings_ = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    tracing = tracing_from({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, **settings_})
    with running_gateway(settings(tracing=tracing), MODELS, [stand_in.socket]) as gateway:
        flags = [ask(gateway, b"{}").headers["traceparent"][-2:] for _ in range(100)]
    assert 20 < flags.count("01") < 80
