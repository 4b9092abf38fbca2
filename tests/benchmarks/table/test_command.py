"""benchmarks.table: the command imports a row's module only when it is measured, and each row takes its options."""

import importlib
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from unittest.mock import create_autospec

import pytest

from benchmarks.table.__main__ import ROWS

ROOT = Path(__file__).parents[3]


def test_the_help_imports_neither_torch_nor_fastai() -> None:
    program = (
        "import runpy, sys\nsys.argv[1:] = ['--help']\n"
        "try: runpy.run_module('benchmarks.table', run_name='__main__')\n"
        "except SystemExit: print(sorted({'torch', 'fastai', 'pandas'} & {*sys.modules}))"
    )
    shown = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(row in shown.stdout for row in ROWS)
    assert shown.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("name", [*ROWS])
def test_a_row_is_measured_with_the_options_that_its_function_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = ROWS[name]
    if row.module in ("training", "photos"):
        pytest.importorskip("fastai" if row.module == "training" else "pytorch_grad_cam")
    module = importlib.import_module(f"benchmarks.table.{row.module}")
    function = create_autospec(getattr(module, row.function), return_value=([], name))  # rejects other arguments
    monkeypatch.setattr(module, row.function, function)
    args = Namespace(sales=Path("demo"), pets=Path("pets"), photos=None, rounds=7, seconds=0.5)
    assert row.measure(args) == ([], name)
    (call,) = function.call_args_list
    assert call.kwargs["rounds"] == 7
    assert call.args == {"sales": (args.sales,), "bulk": (args.sales,), "photos": (args.pets, None)}.get(row.module, ())
