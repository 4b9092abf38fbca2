"""serving.service: how much of each model is let in."""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.problems import ProblemError
from schemas.sales.parse import parse_request
from serving.gateway.admission import QUEUE, served_models
from serving.gateway.config import AdmissionLimit, GatewayConfig, GatewayError, ServedModel
from serving.gateway.envoy import Gateway
from serving.service import Service
from serving.torchserve.archive import SETTINGS
from serving.torchserve.server import Server


def let_in(folder: Path, workers: int, instances: int = 1, settings: str = "") -> dict[str, ServedModel]:
    """How much is let in of both models, with settings of the sales model's own if there are any."""
    models = {name: folder / name for name in ("sales", "pets")}
    for name, archive in models.items():
        archive.mkdir()
        shutil.copyfile(SETTINGS / f"{name}.yaml", archive / "model-config.yaml")
    if settings:
        (models["sales"] / "model-config.yaml").write_text(settings)
    server: Any = SimpleNamespace(models=models, workers=lambda _: workers)
    return {model.name: model for model in served_models(server, instances)}


def test_there_is_room_for_each_worker_of_each_torchserve(tmp_path: Path) -> None:
    found = let_in(tmp_path, workers=2, instances=3)
    assert (found["pets"].workers, found["pets"].max_concurrent, found["pets"].limits) == (6, 6 * 4, [])
    assert (found["sales"].max_concurrent, found["sales"].timeout) == (6 * 64, 35)
    assert [(lane.path, lane.min_concurrent, lane.max_concurrent) for lane in found["sales"].limits] == [
        ("predictions", 6 * 4, 6 * 32),
        ("explanations", 6 * 4, 6 * 16),
    ]


def test_probes_ask_envoy_once_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    service = Service(GatewayConfig(), list, instances=1, workers=1)
    service.gateway = cast(
        Gateway,
        SimpleNamespace(
            answers=lambda: asked.append(True) or bool(asked[1:]), process=SimpleNamespace(pid=1), metrics=bytes
        ),
    )
    service._up = True
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert [service._watched().alive for _ in range(5)] == [False] * 5
    now += 1
    assert [service._watched().alive for _ in range(5)] == [True] * 5
    assert len(asked) == 2


def test_an_envoy_that_hangs_does_not_answer_and_is_not_waited_for(tmp_path: Path) -> None:
    process = cast("subprocess.Popen[bytes]", SimpleNamespace(poll=lambda: None))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()
        before = time.monotonic()
        assert not Gateway(GatewayConfig(), tmp_path / "log", process, tmp_path).answers()
        assert time.monotonic() - before < 3


def test_torchserves_are_stopped_together() -> None:
    """One after the other they could take longer than who stops the service waits."""
    both = threading.Barrier(2, timeout=10)
    service = Service(GatewayConfig(), list, instances=2, workers=1)
    for pid in (1, 2):
        service._running[pid] = ExitStack()
        service._running[pid].callback(both.wait)
    service._stop([cast(Server, SimpleNamespace(process=SimpleNamespace(pid=pid))) for pid in (1, 2)])
    assert not service._running


def test_never_more_than_torchserve_queues(tmp_path: Path) -> None:
    sales = let_in(tmp_path, workers=64)["sales"]
    assert (sales.max_concurrent, max(lane.max_concurrent for lane in sales.limits)) == (QUEUE, QUEUE)


def test_without_words_of_its_own_a_model_has_room_for_two_batches(tmp_path: Path) -> None:
    sales = let_in(tmp_path, workers=2, settings="batchSize: 16\nresponseTimeout: 30\n")["sales"]
    assert (sales.max_concurrent, sales.limits) == (64, [])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("max_concurrent: {a: 8}", "max_concurrent"),
        (
            "admission_limits: {predicitons: {min_concurrent: 4, max_concurrent: 8, target_latency_ms: 5}}",
            "predicitons",
        ),
        ("admission_limits: {predictions: {min_concurrent: 4, max_concurrent: 8}}", "target_latency_ms"),
        ("admission_limits:", "admission_limits"),
    ],
)
def test_settings_that_are_not_right_are_named(tmp_path: Path, settings: str, named: str) -> None:
    with pytest.raises(GatewayError, match=rf"model-config.yaml are invalid(.|\n)*{named}"):
        let_in(tmp_path, workers=2, settings=f"batchSize: 16\nresponseTimeout: 30\n{settings}\n")


@pytest.mark.parametrize(
    "body",
    [
        b'{"store":1,"start":"2015-08-01","days":9}',
        b'{"items":[{"store":1,"date":"2015-08-01"},{"store":1,"date":"2015-08-01"}]}',
        b'{"store":1,"date":"2015-08-01","what_if":{"promo":true}}',
    ],
)
def test_what_asks_for_more_than_a_day_is_too_long_to_pass_by_its_lane(tmp_path: Path, body: bytes) -> None:
    (lane,) = [lane for lane in let_in(tmp_path, workers=2)["sales"].limits if lane.path == "predictions"]
    assert isinstance(lane, AdmissionLimit)
    assert parse_request(body).items
    assert len(body) >= lane.min_body_bytes
    assert len(b'{"store": 99999, "date": "2015-08-01"}') < lane.min_body_bytes


@pytest.mark.parametrize("start", [b"0", b'"2015-8-1"', b'"20150801"'])
def test_a_date_has_no_shorter_form(start: bytes) -> None:
    with pytest.raises(ProblemError):
        parse_request(b'{"store":1,"start":%s,"days":42}' % start)
