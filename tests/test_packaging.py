"""Packaging: dependencies, pinned versions, and the container image's build context."""

import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.partition("#")[0].split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.strip() for name, version in pins}


def test_every_requirement_of_the_project_is_pinned() -> None:
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {canonicalize_name(Requirement(line).name) for line in lines} - {"shopcat", "setuptools"}
    assert not names - constraints().keys()


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
    external -= {"opentelemetry"}  # of the extra tracing, without which handlers.telemetry.spans makes no spans
    external -= {"triton_python_backend_utils"}  # a part of Triton's Python backend
    external -= {"onnx"}  # of the extra gpu, without which runtime.gpu.graphs rewrites no graphs
    distributions = packages_distributions()
    imported = {canonicalize_name(name) for module in external for name in distributions[module]}
    needed = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    missing = imported - needed - {"pydantic-core"}  # a part of pydantic
    assert not missing, f"pyproject.toml's dependencies lack {', '.join(sorted(missing))}"


def test_the_build_context_has_every_package_and_no_data() -> None:
    """No bundle of the user, no key and no table can get into the container image."""
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    allowed = {line[1:] for line in rest if line.startswith("!")}
    assert first == "*"
    assert all((ROOT / path).exists() for path in allowed)
    packages = {package.rstrip("*") for package in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages == {path for path in allowed if (ROOT / path).is_dir()} - {"model_store/pets"}
