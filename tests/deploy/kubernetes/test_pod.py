"""The rendered Deployment of the overlay `local` runs by podman: ready, a forecast, a restart by liveness, a drain.

It takes the image of ``make container-test``, so SHOPCAT_CONTAINER has to name podman; benchmarks/servers/container.py
describes the other environment variables. podman 4.3 differs from a kubelet: it has no readiness and no preStop, its
probes need timers of systemd, and the restart after a failed one can hang. So the test runs the probe.
"""

import copy
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from benchmarks.servers.container import IMAGE, PROGRAM, ROOT, build, inside, run
from tests.deploy.kubernetes.manifests import Object, of_kind, render
from tests.deploy.kubernetes.podman import USER, alone, ended, on_this_machine, play, state
from tests.integration.waiting import until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.cluster,
    pytest.mark.skipif(
        "podman" not in os.environ.get("SHOPCAT_CONTAINER", ""), reason="SHOPCAT_CONTAINER does not name podman"
    ),
]
START_S = 180
HOST = "127.0.0.1"
HANG = """
import os, signal
from pathlib import Path
for process in Path("/proc").glob("[1-9]*"):
    arguments = (process / "cmdline").read_bytes().split(b"\\0")
    if process.name != "1" and b"serve" in arguments:
        os.kill(int(process.name), signal.SIGSTOP)
"""


class Running(NamedTuple):
    """Names of a pod and its container, and the ports of this machine that lead to it."""

    pod: str
    container: str
    http: int
    metrics: int

    def get(self, path: str) -> int:
        """Return the status of a probe; 0 without an answer."""
        try:
            with urlopen(f"http://{HOST}:{self.metrics}{path}", timeout=5) as answer:
                return int(answer.status)
        except URLError as error:
            return int(getattr(error, "code", 0))
        except OSError:
            return 0


def deployment(bundles: Path) -> Object:
    """Return the rendered Deployment with this machine's image and folders."""
    (found,) = of_kind(render("local"), "Deployment")
    changed = copy.deepcopy(found)
    changed["metadata"]["name"] = f"shopcat-{os.getpid()}"
    template = changed["spec"]["template"]
    template["spec"] = on_this_machine(template["spec"], IMAGE, {"source": ROOT / "model_store", "bundles": bundles})
    return changed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder that the user of the pod may write, with an empty folder of bundles."""
    folder = tmp_path_factory.mktemp("pod")
    (folder / "bundles").mkdir()
    os.chown(folder / "bundles", USER, USER)
    yield folder
    shutil.rmtree(folder / "bundles", ignore_errors=True)


@pytest.fixture(scope="module")
def fetched(folder: Path) -> Iterator[Path]:
    """Folder of bundles after the init container, which ran as a separate pod."""
    build()
    spec = alone(deployment(folder / "bundles")["spec"]["template"]["spec"], "initContainers")
    with ended(folder, f"shopcat-{os.getpid()}-init", spec) as (code, output):
        assert code == 0, output
        yield folder / "bundles"


@pytest.fixture(scope="module")
def running(folder: Path, fetched: Path) -> Iterator[Running]:
    """A ready pod, whose ports lead from free ports of this machine."""
    manifest = deployment(fetched)
    spec = manifest["spec"]["template"]["spec"]
    del spec["initContainers"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "source"]
    # podman stops a pod whose last container has ended, also if it is to be started again; this one does not end.
    spec["containers"].append({"name": "idle", "image": IMAGE, "command": ["sleep", "infinity"]})
    ports = {}
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        for port, server in zip(spec["containers"][0]["ports"], (one, other), strict=True):
            ports[port["name"]] = port["hostPort"] = server.getsockname()[1]
            port["hostIP"] = HOST
    name = f"{manifest['metadata']['name']}-pod-0"
    found = Running(name, f"{name}-shopcat", ports["http"], ports["metrics"])
    try:
        play(folder, manifest)
        assert until(lambda: found.get("/readyz") == 200, START_S), run("logs", found.container, check=False)
        yield found
    finally:
        run("pod", "rm", "--force", "--time=0", name, check=False)


def request() -> bytes:
    """Return a request for the day after the demonstration's last."""
    cutoff = json.loads((ROOT / "model_store/demo/bundle.json").read_text("utf-8"))["cutoff"]
    return json.dumps({"store": 1, "date": str(date.fromisoformat(cutoff) + timedelta(1))}).encode()


