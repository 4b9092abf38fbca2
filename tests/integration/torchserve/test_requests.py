"""Requests to a real TorchServe, without a gateway, and the ports and sockets that it opens."""

import json
import logging
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from cli import main
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request
from serving import local_http
from serving.ports import HOST, PortError, Ports
from serving.torchserve.archive import archive
from serving.torchserve.server import Server, running_server
from tests.integration.client import JSON, PROBLEM, ask

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}
PREDICT, WHY = "/predictions/sales", "/explanations/sales"


def processes(server: Server) -> list[psutil.Process]:
    """Return the front end and its descendants."""
    front_end = psutil.Process(server.process.pid)
    return [front_end, *front_end.children(recursive=True)]


def test_a_forecast(server: Server) -> None:
    answer = ask(server, DAY)
    assert (answer.status, answer.kind) == (200, JSON)
    assert (answer.content["store"], answer.content["date"]) == (1, "2015-08-05")
    assert answer.content["sales"] > 0


def test_forecasts_equal_those_computed_offline(server: Server, demo_bundle: Path) -> None:
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
def test_any_content_type_is_accepted(server: Server, kind: str) -> None:
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
def test_a_bad_request_is_answered_with_its_cause(server: Server, body: bytes, status: int) -> None:
    answer = ask(server, body)
    assert (answer.status, answer.kind) == (status, PROBLEM)
    assert answer.content["status"] == status
    assert answer.content["detail"]


@pytest.mark.parametrize("query", ["?store=1&date=2015-08-05", ""])
def test_a_get_request_is_answered_with_how_to_post(server: Server, query: str) -> None:
    answer = ask(server, None, method="GET", kind="", path=f"/predictions/sales{query}")
    assert (answer.status, answer.kind) == (400, PROBLEM)
    assert "POST it with the header Content-Type: application/json" in answer.content["detail"]


def test_the_body_counts_and_the_query_does_not(server: Server) -> None:
    answer = ask(server, DAY, path="/predictions/sales?store=2&body=nothing&data=nothing")
    assert (answer.status, answer.content["store"]) == (200, 1)


def test_simultaneous_good_and_bad_requests_get_their_own_answers(server: Server) -> None:
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


def test_an_explanation_equals_one_computed_offline(server: Server, demo_bundle: Path) -> None:
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


def test_simultaneous_requests_of_all_kinds_get_their_own_answers(server: Server) -> None:
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


def test_no_header_turns_an_explanation_into_a_prediction(server: Server) -> None:
    assert "contributions" in ask(server, DAY, path=WHY, headers={"explain": "no", "Explain": "False"}).content


def test_bodies_have_at_most_ten_megabytes(server: Server) -> None:
    assert ask(server, b"[" + b" " * 10_000_000).status == 400  # the handler's answer, so it received the body
    assert ask(server, b"[" + b" " * 11_000_000).status == 413


def test_requests_write_no_line_to_the_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for _ in range(20):
        ask(server, DAY)
    assert caplog.text == ""


def test_management_registers_nothing(server: Server) -> None:
    with pytest.raises(OSError, match=r"status 40[35]"):
        local_http.ask(server.folder / "management.sock", "/models?url=https://example.org/evil.mar", method="POST")


def test_torchserve_exports_its_metrics(server: Server) -> None:
    ask(server, DAY)
    assert b'ts_inference_requests_total{model_name="sales"' in server.metrics()


def test_only_the_inference_port_is_open_and_only_on_loopback(server: Server) -> None:
    listening = [
        (each.laddr.ip.removeprefix("::ffff:"), each.laddr.port)
        for process in processes(server)
        for each in process.net_connections("inet")
        if not each.raddr
    ]
    assert listening == [(HOST, server.address)]


def test_torchserve_restarts_a_failing_worker_for_weeks(server: Server) -> None:
    """TorchServe multiplies the setting by 1,000 in 32 bits, so that a larger one would become negative."""
    for model in server.models:
        assert server.describe(model)["maxRetryTimeoutInSec"] > 20 * 24 * 3600


def test_only_the_servers_user_can_scale_workers(server: Server) -> None:
    scale = "/models/sales?min_worker=2&synchronous=true"
    socket = server.folder / "management.sock"
    assert local_http.ask(socket, scale, method="PUT", timeout=60)
    for method, path in (("PUT", scale.replace("2", "3")), ("DELETE", "/models/sales"), ("GET", "/models")):
        answer = ask(server, None, method=method, path=path)
        assert answer.status in (404, 405), path
    assert server.workers("sales") == 2
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


def test_a_second_server_leaves_nothing_and_does_not_disturb_the_first(
    server: Server, demo_bundle: Path, tmp_path: Path
) -> None:
    made = archive(demo_bundle, tmp_path)
    settings = made / "model-config.yaml"
    settings.write_text(settings.read_text().replace("maxBatchDelay: 1\n", "maxBatchDelay: 600000\n"))
    with running_server([made], port=Ports.any_free().inference, workers=1) as second:
        running = processes(second)
        private = Path(running[0].cwd())
        assert len(running) >= 2
        # A single request does not wait for others for ten minutes, as maxBatchDelay says: the client waits for one.
        assert [ask(each, DAY).status for each in (server, second)] == [200, 200]
    assert not any(process.is_running() for process in running)
    assert not private.exists()
    assert ask(server, DAY).status == 200


def test_a_wrong_serve_command_writes_no_archive(server: Server, demo_bundle: Path, tmp_path: Path) -> None:
    store, other = tmp_path / "store", tmp_path / "other"
    shutil.copytree(demo_bundle, other)
    taken = server.address
    options = ["--port", str(taken), "--model-store", str(store)]
    for bundles, message in (
        ([other], f"port {taken} "),
        ([demo_bundle, other], f"{demo_bundle} and {other} are both named 'sales'"),
        ([demo_bundle, tmp_path / "nowhere"], "nowhere is not a bundle"),
    ):
        result = CliRunner().invoke(main, ["serve", *map(str, bundles), *options])
        assert result.exit_code == 2
        assert message in result.output
        assert not store.exists()


def test_a_port_in_use_is_named(server: Server, archived: Path) -> None:
    with (
        pytest.raises(PortError, match=f"port {server.address} .*--port"),
        running_server([archived], port=server.address),
    ):
        pass
