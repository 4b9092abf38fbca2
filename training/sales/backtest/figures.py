"""Figures of a backtest: every metric by forecaster, seed, window and slice, and their means over the windows."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from training.sales.backtest.run import Backtest, Window
from training.sales.fits.window_fit import MODEL
from training.sales.metrics import METRICS, by_slice, score

ALL: Final = "All"  # the kind of slice that has all rows
INTERVALS: Final = ("pinball", "coverage", "width")
"""Metrics of intervals. Their columns stay empty as long as the model forecasts no intervals."""


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
        return {**row, **self.metrics, **dict.fromkeys(INTERVALS)}


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
        """Return a metric by cutoff, the mean over the seeds; windows without such rows are left out."""
        found = {cutoff: self._index.get((forecaster, cutoff, kind, label), []) for cutoff in self.cutoffs}
        return {
            cutoff: float(np.mean([figure.metrics[metric] for figure in figures]))
            for cutoff, figures in found.items()
            if figures
        }

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
        """Return the kinds of slices, except the one with all rows."""
        return [kind for kind in dict.fromkeys(figure.kind for figure in self.all) if kind != ALL]

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
    sales, labels = window.evaluation.rows.sales, window.evaluation.labels()
    for (forecaster, seed), forecast in window.forecasts().items():
        yield Figure(forecaster, seed, window.cutoff, ALL, ALL, score(sales, forecast))
        for kind, label_of_row in labels.items():
            for label, metrics in by_slice(sales, forecast, label_of_row).items():
                yield Figure(forecaster, seed, window.cutoff, kind, label, metrics)


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same names as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
