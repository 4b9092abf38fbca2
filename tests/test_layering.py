"""The import rules of tool.importlinter in pyproject.toml are kept, and a forbidden import breaks them."""

import os
import shutil
import subprocess
import sys
import tomllib
from copy import deepcopy
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest
from grimp import ImportGraph
from importlinter import configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = [name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]


configuration.configure()
CONTRACTS = {"layers": LayersContract, "forbidden": ForbiddenContract, "protected": ProtectedContract}
RULES = PROJECT["tool"]["importlinter"]


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    """All imports of the project, lazy ones and those for type checkers too."""
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def broken(graph: ImportGraph) -> list[str]:
    """Return the names of the rules that a graph breaks."""
    session = {"root_packages": PACKAGES, "include_external_packages": True}
    contracts = [CONTRACTS[rule["type"]](rule["name"], session, rule) for rule in RULES["contracts"]]
    return [contract.name for contract in contracts if not contract.check(deepcopy(graph), verbose=False).kept]


def test_the_rules_are_kept(graph: ImportGraph) -> None:
    assert broken(graph) == []


def test_no_import_goes_in_a_circle(graph: ImportGraph) -> None:
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError, with the circle


def test_the_rules_know_every_package() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert folders == {*PACKAGES} == {*RULES["root_packages"]}
    (layers,) = (contract["layers"] for contract in RULES["contracts"] if contract["type"] == "layers")
    assert {name.strip() for layer in layers for name in layer.split("|")} == {*PACKAGES}


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("schemas.problems", "runtime.errors"),
        ("schemas.sales.answer", "sales.calendar"),
        ("schemas.sales.answer", "numpy"),
        ("runtime.folder", "schemas.problems"),
        ("runtime.session", "sales.panel"),
        ("sales.panel", "training.sales.data.demo"),
        ("sales.inputs", "handlers.batch"),
        ("sales.inputs", "pets.images"),
        ("sales.calendar", "pandas"),
        ("pets.classifier", "torch"),
        ("handlers.batch", "matplotlib"),
        ("handlers.batch", "serving.process"),
        ("handlers.batch", "training.loop.learner"),
        ("handlers.worker", "handlers.torchserve.protocol"),
        ("handlers.telemetry.recorder", "handlers.torchserve"),
        ("handlers.sales", "handlers.torchserve.handler"),
        ("serving.gateway.config", "handlers.torchserve.protocol"),
        ("serving.python.runner", "serving.torchserve.java"),
        ("serving.instances", "serving.torchserve.server"),
        ("serving.process", "torch"),
        ("serving.process", "training.sales.metrics"),
        ("serving.process", "cli.service.serve"),
        ("training.sales.metrics", "handlers.batch"),
        ("training.sales.metrics", "fastai"),
        ("shopcat.loading", "handlers.readiness"),
        ("shopcat.frames", "pandas"),
        ("serving.service", "console.app"),
        ("console.app", "serving.local_http"),
        ("console.app", "handlers.readiness"),
        ("console.app", "training.sales.metrics"),
        ("console.app", "pandas"),
        ("console.app", "sklearn"),
        ("cli.common", "shopcat.loading"),
    ],
)
def test_a_forbidden_import_breaks_a_rule(graph: ImportGraph, module: str, imported: str) -> None:
    assert module in graph.modules
    changed = deepcopy(graph)
    changed.add_module(imported, is_squashed="." not in imported) if imported not in changed.modules else None
    changed.add_import(importer=module, imported=imported)
    assert broken(changed)


@pytest.mark.integration
@pytest.mark.parametrize(
    "line",
    [
        "def later():\n    import training.sales.model.network",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas",
    ],
)
def test_the_command_finds_hidden_imports(tmp_path: Path, line: str) -> None:
    """`lint-imports`, as `make lint` runs it, on a copy with an import in a function or for type checkers."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "sales" / "forecaster.py"
    file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert line.split()[-1] in done.stdout
    assert ", 0 broken." not in done.stdout


def test_a_request_meets_neither_pandas_nor_torch(demo_bundle: Path) -> None:
    """List the modules that a worker has loaded after its first forecast, lazy imports included."""
    script = """
import sys
from pathlib import Path
import handlers.sales
import handlers.torchserve.handler
from sales.forecaster import Forecaster
from schemas.sales.parse import parse_request

(answer,) = Forecaster.load(Path(sys.argv[1])).predict([parse_request(b'{"store": 1, "date": "2015-08-22"}')])
assert answer.sales > 0
print(*sorted(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, demo_bundle], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded >= {"sales", "schemas", "runtime", "handlers", "numpy", "onnxruntime"}
    heavy = {"pandas", "torch", "matplotlib", "fastai", "tqdm", "onnx", "training", "click", "ts", "pickle5", "yaml"}
    assert not loaded & heavy
