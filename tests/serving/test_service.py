"""serving.service and serving.admission: limits of each model, probes and the drain."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.problems import ProblemError
from schemas.sales.parse import parse_request
from serving import local_http, torchserve
from serving.admission import served_models
from serving.archives.archive import SETTINGS
from serving.gateway import envoy
from serving.gateway.config import MAX_BODY, AdmissionLimit, GatewayConfig, ServedModel
from serving.gateway.endpoints import EndpointFiles
from serving.gateway.envoy import Gateway, GatewayFolder, Host
from serving.gateway.errors import GatewayError
from serving.gateway.files import EnvoyFiles
from serving.monitoring import recent
from serving.output import ProcessOutput
from serving.python.runner import PythonRunner
from serving.service import Service, serve
from serving.torchserve.runner import TorchServeRunner


def models_served(folder: Path, workers: int, settings: str = "", queue: int | None = None) -> dict[str, ServedModel]:
    """Return both models by name, the sales model with other settings if they are given."""
    models = {name: folder / name for name in ("sales", "pets")}
    for name, archive in models.items():
        (archive / "bundle").mkdir(parents=True)
        (archive / "bundle" / "bundle.json").write_text(json.dumps({"kind": name}))
        shutil.copyfile(SETTINGS / f"{name}.yaml", archive / "model-config.yaml")
    if settings:
        (models["sales"] / "model-config.yaml").write_text(settings)
    return {model.name: model for model in served_models(models, dict.fromkeys(models, workers), queue=queue)}


def test_limits_grow_with_workers(tmp_path: Path) -> None:
    found = models_served(tmp_path, workers=6)
    assert (found["pets"].workers, found["pets"].max_concurrent, found["pets"].limits) == (6, 6 * 4, [])
    assert (found["sales"].max_concurrent, found["sales"].timeout) == (6 * 64, 35)
    assert (found["sales"].max_body, found["pets"].max_body) == (1 << 20, MAX_BODY)
    assert [(limit.path, limit.min_concurrent, limit.max_concurrent) for limit in found["sales"].limits] == [
        ("predictions", 6 * 4, 6 * 32),
        ("explanations", 6 * 4, 6 * 16),
    ]


def service_of(gateway: object) -> Service:
    """Return a service with a gateway and without instances."""
    service = Service(GatewayConfig(), list, TorchServeRunner(workers=1))
    service._gateway = cast(Any, SimpleNamespace(current=gateway, is_recovering=False, restarts=0))
    service.pool = cast(Any, SimpleNamespace(running=dict, instances=()))
    return service


def gateway_of(process: "subprocess.Popen[bytes]", folder: Path) -> Gateway:
    """Return a gateway with a process and the administration socket in a folder."""
    files = GatewayFolder(folder, EnvoyFiles(GatewayConfig(), [], folder), EndpointFiles(folder, []))
    return Gateway(GatewayConfig(), process, ProcessOutput("gateway"), files)


def test_probes_at_the_same_time_ask_envoy_once_and_later_ones_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def probe() -> dict[str, dict[Path, Host]]:
        asked.append(True)
        time.sleep(0.05)  # all probes come meanwhile
        return {"sales": {Path("x"): Host("HEALTHY", len(asked) > 1, 0)}}

    service = service_of(SimpleNamespace(probe=probe, process=SimpleNamespace(pid=1), metrics=bytes))
    service._up = True
    now = 100.0
    monkeypatch.setattr(recent.time, "monotonic", lambda: now)
    for expected in (False, True):
        with ThreadPoolExecutor(20) as pool:
            assert list(pool.map(lambda _: service._watched().alive, range(20))) == [expected] * 20
        now += 1
    assert len(asked) == 2


def test_an_envoy_that_hangs_delays_a_probe_by_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = cast("subprocess.Popen[bytes]", SimpleNamespace(poll=lambda: None))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "admin.sock"))
        listener.listen()
        timeouts: list[float] = []

        def ask(*arguments: Any, timeout: float, **options: Any) -> bytes:
            timeouts.append(timeout)
            return local_http.ask(*arguments, timeout=timeout / 10, **options)

        monkeypatch.setattr(envoy, "ask", ask)
        service = service_of(gateway_of(process, tmp_path))
        assert service._gateway_hosts() is None
        assert not service._is_alive(None)
        assert timeouts == [1.0]


def test_a_drain_without_administration_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ended = cast("subprocess.Popen[bytes]", SimpleNamespace(poll=lambda: 1))
    for gateway in (None, gateway_of(ended, tmp_path)):
        service_of(gateway).drain()
    assert "the gateway does not run" in caplog.text
    assert "some requests were not answered" in caplog.text


@pytest.mark.parametrize("error", [OSError("no answer"), IndexError("no server")])
def test_an_error_of_the_first_answers_does_not_end_the_service(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    reloads: list[bool] = []

    def begin_reload(_service: Service) -> bool:
        reloads.append(True)
        os.kill(os.getpid(), signal.SIGTERM)
        return True

    def on_ready(_service: Service) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        raise error

    monkeypatch.setattr(Service, "running", lambda service, _log: contextlib.nullcontext(service))
    monkeypatch.setattr(Service, "begin_reload", begin_reload)
    drained: list[Service] = []
    monkeypatch.setattr(Service, "drain", lambda service: drained.append(service))
    serve(GatewayConfig(), list, TorchServeRunner(), on_ready)
    assert (reloads, len(drained)) == ([True], 1)
    assert f"its first answers can't be shown: {error}" in caplog.text


def test_no_limit_exceeds_the_queue_of_torchserve(tmp_path: Path) -> None:
    properties = (Path(torchserve.__file__).parent / "settings" / "config.properties").read_text()
    assert f"job_queue_size={TorchServeRunner().queue}\n" in properties
    sales = models_served(tmp_path, workers=64, queue=TorchServeRunner().queue)["sales"]
    assert (sales.max_concurrent, max(limit.max_concurrent for limit in sales.limits)) == (1000, 1000)


def test_a_runner_without_a_queue_has_as_many_requests_as_its_workers_take(tmp_path: Path) -> None:
    sales = models_served(tmp_path, workers=64, queue=PythonRunner().queue)["sales"]
    assert (sales.max_concurrent, sales.limits[0].max_concurrent) == (64 * 64, 64 * 32)


def test_the_default_limit_is_two_batches_for_each_worker(tmp_path: Path) -> None:
    sales = models_served(tmp_path, workers=2, settings="batchSize: 16\nresponseTimeout: 30\n")["sales"]
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
def test_invalid_settings_are_named(tmp_path: Path, settings: str, named: str) -> None:
    with pytest.raises(GatewayError, match=rf"model-config.yaml are invalid(.|\n)*{named}"):
        models_served(tmp_path, workers=2, settings=f"batchSize: 16\nresponseTimeout: 30\n{settings}\n")


@pytest.mark.parametrize(
    "body",
    [
        b'{"store":1,"start":"2015-08-01","days":9}',
        b'{"items":[{"store":1,"date":"2015-08-01"},{"store":1,"date":"2015-08-01"}]}',
        b'{"store":1,"date":"2015-08-01","what_if":{"promo":true}}',
    ],
)
def test_requests_for_several_days_are_under_the_admission_limit(tmp_path: Path, body: bytes) -> None:
    limits = models_served(tmp_path, workers=2)["sales"].limits
    (limit,) = [limit for limit in limits if limit.path == "predictions"]
    assert isinstance(limit, AdmissionLimit)
    assert parse_request(body).items
    assert len(body) >= limit.min_body_bytes
    assert len(b'{"store": 99999, "date": "2015-08-01"}') < limit.min_body_bytes


@pytest.mark.parametrize("start", [b"0", b'"2015-8-1"', b'"20150801"'])
def test_a_date_has_no_shorter_form(start: bytes) -> None:
    with pytest.raises(ProblemError):
        parse_request(b'{"store":1,"start":%s,"days":42}' % start)
