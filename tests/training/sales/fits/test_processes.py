"""training.sales.fits.processes: fits in parallel, failing processes, and ends by Ctrl-C or a killed parent."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from tests.training.sales.small import OPTIONS, SMALL
from training.sales.backtest.run import Settings, backtest
from training.sales.data.tables import Tables
from training.sales.fits import processes
from training.sales.fits.processes import FitError, default_jobs
from training.sales.options import Options

CUTOFFS = (np.datetime64("2014-11-30"), np.datetime64("2015-05-17"))


@pytest.mark.integration
def test_processes_side_by_side_give_the_same_forecasts(tables: Tables, tmp_path: Path) -> None:
    alone, together = (
        backtest(tables, tmp_path / "out", Settings(CUTOFFS, 14, OPTIONS, baselines=("ridge",), jobs=jobs))
        for jobs in (1, 2)
    )
    for ours, theirs in zip(alone.windows, together.windows, strict=True):
        for name, forecast in ours.forecasts().items():
            np.testing.assert_allclose(forecast, theirs.forecasts()[name], rtol=1e-6)


@pytest.mark.integration
def test_an_expected_error_of_a_fit_is_the_error_of_the_backtest(tables: Tables, tmp_path: Path) -> None:
    diverging = Options.of(**SMALL, lr_max=1e12)
    before = {*psutil.Process().children(recursive=True)}  # servers of other tests
    with pytest.raises(FitError, match=r"seed 0: .*(diverged|infinite|NaN)"):
        backtest(tables, tmp_path / "out", Settings(CUTOFFS, 14, diverging, baselines=(), jobs=2))
    left = {*psutil.Process().children(recursive=True)} - before
    assert [child for child in left if "resource_tracker" not in " ".join(child.cmdline())] == []


def running_backtest(folder: Path, out: Path) -> subprocess.Popen[bytes]:
    """A backtest with two processes that would take minutes."""
    options = ["--epochs", "1000", "--layers", "64,32", "--windows", "2", "--jobs", "2", "--baselines", "last-year"]
    command = [sys.executable, "-m", "cli", "backtest", str(folder), "--out", str(out), *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def wait_for_checkpoints(out: Path, n_fits: int) -> None:
    """Wait until the fits have finished an epoch."""
    deadline = time.monotonic() + 120
    while len([*out.parent.glob(f".{out.name}.checkpoint/*/model/all.ckpt")]) < n_fits:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.integration
@pytest.mark.parametrize("to_all", [True, False], ids=["as a terminal sends it", "to the parent alone"])
def test_ctrl_c_ends_all_processes_with_one_line(demo_folder: Path, tmp_path: Path, to_all: bool) -> None:
    out = tmp_path / "out"
    started = running_backtest(demo_folder, out)
    wait_for_checkpoints(out, 2)
    children = psutil.Process(started.pid).children(recursive=True)
    assert len(children) >= 2
    (os.killpg if to_all else os.kill)(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert b"Traceback" not in errors
    assert errors.endswith(b"Interrupted.\n")
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not out.exists()


@pytest.mark.integration
def test_the_processes_end_when_their_parent_is_killed(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    started = running_backtest(demo_folder, out)
    wait_for_checkpoints(out, 2)
    children = psutil.Process(started.pid).children(recursive=True)
    started.kill()
    started.communicate(timeout=60)
    assert not psutil.wait_procs(children, timeout=20)[1]


@pytest.mark.parametrize(
    ("cores", "available", "expected"), [(8, 64 << 30, 8), (8, 7 << 30, 3), (1, 64 << 30, 1), (4, 1 << 20, 1)]
)
def test_the_default_number_of_jobs_follows_from_cores_and_memory(
    monkeypatch: pytest.MonkeyPatch, cores: int, available: int, expected: int
) -> None:
    monkeypatch.setattr(processes.os, "sched_getaffinity", lambda _: range(cores), raising=False)
    monkeypatch.setattr(processes.sys, "platform", "linux")
    monkeypatch.setattr(processes.psutil, "virtual_memory", lambda: SimpleNamespace(available=available))
    assert default_jobs(850_000) == expected
