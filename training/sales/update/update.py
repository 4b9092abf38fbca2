"""Update of a bundle with newer sales: the same network, weights and preprocessing, on a new panel.

The network takes the past as columns, so it forecasts from any cutoff. The days since the bundle's cutoff become
windows of residuals, forecast as the bundle would have forecast them, and the calibration is fitted again.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file

from runtime.bundle import NETWORK, WEIGHTS, BundleError
from sales import bundle as bundles
from sales.bundle import Bundle
from sales.columns.column import FeatureSet
from sales.features import Features, UnknownColumnError
from sales.forecaster import Model
from sales.network import onnx_network
from sales.panel import Panel
from sales.preprocess import Preprocessor, Run
from sales.uncertainty.calibration import Calibration
from sales.uncertainty.residuals import Residuals
from schemas.sales.manifest import SalesManifest
from training.sales.card import model_card
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation
from training.sales.fits.windows import tables_until
from training.sales.golden import golden_rows
from training.sales.intervals.figures import interval_figures
from training.sales.intervals.residuals import MAX_WINDOWS, residuals_of
from training.sales.rows import Rows, forecast_open_days
from training.sales.update.drift import Drift, drift
from training.sales.update.needs import check_tables

logger = logging.getLogger(__name__)


class Updated(NamedTuple):
    """Result of an update, besides the bundle that it wrote.

    Attributes:
        manifest: manifest of the new bundle.
        new_days: number of days from the old cutoff to the new one.
        new_stores: ids of the stores that the weights do not know.
        drift: errors since the training; None if there are no sales since.
    """

    manifest: SalesManifest
    new_days: int
    new_stores: tuple[int | str, ...]
    drift: Drift | None


def update(folder: Path, tables: Tables, out: Path, *, replace: bool = False, device: str = "cpu") -> Updated:
    """Write a bundle with the weights of another and newer sales.

    Args:
        folder: the bundle to update.
        tables: checked tables with all sales, the old ones too.
        out: folder of the new bundle.
        replace: allow an existing bundle to be replaced.
        device: ``cpu`` or ``cuda:N``.

    Raises:
        BundleError: if the bundle is damaged, or has a column that this version can't compute.
        ModeError: if the tables lack what the bundle's mode needs.
        UpdateError: if the tables can't update the bundle.
        FolderError: if the new bundle's folder exists and must not be replaced.
    """
    bundle = bundles.load(folder)
    manifest = bundle.manifest
    tables.check_mode(manifest.mode)
    tables = tables.in_country(manifest.training.get("country"))
    panel = panel_from_tables(tables, unit=bundle.panel.unit)
    features = _features(bundle, panel)
    check_tables(bundle, tables, panel, features)
    run = onnx_network(bundle, device, 0)
    trained_until = dt.date.fromisoformat(manifest.training.get("until", manifest.cutoff.isoformat()))
    kept, origin = _kept_windows(bundle, trained_until)
    evaluations = list(_new_windows(bundle, run, tables, panel, origin))
    index = {store: place for place, store in enumerate(bundle.panel.store_ids)}
    stores = np.array([index.get(store, -1) for store in panel.store_ids])
    residuals = _residuals(kept, evaluations, stores, manifest.horizon)
    judged = None
    if evaluations:
        before = None if kept is None else kept.window(kept.cutoffs < _days(trained_until))
        judged = drift(
            evaluations,
            past=before,
            calibration=bundle.calibration,
            stores=stores,
            days_since_training=(panel.calendar.date(panel.cutoff) - trained_until).days,
        )
    calibration = None if residuals is None else Calibration.fit(residuals)
    metrics = dict(manifest.metrics)
    if residuals is not None:
        metrics["intervals"] = interval_figures(residuals, panel)
    if judged is not None:
        metrics["since_training"] = {**judged.figures, "reasons_to_train": judged.reasons}
    fields: dict[str, Any] = {
        **{name: value for name, value in manifest if name not in ("version", "files")},
        "created": datetime.now(UTC).replace(microsecond=0),
        "synthetic": manifest.synthetic or tables.synthetic,
        "cutoff": panel.calendar.date(panel.cutoff),
        "first_date": panel.calendar.date(0),
        "last_date": panel.calendar.date(panel.calendar.days - 1),
        "levels": {key: list(values) for key, values in panel.levels.items()},
        "metrics": metrics,
        "training": {**manifest.training, "until": trained_until.isoformat()},
        "calibration": None,
    }
    if residuals is not None and calibration is not None:
        fields["calibration"] = bundles.calibration_spec(residuals, calibration)
    preprocessor = Preprocessor.of(manifest.preprocess, panel.levels)
    written = bundles.save(
        out,
        fields,
        weights=load_file(folder / WEIGHTS),
        network=(folder / NETWORK).read_bytes(),
        panel=panel,
        golden=golden_rows(Model(manifest.name, "updated", panel, features, preprocessor, run, manifest.horizon)),
        card=model_card(fields),
        residuals=residuals,
        calibration=calibration,
        replace=replace,
    )
    new_stores = tuple(store for store in panel.store_ids if store not in index)
    return Updated(written, (written.cutoff - manifest.cutoff).days, new_stores, judged)


def _features(bundle: Bundle, panel: Panel) -> Features:
    """Return the bundle's columns of a panel. Codes keep the meaning that they had in training.

    Raises:
        BundleError: if this version can't compute one.
    """
    columns = bundle.manifest.preprocess
    names = FeatureSet(tuple(columns.cat_names), tuple(columns.cont_names))
    try:
        return Features(panel, bundle.manifest.mode, names, horizon=bundle.manifest.horizon)
    except UnknownColumnError as error:
        raise BundleError(f"{bundle.folder}: {error}, in this version of shopcat; train a new bundle") from error


def _kept_windows(bundle: Bundle, trained_until: dt.date) -> tuple[Residuals | None, dt.date]:
    """Return the windows of residuals that stay, and the cutoff of the first window to compute.

    An earlier update may have left a window whose days are not all known yet. It is computed again, so that updates
    each week give windows of a full horizon, and not one for each week.
    """
    residuals, cutoff = bundle.residuals, bundle.manifest.cutoff
    if residuals is None or not residuals.windows:
        return None, cutoff
    last = dt.date(1970, 1, 1) + dt.timedelta(days=int(residuals.cutoffs[-1]))
    if last >= trained_until and last + dt.timedelta(days=bundle.manifest.horizon) > cutoff:
        return (residuals.window(np.arange(residuals.windows - 1)) if residuals.windows > 1 else None), last
    return residuals, cutoff


def _new_windows(bundle: Bundle, run: Run, tables: Tables, panel: Panel, first: dt.date) -> Iterator[Evaluation]:
    """Yield the windows from a cutoff to the end of the sales, each forecast from the sales before it."""
    horizon, end = bundle.manifest.horizon, panel.calendar.date(panel.cutoff)
    for start in range(0, (end - first).days, horizon):
        cutoff = np.datetime64(first + dt.timedelta(days=start))
        observed = bundle.manifest.mode == "parity"
        past = tables_until(tables, cutoff, cutoff + horizon, observed=observed)
        known = panel_from_tables(past, cutoff=cutoff, unit=bundle.panel.unit)
        rows = Rows.sold(panel, after=known.cutoff)
        rows = rows.where(rows.day <= known.cutoff + horizon)
        if not len(rows):
            continue
        preprocessor = Preprocessor.of(bundle.manifest.preprocess, known.levels)
        forecast = forecast_open_days(_features(bundle, known), preprocessor, run, rows)
        yield Evaluation(panel, known.cutoff, rows, forecast)


def _residuals(
    kept: Residuals | None, evaluations: list[Evaluation], stores: "np.ndarray[tuple[int], Any]", horizon: int
) -> Residuals | None:
    """Return the residuals of the newest windows, for the stores of the new panel; None if there are none."""
    residuals = None if kept is None else kept.for_stores(stores)
    if evaluations:
        new = residuals_of(evaluations, horizon)
        residuals = new if residuals is None else residuals.append(new)
    if residuals is None or not residuals.known.any():
        return None
    return residuals.window(np.arange(max(residuals.windows - MAX_WINDOWS, 0), residuals.windows))


def _days(date: dt.date) -> int:
    """Return a date in days since 1970-01-01."""
    return (date - dt.date(1970, 1, 1)).days
