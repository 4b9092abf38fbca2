"""``docs/guides/add-a-model.md``, followed step by step in a copy of the project.

Comments before the guide's code blocks say what the test does with them: write a file, change one, run commands, serve,
ask, or compare the answer.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.ports import Ports
from tests.test_layering import PACKAGES

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "add-a-model.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"<!-- ([^\n]*?) -->\n```\w+\n(.*?)```", GUIDE, re.DOTALL)


def change(file: Path, diff: str) -> None:
    """Apply a diff without line numbers: remove lines with -, and add those with + after the line before them."""
    text = file.read_text(encoding="utf-8")
    for hunk in diff.split(" ...\n"):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] != "+")
        after = "".join(line[1:] for line in lines if line[0] != "-")
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the files and changes of the guide."""
    copy = tmp_path_factory.mktemp("project")
    for folder in (*PACKAGES, "scripts", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "docs" / "reference").mkdir(parents=True)
    make_environment(copy)
    for file in ("pyproject.toml", ".dockerignore", "docs/reference/problems.md"):
        shutil.copyfile(ROOT / file, copy / file)
    for role, text in BLOCKS:
        action, _, target = role.partition(": ")
        if action == "file":
            (copy / target).parent.mkdir(parents=True, exist_ok=True)
            (copy / target).write_text(text, encoding="utf-8")
        elif action == "change":
            change(copy / target, text)
        elif action == "run":
            run(copy, text)
    return copy


def make_environment(project: Path) -> None:
    """Make a virtual environment with the copy and all installed packages; the workers of the service use it too."""
    venv.create(project / ".venv", with_pip=False)
    (site_packages,) = (project / ".venv").glob("lib/python*/site-packages")
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (site_packages / "project.pth").write_text("\n".join([str(project), *installed]) + "\n", encoding="utf-8")
    shopcat = project / ".venv" / "bin" / "shopcat"
    shopcat.write_text('#!/bin/sh\nexec python -m cli "$@"\n', encoding="utf-8")
    shopcat.chmod(0o755)


def environment(project: Path) -> dict[str, str]:
    """The environment variables with which ``python`` and ``shopcat`` are those of the copy."""
    return {**os.environ, "PATH": f"{project / '.venv' / 'bin'}:{os.environ['PATH']}"}


def run(project: Path, commands: str) -> str:
    """Run commands of the guide in the copy; return their output."""
    done = subprocess.run(
        ["bash", "-ec", commands], cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def block(role: str) -> str:
    """The only block with a role."""
    (text,) = (text for name, text in BLOCKS if name == role)
    return text


@pytest.fixture(scope="module")
def address(project: Path) -> Iterator[str]:
    """``HOST:PORT`` of the served copy."""
    ports = Ports.any_free()
    command = f"exec {block('serve').strip()} --port {ports.inference} --metrics-port {ports.metrics} --workers 1 --cpu"
    log = project / "serve.log"
    (project / "metrics-port").write_text(str(ports.metrics), encoding="utf-8")
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=project, env=environment(project), stdout=file, stderr=file
        )
    try:
        url = f"http://127.0.0.1:{ports.metrics}/readyz"
        run(project, f"for i in $(seq 300); do curl -sf {url} && exit; sleep 0.2; done; cat {log}; exit 1")
        yield f"127.0.0.1:{ports.inference}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def test_the_service_answers_as_the_guide_shows(project: Path, address: str) -> None:
    answer = run(project, block("ask").replace("127.0.0.1:8080", address))
    expected = block("answer prefix").strip().removesuffix("...")
    assert answer.startswith(expected)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [("{", 400, "predictions"), ('{"bill": 0}', 422, "predictions"), ('{"bill": 1}', 400, "explanations")],
)
def test_the_service_rejects_invalid_requests(project: Path, address: str, body: str, status: int, path: str) -> None:
    command = f"curl -s -o /dev/null -w '%{{http_code}}' http://{address}/{path}/tips"
    assert run(project, f"{command} -H 'Content-Type: application/json' -d '{body}'") == str(status)


def test_the_gateway_serves_the_new_contract(project: Path, address: str) -> None:
    assert '"/predictions/tips"' in run(project, f"curl -s http://{address}/openapi.json")


def test_the_answers_are_counted(project: Path, address: str) -> None:
    """The metrics of the observer appear beside those of requests, at the service's port for metrics."""
    run(project, block("ask").replace("127.0.0.1:8080", address))
    port = (project / "metrics-port").read_text(encoding="utf-8")
    found = f"curl -s http://127.0.0.1:{port}/metrics | grep 'shopcat_tips_total.*\"tips\"'"
    run(project, f"for i in $(seq 50); do {found} && exit; sleep 0.2; done; exit 1")


def test_the_page_of_problems_names_the_new_model(project: Path) -> None:
    assert "tips" in (project / "docs" / "reference" / "problems.md").read_text(encoding="utf-8")


def test_the_copy_keeps_the_rules(project: Path) -> None:
    run(
        project,
        "python -m pytest -q -p no:cacheprovider tests/test_kinds.py tests/test_layering.py -m 'not integration'",
    )
    # With the cache of `make lint`, if there is one, mypy checks only the new files. cp does not mind a file that
    # vanishes because lint runs beside the tests.
    subprocess.run(["cp", "-r", ROOT / ".mypy_cache", project], check=False, stderr=subprocess.DEVNULL)
    run(
        project,
        "python -m mypy -p schemas.tips -p tips -p training.tips -m cli.kinds -m handlers.tips",
    )
