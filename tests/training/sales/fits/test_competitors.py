"""training.sales.fits.competitors: the ridge against scikit-learn, the trees, and the store's level."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from sales.panel import Panel
from tests.training.sales.small import OPTIONS
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import Evaluation
from training.sales.fit import Fitted, fit
from training.sales.fits.competitors import PENALTY, _TrainingRows, lightgbm, ridge, store_level
from training.sales.metrics import rmspe
from training.sales.rows import Rows


@pytest.fixture(scope="module")
def fitted(panel: Panel) -> Fitted:
    return fit(panel, OPTIONS, progress=False)


@pytest.fixture(scope="module")
def rows(tables: Tables, panel: Panel) -> Rows:
    """The holdout."""
    return Rows.sold(panel_from_tables(tables), after=panel.cutoff)


def columns(fitted: Fitted, rows: Rows, origin: object = None) -> pd.DataFrame:
    """The ridge's columns as pandas makes them: the numbers, and 0 or 1 for each code of most categories."""
    prepared = fitted.preprocessor.transform(fitted.features.build(rows.store, rows.day, origin=origin))  # type: ignore[arg-type]
    parts = [pd.DataFrame(prepared.conts.astype(float)).add_prefix("number ")]
    names = [*fitted.preprocessor.cat_names, *map(str, range(100))]
    for index, n_codes in enumerate(fitted.preprocessor.n_codes):
        if names[index] != "Store" and n_codes <= 32:
            codes = pd.Categorical(prepared.cats[:, index], categories=range(n_codes))
            parts.append(pd.get_dummies(codes, prefix=f"{index}", dtype=float))
    return pd.concat(parts, axis=1)


def test_the_ridge_agrees_with_scikit_learn(fitted: Fitted, rows: Rows) -> None:
    training = _TrainingRows(fitted, seed=3)
    model = Ridge(alpha=PENALTY).fit(columns(fitted, training.rows, training.origin), training.target)
    expected = np.exp(model.predict(columns(fitted, rows)) + store_level(fitted.panel, rows))
    np.testing.assert_allclose(ridge(fitted, rows, seed=3), expected, rtol=1e-5)


def test_the_level_of_a_store_is_the_mean_log_sales_of_the_year_before_the_origin(panel: Panel) -> None:
    sold = Rows.sold(panel)
    chosen = np.random.default_rng(0).choice(len(sold), 100, replace=False)
    some = sold.where(np.isin(np.arange(len(sold)), chosen))
    origin = some.day - 20
    expected = []
    for store, last in zip(some.store, origin, strict=True):
        window = panel.sales[:, max(last - 363, 0) : max(last + 1, 0)]
        past = window[store][~np.isnan(window[store])]
        everything = window[~np.isnan(window)]
        known = next(v for v in (past, everything, panel.sales[~np.isnan(panel.sales)]) if len(v))
        expected.append(np.log(known.astype(float)).mean())
    np.testing.assert_allclose(store_level(panel, some, origin), expected, rtol=1e-6)
    at_cutoff = store_level(panel, some, np.full(len(some), panel.cutoff))
    np.testing.assert_array_equal(store_level(panel, some), at_cutoff)


def test_training_rows_have_origins_within_the_horizon(fitted: Fitted) -> None:
    training = _TrainingRows(fitted, seed=0)
    assert training.origin is not None
    assert {*(training.rows.day - training.origin)} == {*range(1, 50)}


def test_the_trees_beat_last_year_and_are_the_same_each_time(tables: Tables, fitted: Fitted, rows: Rows) -> None:
    forecast = lightgbm(fitted, rows)
    naive = Evaluation(panel_from_tables(tables), fitted.panel.cutoff, rows, forecast).metrics()
    assert rmspe(rows.sales, forecast) < 0.7 * naive["last_year_same_weekday"]["rmspe"]
    np.testing.assert_array_equal(lightgbm(fitted, rows), forecast)
