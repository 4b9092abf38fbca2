"""Figures of a backtest: every metric by forecaster, seed, window and slice, and their means over the windows."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sales.uncertainty.calibration import Calibration
from training.sales.backtest.run import Backtest, Window
from training.sales.fits.window_fit import MODEL
from training.sales.intervals.quantiles import quantiles_of, total_quantiles_of
from training.sales.metrics import INTERVALS, METRICS, interval_score, score

Floats = NDArray[np.float64]

ALL: Final = "All"  # the kind of slice that has all rows
TOTALS: Final = "Totals"  # the kind of slice that has each store's total over the window
NEW: Final = "Stores"  # the kind of slice that has the stores unknown in training; no other slice has them


@dataclass(frozen=True)
class Figure:
    """Metrics of one forecaster in one slice of one window.

    Attributes:
        forecaster: name of the forecaster.
        seed: seed of the fit; None for a forecaster without one.
        cutoff: last day whose sales were known.
        kind: kind of slice, such as "Store type".
        label: the slice, such as "a".
        metrics: number of rows, and metrics by name.
    """

    forecaster: str
    seed: int | None
    cutoff: str
    kind: str
    label: str
    metrics: Mapping[str, float]

    def flat(self) -> dict[str, Any]:
        """Return the figure as one row of a table."""
        row = {name: value for name, value in asdict(self).items() if name != "metrics"}
        return {**row, **dict.fromkeys(INTERVALS), **self.metrics}


class Figures:
    """All figures of a backtest.

    Attributes:
        all: every figure.
        forecasters: names of the forecasters, the model first.
        cutoffs: cutoffs of the windows, the earliest first.
    """

    def __init__(self, result: Backtest) -> None:
        self.all = [figure for window in result.windows for figure in _figures(window)]
        self.forecasters = list(dict.fromkeys(figure.forecaster for figure in self.all))
        self.cutoffs = [window.cutoff for window in result.windows]

    @cached_property
    def _index(self) -> dict[tuple[str, str, str, str], list[Figure]]:
        """The figures of all seeds, by forecaster, cutoff, kind and label."""
        index: dict[tuple[str, str, str, str], list[Figure]] = {}
        for figure in self.all:
            index.setdefault((figure.forecaster, figure.cutoff, figure.kind, figure.label), []).append(figure)
        return index

    def by_window(self, forecaster: str, metric: str, kind: str = ALL, label: str = ALL) -> dict[str, float]:
        """Return a metric by cutoff, the mean over the seeds; windows without it are left out."""
        found = {cutoff: self._index.get((forecaster, cutoff, kind, label), []) for cutoff in self.cutoffs}
        values = {
            cutoff: [figure.metrics[metric] for figure in figures if metric in figure.metrics]
            for cutoff, figures in found.items()
        }
        return {cutoff: float(np.mean(several)) for cutoff, several in values.items() if several}

    def mean(self, forecaster: str, metric: str, kind: str = ALL, label: str = ALL) -> float:
        """Return the mean of a metric over the windows; each window has the same weight."""
        return float(np.mean(list(self.by_window(forecaster, metric, kind, label).values())))

    def seed_spread(self, forecaster: str, metric: str) -> float | None:
        """Return the standard deviation of a metric over the seeds, a mean over the windows; None for one seed."""
        spreads = []
        for cutoff in self.cutoffs:
            values = [figure.metrics[metric] for figure in self._index[forecaster, cutoff, ALL, ALL]]
            if len(values) > 1:
                spreads.append(np.std(values, ddof=1))
        return float(np.mean(spreads)) if spreads else None

    def labels(self, kind: str) -> list[str]:
        """Return the slices of a kind, in order."""
        return sorted({figure.label for figure in self.all if figure.kind == kind})

    def kinds(self) -> list[str]:
        """Return the kinds of slices of the rows, without those that are shown apart."""
        return [kind for kind in dict.fromkeys(figure.kind for figure in self.all) if kind not in (ALL, TOTALS, NEW)]

    def has(self, kind: str, metric: str = "rows") -> bool:
        """Return True if a kind of slice has a metric of the model in some window."""
        return any(
            figure.kind == kind and figure.forecaster == MODEL and metric in figure.metrics for figure in self.all
        )

    def best_baseline(self, kind: str = ALL, label: str = ALL) -> str | None:
        """Return the baseline with the lowest mean RMSPE in a slice; None if there is none."""
        baselines = [name for name in self.forecasters if not name.startswith(MODEL)]
        return min(baselines, key=lambda name: self.mean(name, "rmspe", kind, label), default=None)

    def summary(self) -> list[dict[str, Any]]:
        """Return the mean, lowest and highest value of each metric over the windows, by forecaster."""
        rows: list[dict[str, Any]] = []
        for forecaster in self.forecasters:
            row: dict[str, Any] = {"forecaster": forecaster}
            for metric in METRICS:
                values = list(self.by_window(forecaster, metric).values())
                row[metric] = {
                    "mean": float(np.mean(values)),
                    "lowest": min(values),
                    "highest": max(values),
                    "seed_spread": self.seed_spread(forecaster, metric),
                }
            rows.append(row)
        return rows


def figures_csv(figures: Figures) -> str:
    """Return every figure as CSV, a row for each forecaster, seed, window and slice."""
    return _csv([figure.flat() for figure in figures.all])


def figures_json(result: Backtest, figures: Figures, *, command: str | None) -> str:
    """Return settings, means and every figure as JSON."""
    settings = result.settings
    content = {
        "command": command,
        "synthetic": result.synthetic,
        "days": settings.days,
        "cutoffs": figures.cutoffs,
        "seeds": settings.seeds,
        "options": {name: value for name, value in asdict(settings.options).items() if name != "seed"},
        "skipped": dict(result.skipped),
        "summary": figures.summary(),
        "figures": [figure.flat() for figure in figures.all],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def forecasts_csv(result: Backtest) -> str:
    """Return the actual sales and every forecast as CSV, a row for each store-day of each window."""
    rows = []
    for window in result.windows:
        evaluation = window.evaluation
        forecasts = {
            name if seed is None else f"{name} seed {seed}": values
            for (name, seed), values in window.forecasts().items()
        }
        places = zip(evaluation.rows.store.tolist(), evaluation.rows.day.tolist(), strict=True)
        for row, (store, day) in enumerate(places):
            rows.append(
                {
                    "cutoff": window.cutoff,
                    "store": evaluation.panel.store_ids[store],
                    "date": evaluation.date(day).isoformat(),
                    "sales": f"{evaluation.rows.sales[row]:.7g}",
                    **{name: f"{values[row]:.7g}" for name, values in forecasts.items()},
                }
            )
    return _csv(rows)


def _figures(window: Window) -> Iterator[Figure]:
    """Yield every figure of a window."""
    rows = window.evaluation.rows
    new = np.zeros(len(rows), np.bool_) if window.new is None else window.new
    labels = {kind: label[~new] for kind, label in window.evaluation.labels().items()}
    medians = window.medians()
    for (forecaster, seed), forecast in window.forecasts().items():
        median = medians.get((forecaster, seed))
        quantiles = None if median is None or window.calibration is None else _quantiles(window, median)

        def figure(
            kind: str,
            label: str,
            chosen: NDArray[np.bool_],
            forecaster: str = forecaster,
            seed: int | None = seed,
            forecast: Floats = forecast,
            quantiles: Floats | None = quantiles,
        ) -> Figure:
            metrics = score(rows.sales[chosen], forecast[chosen])
            if quantiles is not None:
                metrics |= interval_score(rows.sales[chosen], quantiles[chosen])
            return Figure(forecaster, seed, window.cutoff, kind, label, metrics)

        yield figure(ALL, ALL, ~new)
        for kind, label_of_row in labels.items():
            for label in np.unique(label_of_row):
                chosen = ~new
                chosen[~new] = label_of_row == label
                yield figure(kind, str(label), chosen)
        if new.any():
            yield figure(NEW, "new stores", new)
        if median is not None and window.calibration is not None:
            metrics = _totals(window, window.calibration, median, ~new)
            yield Figure(forecaster, seed, window.cutoff, TOTALS, TOTALS, metrics)


def _quantiles(window: Window, median: Floats) -> Floats:
    """Return the quantiles of a window's rows, ``[row, probability]``."""
    assert window.calibration is not None
    rows = window.evaluation.rows
    return quantiles_of(window.calibration, rows.store, rows.day - window.evaluation.cutoff - 1, median)


def _totals(window: Window, calibration: Calibration, median: Floats, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """Return the metrics of each store's total over the window. Its forecast has the objective mean."""
    rows = window.evaluation.rows.where(chosen)
    stores = np.unique(rows.store)
    ahead = rows.day - window.evaluation.cutoff - 1
    sales = np.bincount(rows.store, weights=rows.sales)[stores]
    mean = np.bincount(rows.store, weights=median[chosen] * calibration.factors["mean"])[stores]
    quantiles = total_quantiles_of(calibration, rows.store, ahead, median[chosen], stores.tolist())
    return {**score(sales, mean), **interval_score(sales, quantiles)}


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same names as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
