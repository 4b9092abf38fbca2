"""The rendered Deployment of the overlay `local` runs by podman: ready, a forecast, a restart by liveness, a drain.

It takes the image of ``make container-test``, so SHOPCAT_CONTAINER has to name podman; benchmarks/servers/container.py
describes the other environment variables. podman 4.3 differs from a kubelet. It starts an init container again and
again, so that here the containers of both kinds run one after the other, as a kubelet would run them. Its probes need
timers of systemd, which a container lacks; here the test runs them. It has no readiness and no preStop.
"""

import copy
import json
import os
import shlex
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from benchmarks.servers.container import IMAGE, ROOT, build, inside, run
from tests.deploy.kubernetes.manifests import Object, of_kind, render
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
USER = 10001
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
    pod = changed["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        container["image"] = IMAGE
    probe = pod["containers"][0]["livenessProbe"]["exec"]
    if run("--version").startswith("podman version 4."):  # it joins the words and passes them to a shell
        probe["command"] = [shlex.join(probe["command"])]
    folders = {"source": ROOT / "model_store", "bundles": bundles}
    pod["volumes"] = [
        {"name": volume["name"], "hostPath": {"path": str(folders[volume["name"]]), "type": "Directory"}}
        if volume["name"] in folders
        else volume
        for volume in pod["volumes"]
    ]
    return changed


def play(folder: Path, manifest: Object) -> None:
    """Start what a manifest describes."""
    file = folder / f"{manifest['kind']}.yaml"
    file.write_text(yaml.safe_dump(manifest), "utf-8")
    run("kube", "play", str(file))


def state(container: str) -> Any:
    (described,) = json.loads(run("inspect", container))
    return described["State"]


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
    """Folder of bundles after the init container, which ran as a pod of its own."""
    build()
    manifest = deployment(folder / "bundles")
    spec = copy.deepcopy(manifest["spec"]["template"]["spec"])
    spec["containers"], spec["restartPolicy"] = spec.pop("initContainers"), "Never"
    mounted = {mount["name"] for container in spec["containers"] for mount in container["volumeMounts"]}
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] in mounted]
    name = f"{manifest['metadata']['name']}-init"
    try:
        play(folder, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})
        assert run("wait", f"{name}-bundle").strip() == "0", run("logs", f"{name}-bundle", check=False)
        yield folder / "bundles"
    finally:
        run("pod", "rm", "--force", "--time=0", name, check=False)


@pytest.fixture(scope="module")
def running(folder: Path, fetched: Path) -> Iterator[Running]:
    """A ready pod, whose ports lead from free ports of this machine."""
    manifest = deployment(fetched)
    spec = manifest["spec"]["template"]["spec"]
    del spec["initContainers"]
    spec["volumes"] = [volume for volume in spec["volumes"] if volume["name"] != "source"]
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


def test_a_pod_that_hangs_is_restarted_by_its_liveness_probe(running: Running) -> None:
    before = state(running.container)["Pid"]
    probe = ["healthcheck", "run", running.container]
    assert run(*probe, check=False) == ""
    inside(running.container, "python", "-c", HANG)
    assert until(lambda: running.get("/livez") == 0, 30)

    def restarted() -> bool:
        run(*probe, check=False)
        return bool(state(running.container)["Pid"] not in (0, before))

    assert until(restarted, 240), state(running.container)
    assert until(lambda: running.get("/readyz") == 200, START_S)
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
