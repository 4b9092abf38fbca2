"""training.sales.fits.training: what each fit of a training sees, and that parallel fits give the same bundle."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.training.sales.small import SMALL
from training.run import Run
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fits import training
from training.sales.fits.training import TrainingFits
from training.sales.fits.window_fit import WindowFit
from training.sales.options import QUICK, Options
from training.sales.train import holdout_cutoff, train

OPTIONS = Options.of(**{**SMALL, "calibration_windows": 4})


@pytest.fixture
def fits(tables: Tables, tmp_path: Path) -> TrainingFits:
    cutoff = holdout_cutoff(tables, OPTIONS)
    return TrainingFits.of(tables, panel_from_tables(tables), OPTIONS, cutoff, tmp_path, "cpu")


def dates(values: object) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    return np.asarray(values, dtype="datetime64[D]")


def test_there_are_four_windows_of_a_full_horizon_in_the_year_before_the_end(fits: TrainingFits) -> None:
    windows = [*fits.windows, fits.holdout]
    assert len(windows) == 4
    cutoffs = np.array([fit.cutoff for fit in windows])
    assert {*np.diff(cutoffs).astype(int)} == {91}
    for fit in windows:
        ahead = fit.day - fits.panel.calendar.day(fit.cutoff.astype(object))
        assert ahead.min() == 1
        assert OPTIONS.horizon - 3 < ahead.max() <= OPTIONS.horizon, "the last days may be closed"


def test_no_fit_of_a_window_sees_later_sales_or_a_later_plan(fits: TrainingFits) -> None:
    for fit in [*fits.windows, fits.holdout]:
        assert dates(fit.tables.train["Date"]).max() == fit.cutoff
        assert dates(fit.tables.weather["Date"]).max() <= fit.cutoff
        assert dates(fit.tables.test["Date"]).max() == fit.cutoff + OPTIONS.horizon


def test_the_final_fit_sees_all_sales(tables: Tables, fits: TrainingFits) -> None:
    assert fits.final.tables is tables


def test_without_a_refit_the_final_fit_is_the_holdouts(tables: Tables, tmp_path: Path) -> None:
    options = Options.of(**SMALL, refit=False)
    cutoff = holdout_cutoff(tables, options)
    fits = TrainingFits.of(tables, panel_from_tables(tables), options, cutoff, tmp_path, "cpu")
    assert fits.final is fits.holdout
    assert not fits.windows


def test_a_quick_training_has_the_holdout_alone(tables: Tables, tmp_path: Path) -> None:
    options = Options.of(**QUICK)
    fits = TrainingFits.of(tables, panel_from_tables(tables), options, holdout_cutoff(tables, options), tmp_path, "cpu")
    assert not fits.windows
    assert options.epochs is not None
    assert options.epochs < Options.of().epochs_for(1_000_000)


def test_small_tables_are_fitted_one_after_another(fits: TrainingFits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "default_jobs", lambda n_rows, device: 7)
    assert fits._jobs(None) == 1
    assert fits._jobs(3) == 3
    monkeypatch.setattr(training, "MIN_PARALLEL", 0)
    assert fits._jobs(None) == 7


@pytest.mark.integration
def test_fits_in_parallel_give_the_same_bundle(tables: Tables, tmp_path: Path) -> None:
    options = Options.of(**{**SMALL, "calibration_windows": 2})
    versions = {
        train(tables, tmp_path / str(jobs), options, Run("sales", progress=False), jobs=jobs).manifest.version
        for jobs in (1, 3)
    }
    assert len(versions) == 1


@pytest.mark.integration
def test_ctrl_c_ends_a_parallel_training_with_one_line(demo_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "sales"
    options = ["--epochs", "1000", "--layers", "64,32", "--jobs", "2", "--calibration-windows", "2"]
    command = [sys.executable, "-m", "cli", "train", "sales", str(demo_folder), "--out", str(out), *options]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.monotonic() + 120
    while len([*tmp_path.glob(".sales.checkpoint/*/model/all.ckpt")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    children = psutil.Process(started.pid).children(recursive=True)
    os.killpg(started.pid, signal.SIGINT)
    _, errors = started.communicate(timeout=60)
    assert started.returncode == 130
    assert b"Traceback" not in errors
    assert b"holdout: epoch 1: loss " in errors, "the processes log with the name of their fit"
    assert errors.endswith(b"Interrupted.\n")
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not out.exists()
    assert [*tmp_path.glob(".sales.checkpoint/*/model/all.ckpt")], "the same command goes on from there"


def test_an_interrupted_training_does_not_compute_finished_fits_again(
    tables: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, ran = Options.of(**{**SMALL, "calibration_windows": 2}), list[str]()
    run = WindowFit.run

    def counted(fit: WindowFit, **keywords: bool | None) -> None:
        if len(ran) == 2:
            raise KeyboardInterrupt
        run(fit, **keywords)
        ran.append(fit.name)

    with monkeypatch.context() as patched:
        patched.setattr(WindowFit, "run", counted)
        with pytest.raises(KeyboardInterrupt):
            train(tables, tmp_path / "sales", options, Run("sales", progress=False))
    assert [name.split()[0] for name in ran] == ["holdout", "window"]
    again = list[str]()
    monkeypatch.setattr(WindowFit, "run", lambda fit, **keywords: (again.append(fit.name), run(fit, **keywords)))
    resumed = train(tables, tmp_path / "sales", options, Run("sales", progress=False))
    assert again == ["all rows"]
    whole = train(tables, tmp_path / "whole", options, Run("sales", progress=False))
    assert resumed.manifest.version == whole.manifest.version
    assert resumed.lr is not None, "the report still has the plot of the learning-rate finder"
    assert [epoch.number for epoch in resumed.history.epochs] == [1, 2]
