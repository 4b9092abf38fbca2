"""Pods of rendered manifests on this machine, by ``podman kube play``.

podman 4.3 starts an init container again and again. So here the containers of both kinds run as pods of their own, one
after the other.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.servers.container import run
from tests.deploy.kubernetes.manifests import Object

USER = 10001


def on_this_machine(spec: Object, image: str, folders: dict[str, Path]) -> Object:
    """Return the specification of a pod with an image and with folders of this machine."""
    changed = copy.deepcopy(spec)
    for container in (*changed["initContainers"], *changed["containers"]):
        container["image"] = image
    changed["volumes"] = [
        {"name": volume["name"], "hostPath": {"path": str(folders[volume["name"]]), "type": "Directory"}}
        if volume["name"] in folders
        else volume
        for volume in changed["volumes"]
    ]
    return changed


def alone(spec: Object, kind: str) -> Object:
    """Return a pod that ends, with the containers of one kind and the volumes that they mount."""
    changed = copy.deepcopy(spec)
    containers = changed[kind]
    changed.pop("initContainers")
    changed["containers"], changed["restartPolicy"] = containers, "Never"
    mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
    changed["volumes"] = [volume for volume in changed["volumes"] if volume["name"] in mounted]
    return changed


def play(folder: Path, manifest: Object) -> None:
    """Start what a manifest describes."""
    file = folder / f"{manifest['metadata']['name']}.yaml"
    file.write_text(yaml.safe_dump(manifest), "utf-8")
    run("kube", "play", str(file))


@contextmanager
def ended(folder: Path, name: str, spec: Object, labels: dict[str, str] | None = None) -> Iterator[tuple[int, str]]:
    """Run a pod of one container to its end; yield its exit code and its output, and remove it."""
    metadata = {"name": name, "labels": labels or {}}
    (container,) = spec["containers"]
    try:
        play(folder, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        code = int(run("wait", f"{name}-{container['name']}").strip())
        yield code, run("logs", f"{name}-{container['name']}", check=False)
    finally:
        run("pod", "rm", "--force", "--time=0", name, check=False)


def state(container: str) -> Any:
    """Return the state of a container as podman describes it."""
    (described,) = json.loads(run("inspect", container))
    return described["State"]
