"""Requests to a real TorchServe, without a gateway: what its front end does, and its management.

The front end rejects some requests before they reach a handler (see `REJECTED_BY_FRONTEND`). Its responses have no
problem details, but TorchServe's JSON (``code``, ``type`` and ``message``) or no body.

tests/integration/runners has the requests that every runner answers alike.
"""

import stat
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving import local_http
from serving.archives.archive import archive
from serving.ports import PortError, Ports
from serving.torchserve.server import Server, running_server
from tests.integration.client import JSON, PROBLEM, ask

pytestmark = pytest.mark.integration

DAY = {"store": 1, "date": "2015-08-05"}

# Observed responses of the front end: the difference from a valid request, and the status.
REJECTED_BY_FRONTEND: dict[str, tuple[dict[str, Any], int]] = {
    "an unknown model": ({"path": "/predictions/cats"}, 404),
    "an unknown version": ({"path": "/predictions/sales/1.0"}, 404),
    "an explanation by an unknown model": ({"path": "/explanations/cats"}, 404),
    "an explanation by an unknown version": ({"path": "/explanations/sales/1.0"}, 404),
    "an explanation without a model": ({"path": "/explanations"}, 404),
    "an unknown path": ({"path": "/sales"}, 404),
    "TorchServe's old path for predictions": ({"path": "/sales/predict"}, 404),
    "a URL of more than 4096 bytes": ({"path": "/predictions/sales?class=" + "x" * 5000}, 400),
    "headers of more than 8192 bytes": ({"headers": {"X-Long": "x" * 9000}}, 400),
    "a percent sign without two digits": ({"path": "/predictions/sales?class=50%"}, 403),
    "an unknown expectation": ({"headers": {"Expect": "200-ok"}}, 417),
    "a body of more than max_request_size": ({"body": bytes(10_485_761)}, 413),
}


def processes(server: Server) -> list[psutil.Process]:
    """Return the front end and its descendants."""
    front_end = psutil.Process(server.process.pid)
    return [front_end, *front_end.children(recursive=True)]


@pytest.mark.parametrize("query", ["?store=1&date=2015-08-05", ""])
def test_a_get_request_is_answered_with_how_to_post(server: Server, query: str) -> None:
    answer = ask(server, None, method="GET", kind="", path=f"/predictions/sales{query}")
    assert (answer.status, answer.kind) == (400, PROBLEM)
    assert "POST it with the header Content-Type: application/json" in answer.content["detail"]


def test_bodies_have_at_most_ten_megabytes(server: Server) -> None:
    assert ask(server, b"[" + b" " * 10_000_000).status == 400  # the handler's answer, so it received the body
    assert ask(server, b"[" + b" " * 11_000_000).status == 413


def test_management_registers_nothing(server: Server) -> None:
    with pytest.raises(OSError, match=r"status 40[35]"):
        local_http.ask(server.folder / "management.sock", "/models?url=https://example.org/evil.mar", method="POST")


def test_torchserve_exports_its_metrics(server: Server) -> None:
    ask(server, DAY)
    assert b'ts_inference_requests_total{model_name="sales"' in server.metrics()


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


def test_a_port_in_use_is_named(server: Server, archived: Path) -> None:
    with (
        pytest.raises(PortError, match=f"port {server.address} .*--port"),
        running_server([archived], port=server.address),
    ):
        pass


@pytest.mark.parametrize("request_name", REJECTED_BY_FRONTEND)
def test_the_frontend_rejects_an_invalid_request(server: Server, request_name: str) -> None:
    changes, status = REJECTED_BY_FRONTEND[request_name]
    # The body is empty by default, because the front end may close the connection before it has received a body.
    answer = ask(server, **({"body": b"", "kind": JSON, "path": "/predictions/sales"} | changes))
    assert answer.status == status
    if answer.content is not None:
        assert answer.kind == JSON
        assert answer.content.keys() == {"code", "type", "message"}
