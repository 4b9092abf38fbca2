"""A sales bundle: the folder that training writes and serving reads. It has JSON, safetensors and ONNX, never a pickle.

- ``bundle.json``: the manifest, with columns, codes, medians, figures and the hash of every other file.
- ``weights.safetensors``: the network's weights, and the boosted trees.
- ``model.onnx``: the same network and trees, exported.
- ``tables.safetensors``: the panel, with calendar, stores, weather, trend and sales.
- ``calibration.safetensors``: residuals of past windows, and the calibration fitted on them; empty if there is none.
- ``golden.json``: requests and the forecasts that training computed for them.
- ``MODEL_CARD.md``: intended use and limits.

`load` raises `runtime.bundle.BundleError` if the folder is no bundle, is damaged, or has an unknown format.
"""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from runtime import bundle
from runtime.bundle import CARD, GOLDEN, NETWORK, WEIGHTS, BundleError, Golden, check_files
from runtime.folder import new_folder
from sales.arrays import AnyArray, Float64
from sales.panel import Panel
from sales.preprocess import Preprocessor
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.coverage import LEVELS, leave_one_out
from sales.uncertainty.residuals import Residuals, ResidualsError
from schemas.sales.manifest import FORMAT_VERSION, CalibrationSpec, SalesManifest

TABLES = "tables.safetensors"
CALIBRATION = "calibration.safetensors"
FILES = (WEIGHTS, NETWORK, TABLES, CALIBRATION, GOLDEN, CARD)
_RESIDUALS, _TABLES = "residuals.", "calibration."  # prefixes of the arrays in calibration.safetensors


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, its files verified.

    Attributes:
        folder: the bundle's folder.
        manifest: content of ``bundle.json``.
        panel: source of the network's columns.
        preprocessor: fitted preprocessing of the columns.
        golden: requests, and the forecasts that training computed for them.
        residuals: forecasts of past windows beside the sales that followed; None if the bundle is not calibrated.
        calibration: the calibration fitted on them; None if the bundle is not calibrated.
    """

    folder: Path
    manifest: SalesManifest
    panel: Panel
    preprocessor: Preprocessor
    golden: Golden
    residuals: Residuals | None = None
    calibration: Calibration | None = None


def save(
    folder: Path,
    manifest: Mapping[str, Any],
    *,
    weights: Mapping[str, AnyArray],
    network: bytes,
    panel: Panel,
    golden: Golden,
    card: str,
    residuals: Residuals | None = None,
    calibration: Calibration | None = None,
    replace: bool = False,
) -> SalesManifest:
    """Write a bundle, atomically.

    Args:
        folder: the new bundle.
        manifest: fields of ``SalesManifest``, except ``version`` and ``files``, which follow from the content.
        weights: the network's state dict, and the boosted trees.
        network: content of the ONNX file.
        panel: source of the network's columns.
        golden: golden rows, with the fields of a request and the forecast ``sales`` that training computed.
        card: text of the model card.
        residuals: forecasts of past windows beside the sales that followed, for all stores of the panel; None for a
            bundle without calibration.
        calibration: the calibration fitted on them.
        replace: replace an existing bundle.

    Raises:
        FolderError: if ``folder`` exists already and ``replace`` is false.
    """
    with new_folder(folder, replace=replace) as part:
        save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part / WEIGHTS)
        save_file({name: np.ascontiguousarray(array) for name, array in panel.arrays().items()}, part / TABLES)
        uncertainty = {
            **{_RESIDUALS + name: array for name, array in (residuals.arrays() if residuals else {}).items()},
            **{_TABLES + name: array for name, array in (calibration.arrays() if calibration else {}).items()},
        }
        save_file({name: np.ascontiguousarray(array) for name, array in uncertainty.items()}, part / CALIBRATION)
        (part / NETWORK).write_bytes(network)
        return bundle.finish(part, SalesManifest, manifest, FILES, golden=golden, card=card, date=manifest["cutoff"])


def load(folder: Path) -> Bundle:
    """Read a bundle and verify its files.

    Raises:
        BundleError: if the folder is no bundle, has an unknown format, or a file is missing, changed or not listed.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, FILES)
    levels = {name: tuple(values) for name, values in manifest.levels.items()}
    try:
        panel = Panel.of(load_file(folder / TABLES), levels)
        residuals, calibration = _read_calibration(folder)
        golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
        preprocessor = Preprocessor.of(manifest.preprocess, levels)
    except (SafetensorError, ResidualsError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{folder} can't be read: {type(error).__name__}: {error}; export it again") from error
    if calibration is not None and len(calibration.scale) != len(panel.store_ids):
        raise BundleError(
            f"{folder}: {CALIBRATION} has {len(calibration.scale)} stores and {TABLES} {len(panel.store_ids)}; "
            "export it again"
        )
    if calibration is None and manifest.objective != "median":
        raise BundleError(
            f"{folder}: its objective is {manifest.objective}, and it has no calibration with the factor of the "
            "median; export it again"
        )
    return Bundle(folder, manifest, panel, preprocessor, golden, residuals, calibration)


def _read_calibration(folder: Path) -> tuple[Residuals | None, Calibration | None]:
    """Return a bundle's residuals and calibration; None for a bundle without them."""
    arrays = load_file(folder / CALIBRATION)
    if not arrays:
        return None, None

    def part(prefix: str) -> dict[str, AnyArray]:
        return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}

    return Residuals.of(part(_RESIDUALS)), Calibration.of(part(_TABLES))


def calibration_spec(residuals: Residuals, calibration: Calibration) -> CalibrationSpec:
    """Return the summary of a calibration for the manifest, with the coverage of each window by the others."""
    judged = leave_one_out(residuals)
    dates = [dt.date(1970, 1, 1) + dt.timedelta(days=day) for day in residuals.cutoffs.tolist()]

    def by_level(shares: Float64 | None) -> dict[str, float]:
        if shares is None:
            return {}
        return {str(level): share for level, share in zip(LEVELS, np.nanmean(shares, axis=0).tolist(), strict=True)}

    return CalibrationSpec(
        cutoffs=dates,
        days=int(residuals.known.sum()),
        new_stores=int(calibration.new_store.sum()),
        factors=dict(calibration.factors),
        coverage=by_level(judged and judged.days),
        total_coverage=by_level(judged and judged.totals),
    )


def read_manifest(folder: Path) -> SalesManifest:
    """Read ``bundle.json`` alone.

    Raises:
        BundleError: if there is no manifest, or this version can't read it.
    """
    return bundle.read_manifest(folder, SalesManifest, kind="sales", format_version=FORMAT_VERSION)
