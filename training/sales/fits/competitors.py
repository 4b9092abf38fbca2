"""Trained baselines of a backtest: a ridge regression and boosted trees on the network's columns.

Both learn log sales less the store's level, from the rows that the network learns from, with origins drawn in the same
way.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sales.panel import YEAR, Panel
from sales.preprocess import Prepared
from training.sales.fit import Fitted
from training.sales.model import trees
from training.sales.model.trees import PARAMETERS, tree_columns
from training.sales.rows import Rows

Floats = NDArray[np.float64]

PENALTY: Final = 1.0  # of the squared weights, beside the squared errors of all rows
MAX_CODES: Final = 32  # the ridge has a weight for each code of a category with up to as many
CHUNK: Final = 1 << 14  # rows whose columns are in memory at once, as float64
TREES: Final[Mapping[str, Any]] = MappingProxyType({**PARAMETERS, "cat_smooth": 50, "num_threads": 1})
ROUNDS: Final = 600


def ridge(fitted: Fitted, rows: Rows, *, seed: int = 0) -> Floats:
    """Return the forecasts ``[row]`` of a ridge regression on the columns of a fitted network.

    It has the continuous columns, and a weight for each code of the categories with few codes. It has no weights for
    single stores.
    """
    training = _TrainingRows(fitted, seed)
    gram, moment = np.zeros(()), np.zeros(())
    for chunk in _chunks(len(training.rows)):
        matrix = _ridge_columns(fitted, training.prepared(chunk))
        gram = gram + matrix.T @ matrix
        moment = moment + matrix.T @ training.target[chunk]
    penalty = np.full(len(gram), PENALTY)
    penalty[0] = 0  # the intercept; why: it is the mean, not an effect
    weights = np.linalg.solve(gram + np.diag(penalty + 1e-9), moment)
    forecasts = [
        _ridge_columns(fitted, _prepared(fitted, rows, chunk, origin=None)) @ weights for chunk in _chunks(len(rows))
    ]
    return np.asarray(np.exp(np.concatenate(forecasts) + store_level(fitted.panel, rows)))


def lightgbm(fitted: Fitted, rows: Rows, *, seed: int = 0) -> Floats:
    """Return the forecasts ``[row]`` of boosted trees with splits of categories, on the columns of a fitted network."""
    training = _TrainingRows(fitted, seed)
    everything = np.arange(len(training.rows))
    categories = list(range(len(fitted.preprocessor.n_codes)))
    package = trees.lightgbm()
    data = package.Dataset(
        tree_columns(training.prepared(everything)),
        training.target,
        categorical_feature=categories,
        params=dict(TREES),
        free_raw_data=True,
    )
    booster = package.train({**TREES, "seed": seed}, data, num_boost_round=ROUNDS)
    columns = tree_columns(_prepared(fitted, rows, np.arange(len(rows)), origin=None))
    return np.asarray(np.exp(booster.predict(columns, num_threads=1) + store_level(fitted.panel, rows)))


COMPETITORS: Mapping[str, Callable[..., Floats]] = MappingProxyType({"ridge": ridge, "lightgbm": lightgbm})
"""Baselines that are trained on the columns of a fitted network, by name."""


def store_level(panel: Panel, rows: Rows, origin: NDArray[np.int64] | None = None) -> Floats:
    """Return the store's mean log sales in the 364 days up to an origin, ``[row]``.

    Where it sold nothing in them, the mean is that of all stores in the same days, or of all known sales.

    Args:
        panel: the data.
        rows: store-days to forecast.
        origin: ``[row]``, last known day; None for the panel's cutoff.
    """
    known = panel.sales[:, : panel.cutoff + 1]
    sold = ~np.isnan(known)
    log_sales = np.log(known, where=sold, out=np.zeros(known.shape))
    sums, counts = (np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0))) for values in (log_sales, sold))
    end = np.full(len(rows), panel.cutoff + 1) if origin is None else np.maximum(origin + 1, 0)
    start = np.maximum(end - YEAR, 0)
    total = np.asarray(sums[rows.store, end] - sums[rows.store, start])
    count = np.asarray(counts[rows.store, end] - counts[rows.store, start])
    all_sums, all_counts = sums.sum(axis=0), counts.sum(axis=0)
    all_total, all_count = all_sums[end] - all_sums[start], all_counts[end] - all_counts[start]
    chain = np.where(all_count > 0, all_total / np.maximum(all_count, 1), all_sums[-1] / all_counts[-1])
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), chain))


class _TrainingRows:
    """Rows that the network learns from, with their origins.

    Attributes:
        rows: store-days with sales.
        origin: ``[row]``, last day whose sales the row's columns may use; None in parity mode, which looks ahead.
        target: ``[row]``, log sales less the store's level at the origin.
    """

    def __init__(self, fitted: Fitted, seed: int) -> None:
        self._fitted = fitted
        self.rows = Rows.sold(fitted.panel)
        days_ahead = np.random.default_rng(seed).integers(1, fitted.options.horizon + 1, len(self.rows))
        drawn = self.rows.day - days_ahead
        self.origin = None if fitted.features.mode == "parity" else drawn
        self.target = np.log(self.rows.sales.astype(np.float64)) - store_level(fitted.panel, self.rows, drawn)

    def prepared(self, chosen: NDArray[np.intp]) -> Prepared:
        """Return the network's input for some of the rows."""
        return _prepared(self._fitted, self.rows, chosen, self.origin)


def _prepared(fitted: Fitted, rows: Rows, chosen: NDArray[np.intp], origin: NDArray[np.int64] | None) -> Prepared:
    """Return the network's input for some rows."""
    origins = None if origin is None else origin[chosen]
    return fitted.preprocessor.transform(fitted.features.build(rows.store[chosen], rows.day[chosen], origin=origins))


def _chunks(n_rows: int) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of all rows, some at a time."""
    for start in range(0, n_rows, CHUNK):
        yield np.arange(start, min(start + CHUNK, n_rows))


def _few_codes(fitted: Fitted) -> list[tuple[int, int]]:
    """Return the index and the number of codes of each category with few codes, except the store."""
    names = fitted.preprocessor.cat_names
    return [
        (index, codes)
        for index, codes in enumerate(fitted.preprocessor.n_codes)
        if codes <= MAX_CODES and (index >= len(names) or names[index] != "Store")
    ]


def _ridge_columns(fitted: Fitted, prepared: Prepared) -> Floats:
    """Return the ridge's columns ``[row, column]``: 1, the numbers, and 0 or 1 for each code of the categories."""
    parts = [np.ones((len(prepared.conts), 1)), prepared.conts.astype(np.float64)]
    parts += [np.eye(codes)[prepared.cats[:, index]] for index, codes in _few_codes(fitted)]
    return np.hstack(parts)
