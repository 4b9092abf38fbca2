"""training.sales.rows: days with sales are judged as open days, in a backtest as in an evaluation."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales.features import Features
from sales.forecaster import Forecaster, Model
from sales.preprocess import Preprocessor
from training.sales.data.files import Source
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables
from training.sales.evaluation import evaluate
from training.sales.fits.windows import tables_until
from training.sales.rows import Rows, forecast_open_days

CUTOFF = np.datetime64("2015-06-30")
HORIZON = 31


@pytest.fixture(scope="module")
def sold(tables: Tables) -> Tables:
    """Tables of the days with sales alone, with a Sunday on which one store opens for once."""
    days = tables.train[tables.train["Sales"] > 0][["Store", "Date", "Sales", "Promo"]]
    sunday = days[days["Date"] == "2015-07-04"].head(1).assign(Date=pd.Timestamp("2015-07-05").as_unit("s"))
    train = pd.concat([days, sunday], ignore_index=True).assign(Open=np.int8(1), SchoolHoliday=np.int8(0))
    train["StateHoliday"] = pd.Categorical(["0"] * len(train), categories=tables.train["StateHoliday"].cat.categories)
    headers = dict.fromkeys(("Store", "Date", "Sales", "Promo"), "")
    return replace(tables, train=train, test=tables.test.head(0), sources={"train": Source("sales.csv", headers, ())})


def model_of(sold: Tables) -> Model:
    """A model whose network is a formula of its columns, so that every wrong column shows."""
    panel = panel_from_tables(tables_until(sold, CUTOFF, CUTOFF + HORIZON), cutoff=CUTOFF)
    features = Features(panel, "production", horizon=HORIZON)
    rows, names = Rows.sold(panel), features.feature_set
    preprocessor = Preprocessor.fit(features.build(rows.store, rows.day), names.cat_names, names.cont_names)

    def run(cats: "np.ndarray", conts: "np.ndarray") -> "np.ndarray":  # type: ignore[type-arg]
        weight = np.linspace(0.001, 0.002, cats.shape[1])
        return np.asarray(8 + cats @ weight + conts @ np.linspace(0.01, 0.02, conts.shape[1]), np.float32)

    return Model("sales", "test", panel, features, preprocessor, run, HORIZON)


def test_a_day_with_sales_is_forecast_as_an_open_day_without_a_column_open(sold: Tables) -> None:
    model = model_of(sold)
    result = evaluate(Forecaster(model), sold)
    closed = model.panel.calendar.open[result.rows.store, result.rows.day] == 0
    assert closed.sum() == 1, "the Sunday is assumed closed"
    assert (result.forecast > 0).all()
    forecast = forecast_open_days(model.features, model.preprocessor, model.run, result.rows)
    np.testing.assert_allclose(result.forecast, forecast, rtol=1e-6)


def test_an_evaluation_states_no_holiday_that_the_tables_do_not_state(sold: Tables) -> None:
    """The bundle knows its country's holidays, here a first Friday; tables without the column must not deny them."""
    model = model_of(sold)
    day = model.panel.calendar.day(pd.Timestamp("2015-07-03").date())
    model.panel.calendar.state_holiday[:, day] = 1
    model = replace(model, features=Features(model.panel, "production", horizon=HORIZON))
    result = evaluate(Forecaster(model), sold)
    forecast = forecast_open_days(model.features, model.preprocessor, model.run, result.rows)
    np.testing.assert_allclose(result.forecast, forecast, rtol=1e-6)


def test_the_opening_of_a_day_changes_its_columns(sold: Tables) -> None:
    """So that the test above can fail."""
    model = model_of(sold)
    store, day = (np.array([index]) for index in (0, model.panel.calendar.day(pd.Timestamp("2015-07-05").date())))
    rows = Rows(store, day, np.ones(1, np.float32))
    prepared = model.preprocessor.transform(model.features.build(store, day))
    closed = np.exp(model.run(prepared.cats, prepared.conts))
    opened = forecast_open_days(model.features, model.preprocessor, model.run, rows)
    assert abs(opened[0] / closed[0] - 1) > 1e-6


def test_the_calendar_of_the_panel_stays_as_it_is(sold: Tables, tmp_path: Path) -> None:
    model = model_of(sold)
    before = model.panel.calendar.open.copy()
    forecast_open_days(model.features, model.preprocessor, model.run, Rows.sold(panel_from_tables(sold), after=800))
    np.testing.assert_array_equal(model.panel.calendar.open, before)
