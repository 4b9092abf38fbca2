"""training.sales.fits.training: what each fit of a training sees, and that parallel fits give the same bundle."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.sales.small import SMALL
from training.run import Run
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.fits import training
from training.sales.fits.training import TrainingFits
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
