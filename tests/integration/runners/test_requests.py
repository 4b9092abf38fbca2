"""Requests that every runner answers alike, without a gateway, and the ports that it opens."""

import json
import logging
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from handlers.worker_settings import worker_environment
from runtime.receipts import make_key, verify
from sales.forecaster import Forecaster
from schemas.feedback.claims import SalesClaims
from schemas.sales.parse import parse_request
from serving.ports import HOST
from tests.integration.client import JSON, PROBLEM, ask
from tests.integration.runners.direct import Direct, admit_all, running_directly
from tests.integration.runners.kinds import RunnerKind

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}
PREDICT, WHY = "/predictions/sales", "/explanations/sales"


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "receipt.key"


@pytest.fixture(scope="module")
def receipt_key(key_file: Path) -> bytes:
    """The key that signs the receipts of `server`."""
    return make_key(key_file)


@pytest.fixture(scope="module")
def server(
    runner: RunnerKind, archived: Path, tmp_path_factory: pytest.TempPathFactory, key_file: Path, receipt_key: bytes
) -> Iterator[Direct]:
    """A runner with two workers, which admit any number of requests and sign receipts."""
    copy = shutil.copytree(archived, tmp_path_factory.mktemp("unlimited") / archived.name)
    admit_all(copy)
    environment = worker_environment(receipt_key=key_file)
    with running_directly(runner, [copy], workers=2, environment=environment) as running:
        yield running


def test_a_forecast(server: Direct) -> None:
    answer = ask(server, DAY)
    assert (answer.status, answer.kind) == (200, JSON)
    assert (answer.content["store"], answer.content["date"]) == (1, "2015-08-05")
    assert answer.content["sales"] > 0


def test_a_receipt_claims_the_forecast(server: Direct, receipt_key: bytes) -> None:
    answer = ask(server, DAY | {"receipt": True})
    claims = SalesClaims.model_validate(verify(answer.content["receipt"], receipt_key))
    assert (claims.stores, claims.sales, claims.version) == ([1], [answer.content["sales"]], answer.content["version"])
    assert "receipt" not in ask(server, DAY).content


def test_forecasts_equal_those_computed_offline(server: Direct, demo_bundle: Path) -> None:
    forecaster = Forecaster.load(demo_bundle)
    body = {"items": [{"store": 1 + row % 12, "date": f"2015-08-{1 + row % 28:02}"} for row in range(1000)]}
    (offline,) = forecaster.predict([parse_request(json.dumps(body).encode())])
    ours, theirs = json.loads(offline.to_json())["items"], ask(server, body).content["items"]
    assert [item["sales"] for item in theirs] == pytest.approx([item["sales"] for item in ours], rel=1e-4)
    assert [item["warnings"] for item in theirs] == [item["warnings"] for item in ours]


@pytest.mark.parametrize(
    "kind",
    [
        *(JSON, "application/json; charset=utf-8", "text/plain", "application/octet-stream", ""),
        "application/x-www-form-urlencoded",  # the default of curl -d
        "multipart/form-data; boundary=b",
    ],
)
def test_any_content_type_is_accepted(server: Direct, kind: str) -> None:
    answer = ask(server, DAY, kind=kind)
    assert (answer.status, answer.kind) == (200, JSON)
    assert (answer.content["store"], answer.content["date"]) == (1, "2015-08-05")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"store": 1, "date": ', 400),
        (b"", 400),
        (b"\xff\xfe\x00", 400),
        (b"null", 400),
        (b'"' + "ü".encode() * 1000 + b'"', 400),
        (b'{"store": 1, "date": "2015-08-05", "weather": {"cloud_cover": NaN}}', 400),
        (b"[" * 100_000, 400),
        (b'{"store": 987654, "date": "2015-08-05"}', 404),
        (b'{"store": 1, "date": "2015-02-30"}', 422),
        (b'{"store": "\xc3\xbc\xe2\x82\xac", "date": "2015-08-05"}', 404),
        (b'{"items": []}', 422),
    ],
)
def test_a_bad_request_is_answered_with_its_cause(server: Direct, body: bytes, status: int) -> None:
    answer = ask(server, body)
    assert (answer.status, answer.kind) == (status, PROBLEM)
    assert answer.content["status"] == status
    assert answer.content["detail"]


def test_the_body_counts_and_the_query_does_not(server: Direct) -> None:
    answer = ask(server, DAY, path="/predictions/sales?store=2&body=nothing&data=nothing")
    assert (answer.status, answer.content["store"]) == (200, 1)


