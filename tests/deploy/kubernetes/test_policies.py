"""checkov's policies hold for every overlay and the Dockerfile, except those of deploy/kubernetes/checkov.yaml.

checkov pins packages that differ from ours, so that it has a separate environment, which the first run makes.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import pytest
import yaml

from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, ROOT, render

pytestmark = [pytest.mark.integration, pytest.mark.cluster]

VERSION = "3.3.30"
CONFIG = FOLDER / "checkov.yaml"
EXCEPTIONS = yaml.safe_load(CONFIG.read_text("utf-8"))["skip-check"]


@pytest.fixture(scope="module")
def checkov() -> Path:
    """Path of the program."""
    folder = ROOT / "build" / f"checkov-{VERSION}"
    folder.parent.mkdir(exist_ok=True)
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not (folder / "bin" / "checkov").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
            install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"checkov=={VERSION}"]
            done = subprocess.run(install, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(folder)
                pytest.skip(f"checkov can't be installed: {done.stderr[-500:]}")
    return folder / "bin" / "checkov"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with all overlays and the Dockerfile."""
    folder = tmp_path_factory.mktemp("rendered")
    for overlay in OVERLAYS:
        (folder / f"{overlay}.yaml").write_text(yaml.safe_dump_all(render(overlay)), "utf-8")
    shutil.copy(ROOT / "Dockerfile", folder)
    return folder


def failed(checkov: Path, folder: Path, *options: object) -> tuple[int, dict[str, list[str]]]:
    """Return the number of passed policies, and the resources that break each of the others."""
    command = [checkov, "--directory", folder, "--framework", "kubernetes", "dockerfile", "--output", "json"]
    command += ["--skip-download", "--quiet", "--compact", *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    reports: Any = json.loads(done.stdout)
    breaches: dict[str, list[str]] = {}
    for report in reports:
        assert report["summary"]["parsing_errors"] == 0
        for check in report["results"]["failed_checks"]:
            breaches.setdefault(check["check_id"], []).append(f"{check['resource']} {check['check_name']}")
    return sum(report["summary"]["passed"] for report in reports), breaches


def test_every_policy_holds(checkov: Path, rendered: Path) -> None:
    passed, breaches = failed(checkov, rendered, "--config-file", CONFIG)
    assert breaches == {}
    assert passed > 500, "most policies were asked"


def test_every_exception_is_needed_and_has_a_reason(checkov: Path, rendered: Path) -> None:
    _, breaches = failed(checkov, rendered)
    assert {*breaches} == {*EXCEPTIONS}
    text = CONFIG.read_text("utf-8")
    assert all(re.search(rf"- {rule}  # \w+ ", text) for rule in EXCEPTIONS)


def test_a_pod_with_root_is_a_breach(checkov: Path, tmp_path: Path) -> None:
    (deployment,) = [found for found in render("local") if found["kind"] == "Deployment"]
    pod = json.loads(json.dumps(deployment))
    pod["spec"]["template"]["spec"]["securityContext"] = {"runAsUser": 0}
    (tmp_path / "root.yaml").write_text(yaml.safe_dump(pod), "utf-8")
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    _, breaches = failed(checkov, tmp_path, "--config-file", CONFIG)
    assert {"CKV_K8S_23", "CKV_K8S_40"} & breaches.keys()
