"""Who may import whom: the rules of tool.importlinter in pyproject.toml are kept, and would be missed."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = [name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--config", ROOT / "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_rules_are_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken." in done.stdout


def test_the_rules_know_every_package() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    rules = PROJECT["tool"]["importlinter"]
    assert folders == {*PACKAGES} == {*rules["root_packages"]}
    (layers,) = (contract["layers"] for contract in rules["contracts"] if contract["type"] == "layers")
    assert {name.strip() for layer in layers for name in layer.split("|")} == {*PACKAGES}


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("schemas/problems.py", "import runtime.errors"),
        ("schemas/sales/answer.py", "import sales.calendar"),
        ("schemas/sales/answer.py", "import numpy"),
        ("runtime/folder.py", "import schemas.problems"),
        ("runtime/session.py", "import sales.panel"),
        ("sales/panel.py", "import training.sales.data.demo"),
        ("sales/inputs.py", "import handlers.batch"),
        ("sales/calendar.py", "import pandas"),
        ("sales/forecaster.py", "def later():\n    import training.sales.network"),
        ("serving/process.py", "import torch"),
        ("sales/forecaster.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas"),
        ("handlers/batch.py", "import matplotlib"),
        ("serving/process.py", "import training.sales.metrics"),
        ("handlers/batch.py", "import serving.process"),
        ("training/sales/metrics.py", "import handlers.batch"),
        ("training/sales/metrics.py", "import fastai"),
    ],
)
@pytest.mark.integration
def test_a_rule_that_is_broken_is_told(tmp_path: Path, module: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / module
    file.write_text(f"{file.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = lint_imports(tmp_path)
    assert done.returncode == 1, done.stderr
    wanted = line.split()[-1]
    assert wanted in done.stdout
    assert " broken." in done.stdout
    assert ", 0 broken." not in done.stdout


def test_a_request_meets_neither_pandas_nor_torch(demo_bundle: Path) -> None:
    """What a worker has loaded after its first forecast, lazy imports included."""
    script = """
import sys
from pathlib import Path
import handlers.sales
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