def test_simultaneous_good_and_bad_requests_get_their_own_answers(server: Direct) -> None:
    """There are enough at a time that batches mix them."""
    kinds: list[tuple[bytes, int]] = [
        (json.dumps(DAY).encode(), 200),
        (b"nothing", 400),
        (json.dumps(DAY | {"store": 2}).encode(), 200),
        (json.dumps(DAY | {"store": 987654}).encode(), 404),
        (json.dumps(DAY | {"promo": "perhaps"}).encode(), 422),
    ]
    asked = kinds * 60
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda each: ask(server, each[0]), asked))
    assert [answer.status for answer in answers] == [status for _, status in asked]
    alone = {store: ask(server, DAY | {"store": store}).content["sales"] for store in (1, 2)}
    for answer in answers:
        if answer.status == 200:
            assert answer.content["sales"] == pytest.approx(alone[answer.content["store"]], rel=1e-5)


def test_an_explanation_equals_one_computed_offline(server: Direct, demo_bundle: Path) -> None:
    body = {"store": 1, "start": "2015-08-03", "days": 7, "promo": True}
    (offline,) = Forecaster.load(demo_bundle).predict([parse_request(json.dumps(body).encode(), explain=True)])
    answer = ask(server, body, path=WHY)
    assert (answer.status, answer.kind) == (200, JSON)
    assert_close(answer.content, json.loads(offline.to_json()))


def assert_close(answer: Any, expected: Any, within: float = 3e-5) -> None:
    """Check that two answers are equal, up to the rounding of float32 in batches of other sizes."""
    if isinstance(expected, dict):
        assert answer.keys() == expected.keys()
        for name, value in expected.items():
            assert_close(answer[name], value)
    elif isinstance(expected, list):
        assert len(answer) == len(expected)
        for one, other in zip(answer, expected, strict=True):
            assert_close(one, other)
    else:
        assert answer == (pytest.approx(expected, rel=within, abs=within) if isinstance(expected, float) else expected)


def test_simultaneous_requests_of_all_kinds_get_their_own_answers(server: Direct) -> None:
    """There are enough at a time that batches mix them."""
    other = DAY | {"store": 2}
    many = {"items": [DAY, other, DAY | {"store": 987654}]}
    kinds: list[tuple[str, Any, int]] = [
        (PREDICT, DAY, 200),
        (WHY, DAY, 200),
        (PREDICT, b"nothing", 400),
        (WHY, b"nothing", 400),
        (PREDICT, DAY | {"what_if": {"promo": True}}, 200),
        (WHY, DAY | {"what_if": {"promo": True}}, 422),
        (PREDICT, many, 200),
        (WHY, many, 200),
        (WHY, other | {"open": False}, 200),
        (PREDICT, DAY | {"what_if": {}}, 422),
        (WHY, {"store": 1, "start": "2015-08-03", "days": 51}, 422),
        (WHY, DAY | {"store": 987654}, 404),
        (PREDICT, other, 200),
    ]
    alone = [ask(server, body, path=path) for path, body, _ in kinds]
    assert [answer.status for answer in alone] == [status for _, _, status in kinds]
    order = [number % len(kinds) for number in range(40 * len(kinds))]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: ask(server, kinds[number][1], path=kinds[number][0]), order))
    for number, answer in zip(order, answers, strict=True):
        assert (answer.status, answer.kind) == (alone[number].status, alone[number].kind)
        assert_close(answer.content, alone[number].content)
    explained, closed = alone[1].content, alone[8].content
    assert explained["contributions"]
    assert closed["unexplained"]
    assert alone[4].content["what_if"]["ratio"] > 0


def test_no_header_turns_an_explanation_into_a_prediction(server: Direct) -> None:
    assert "contributions" in ask(server, DAY, path=WHY, headers={"explain": "no", "Explain": "False"}).content


def test_requests_write_no_line_to_the_log(server: Direct, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(20):
        ask(server, DAY)
    assert caplog.text == ""


def test_only_the_inference_port_is_open_and_only_on_loopback(server: Direct) -> None:
    listening = {
        (connection.laddr.ip.removeprefix("::ffff:"), connection.laddr.port)
        for process in server.processes()
        for connection in process.net_connections("inet")
        if not connection.raddr
    }
    assert listening == {(HOST, server.port(PREDICT))}