def forecast(pod: Running) -> Any:
    headers = {"Content-Type": "application/json"}
    asked = Request(f"http://{HOST}:{pod.http}/predictions/sales", request(), headers)
    with urlopen(asked, timeout=30) as answer:
        return json.load(answer)


# The tests run in this order; the last one stops the pod.


def test_the_init_container_copies_the_pinned_bundle(fetched: Path) -> None:
    names = {file.name for file in (ROOT / "model_store/demo").iterdir()}
    assert {file.name for file in (fetched / "sales").iterdir()} == names


def test_the_pod_is_confined(running: Running) -> None:
    """As the manifest says: the user, a read-only disk, no capabilities."""
    script = """
        [ "$(id -u):$(id -g)" = 10001:10001 ]
        grep -q '^NoNewPrivs:.1' /proc/self/status
        grep -q '^CapEff:.0*$' /proc/self/status
        ! touch /srv/shopcat/file 2>/dev/null || exit 1
        ! touch /bundles/file 2>/dev/null || exit 1
        touch /tmp/file && rm /tmp/file
    """
    inside(running.container, "sh", "-euc", script)


def test_the_pod_forecasts(running: Running) -> None:
    answer = forecast(running)
    assert answer["sales"] > 0
    assert answer["model"] == "sales"


def test_the_metrics_have_the_digest_of_the_manifest(running: Running) -> None:
    with urlopen(f"http://{HOST}:{running.metrics}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    (pod,) = of_kind(render("local"), "Deployment")
    (variable,) = pod["spec"]["template"]["spec"]["initContainers"][0]["env"]
    assert f'sha256="{variable["value"].removeprefix("sha256:")}"' in text


def is_alive(pod: Running, probe: Any) -> bool:
    """Run the liveness probe of the manifest as a kubelet would run it."""
    command = [PROGRAM, "exec", pod.container, *probe["exec"]["command"]]
    try:
        return subprocess.run(command, capture_output=True, timeout=probe["timeoutSeconds"]).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def test_a_pod_that_hangs_is_restarted_by_its_liveness_probe(running: Running) -> None:
    """The test asks and kills as the kubelet would; the restart is podman's."""
    (found,) = of_kind(render("local"), "Deployment")
    probe = found["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    assert is_alive(running, probe)
    before = state(running.container)["Pid"]
    inside(running.container, "python", "-c", HANG)
    assert [is_alive(running, probe) for _ in range(probe["failureThreshold"])] == [False] * probe["failureThreshold"]
    os.kill(before, signal.SIGKILL)  # not by podman, which does not start again what it was asked to kill
    assert until(lambda: state(running.container)["Pid"] not in (0, before), 60), state(running.container)
    assert until(lambda: running.get("/readyz") == 200, START_S)
    assert is_alive(running, probe)
    assert forecast(running)["sales"] > 0


def test_a_stop_answers_what_was_accepted(running: Running) -> None:
    """A request is half sent when the pod gets SIGTERM; its rest follows when the pod is no longer ready."""
    body = request()
    head = (
        f"POST /predictions/sales HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((HOST, running.http), timeout=60) as connection:
        connection.sendall(head.encode() + body[:10])
        assert until(lambda: "1" in _active(running), 10)
        stopping = threading.Thread(target=run, args=("stop", "--time=100", running.container))
        stopping.start()
        try:
            assert until(lambda: running.get("/readyz") != 200, 30)
            connection.sendall(body[10:])
            answer = b""
            while part := connection.recv(65536):
                answer += part
        finally:
            stopping.join(120)
    assert answer.startswith(b"HTTP/1.1 200")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["sales"] > 0
    assert state(running.container)["ExitCode"] == 0


def _active(pod: Running) -> set[str]:
    """Return the number of requests that the gateway has begun to read."""
    with suppress(OSError), urlopen(f"http://{HOST}:{pod.metrics}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[2] for line in lines if line.startswith("envoy_http_downstream_rq_active{")}
    return set()
