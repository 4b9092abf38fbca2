"""sales.bundle: residuals and calibration in calibration.safetensors, and their summary in the manifest."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from runtime.bundle import MANIFEST, BundleError
from runtime.folder import sha256
from sales.bundle import CALIBRATION, Bundle, calibration_spec, load
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.coverage import coverage
from tests.sales.uncertainty.simulated import simulated


@pytest.fixture
def folder(demo_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(demo_bundle, tmp_path / "sales"))


def accept(folder: Path, **changes: object) -> None:
    """Write the manifest anew, with the hash of the changed calibration."""
    content = json.loads((folder / MANIFEST).read_text())
    content["files"][CALIBRATION] = sha256(folder / CALIBRATION)
    (folder / MANIFEST).write_text(json.dumps(content | changes))


def test_a_training_calibrates_on_days_that_it_forecast(bundle: Bundle) -> None:
    residuals, calibration = bundle.residuals, bundle.calibration

    assert residuals is not None
    assert calibration is not None
    assert residuals.stores == len(bundle.panel.store_ids)
    assert residuals.horizon == bundle.manifest.horizon
    assert int(residuals.known[-1].sum()) == bundle.manifest.metrics["rows"]
    for name, array in Calibration.fit(residuals).arrays().items():
        np.testing.assert_array_equal(calibration.arrays()[name], array)


def test_the_manifest_summarizes_the_calibration(bundle: Bundle) -> None:
    residuals, calibration, spec = bundle.residuals, bundle.calibration, bundle.manifest.calibration
    assert residuals is not None
    assert calibration is not None
    assert spec is not None

    assert spec == calibration_spec(residuals, calibration)
    assert spec.factors == calibration.factors
    assert spec.days == np.isfinite(residuals.log_ratio).sum()
    last = dt.date.fromisoformat(bundle.manifest.metrics["from"])
    assert spec.cutoffs[-1] < last <= spec.cutoffs[-1] + dt.timedelta(days=7)


def test_the_summary_judges_each_window_by_the_others() -> None:
    residuals = simulated(np.random.default_rng(0), np.full(20, 0.1), windows=3)
    slow = []
    for window in range(3):
        others = Calibration.fit(residuals.window(np.array([other for other in range(3) if other != window])))
        slow.append(coverage(others, residuals.window(np.array([window])), [80, 90]).days[0])

    spec = calibration_spec(residuals, Calibration.fit(residuals))

    assert spec.coverage == pytest.approx(dict(zip(["80", "90"], np.mean(slow, axis=0).tolist(), strict=True)))
    assert spec.cutoffs == [dt.date(1970, 1, 1) + dt.timedelta(days=90 * window) for window in range(3)]


def test_an_empty_file_is_a_bundle_without_calibration(folder: Path) -> None:
    save_file({}, folder / CALIBRATION)
    accept(folder, calibration=None)

    loaded = load(folder)

    assert loaded.residuals is None
    assert loaded.calibration is None


def test_an_objective_needs_a_calibration(folder: Path) -> None:
    save_file({}, folder / CALIBRATION)
    accept(folder, calibration=None, objective="mean")

    with pytest.raises(BundleError, match="its objective is mean, and it has no calibration"):
        load(folder)


def test_a_calibration_of_other_stores_is_rejected(folder: Path) -> None:
    arrays = load_file(folder / CALIBRATION)
    for name in ("calibration.scale", "calibration.new_store"):
        arrays[name] = arrays[name][1:].copy()
    save_file(arrays, folder / CALIBRATION)
    accept(folder)

    with pytest.raises(BundleError, match=r"calibration.safetensors has \d+ stores and tables.safetensors \d+"):
        load(folder)


def test_a_calibration_without_an_array_is_rejected(folder: Path) -> None:
    arrays = load_file(folder / CALIBRATION)
    del arrays["calibration.weeks"]
    save_file(arrays, folder / CALIBRATION)
    accept(folder)

    with pytest.raises(BundleError, match="can't be read"):
        load(folder)
