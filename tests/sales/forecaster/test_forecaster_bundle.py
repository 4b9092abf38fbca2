"""sales.forecaster: the served network agrees with training, and golden rows detect changes."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

from runtime.bundle import NETWORK, WEIGHTS, BundleError
from runtime.folder import sha256
from sales.bundle import TABLES, Bundle
from sales.forecaster import Forecaster
from tests.sales.forecasts import (
    CUTOFF,
    ask,
    days_from,
    sales,
    sales_of,
)
from training.sales.model.reference import reference_of


def test_served_and_trained_networks_agree(forecaster: Forecaster, bundle: Bundle) -> None:
    """The exported graph agrees with torch and LightGBM with the saved weights on 1,000 rows of the whole calendar."""
    run = reference_of(load_file(bundle.folder / WEIGHTS), bundle.manifest.network)
    rng = np.random.default_rng(0)
    dates = days_from(bundle.manifest.first_date, bundle.panel.calendar.days)
    items = [
        {"store": int(rng.integers(1, 13)), "date": dates[rng.integers(len(dates))], "open": True} for _ in range(1000)
    ]
    served, trained = sales_of(forecaster, items), sales_of(Forecaster.of(bundle, run), items)
    np.testing.assert_allclose(served, trained, rtol=1e-4)
    assert np.std(served) > 0.1 * np.mean(served)


def test_golden_rows_are_forecasts_of_the_bundle(forecaster: Forecaster, bundle: Bundle) -> None:
    assert len(bundle.golden) >= 32
    assert {len(row) for row in bundle.golden} > {3}  # some rows state more than store and date
    for row in bundle.golden:
        asked = {name: value for name, value in row.items() if name != "sales"}
        assert sales(ask(forecaster, asked)[0]) == pytest.approx([row["sales"]], rel=1e-4)


def change_weight(folder: Path) -> None:
    network = onnx.load(folder / NETWORK)
    largest = max(network.graph.initializer, key=lambda tensor: int(np.prod(tensor.dims)))
    weight = numpy_helper.to_array(largest).copy()
    largest.CopyFrom(numpy_helper.from_array(weight * 1.05, largest.name))
    onnx.save(network, folder / NETWORK)


def change_tables(folder: Path) -> None:
    arrays = load_file(folder / TABLES)
    arrays["competition_year"] = np.full_like(arrays["competition_year"], 2010)
    arrays["state"] = arrays["state"][::-1].copy()
    save_file(arrays, folder / TABLES)


def change_mean(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    preprocess = manifest["preprocess"]
    preprocess["means"][0] += 3 * preprocess["stds"][0]
    (folder / "bundle.json").write_text(json.dumps(manifest))


def change_median(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    preprocess = manifest["preprocess"]
    column = preprocess["cont_names"].index(preprocess["na_names"][0])
    preprocess["medians"][column] += 100 * preprocess["stds"][column]
    (folder / "bundle.json").write_text(json.dumps(manifest))


def change_classes(folder: Path) -> None:
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["preprocess"]["classes"]["DayOfWeek"] = [2, 3, 4, 5, 6, 7, 8]
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("change", [change_weight, change_tables, change_mean, change_median, change_classes])
def test_golden_rows_detect_changes_with_correct_hashes(
    demo_bundle: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """A changed bundle, or one from code that computes other values, can have correct hashes."""
    folder = tmp_path / "sales"
    shutil.copytree(demo_bundle, folder)
    Forecaster.load(folder)
    change(folder)
    manifest = json.loads((folder / "bundle.json").read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=r"training forecast .* for store \d+ on .*; do not serve it"):
        Forecaster.load(folder)


@pytest.mark.gpu
def test_a_gpu_forecasts_the_same(demo_bundle: Path, forecaster: Forecaster) -> None:
    weeks = [{"store": store, "date": str(CUTOFF + dt.timedelta(days=day))} for store in (1, 2) for day in range(1, 43)]
    on_gpu = Forecaster.load(demo_bundle, device="cuda:0")
    np.testing.assert_allclose(sales_of(on_gpu, weeks), sales_of(forecaster, weeks), rtol=1e-5)
