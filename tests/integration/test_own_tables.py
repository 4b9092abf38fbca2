"""Training on the tables of any chain through the command line, and forecasts from the bundle."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shopcat
from tests.training.sales.data.own_tables import FIRST, chain

pytestmark = pytest.mark.integration

DAYS = 420
HORIZON = 42  # days, six weeks
TINY = ("--layers", "32,16", "--epochs", "10", "--trees", "50", "--seed", "0", "--float32")


def run(*arguments: object) -> str:
    """Run a command and return its output."""
    command = [sys.executable, "-m", "cli", *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def trained(folder: Path, sales: pd.DataFrame) -> shopcat.Forecaster:
    """Train on a CSV file with these columns, and return the model."""
    file, out = folder / "turnover.csv", folder / "store" / "sales"
    sales.to_csv(file, index=False)
    run("train", "sales", file, "--out", out, *TINY)
    model = shopcat.load(out)
    assert isinstance(model, shopcat.Forecaster)
    return model


def six_weeks(model: shopcat.Forecaster) -> pd.DataFrame:
    """Return the forecasts of the six weeks after the sales: stores by rows, days by columns.

    A column for the opening without values leaves the opening to the model. Without it, each row would be an open day.
    """
    days = pd.date_range(model.cutoff, periods=HORIZON + 1)[1:]
    frame = pd.DataFrame([(store, day) for store in model.stores for day in days], columns=["store", "date"])
    return frame.assign(sales=model.forecast(frame.assign(open=None))["sales"]).pivot(
        index="store", columns="date", values="sales"
    )


@pytest.fixture(scope="module")
def sales() -> pd.DataFrame:
    """Store, date and sales of five stores, on open days alone."""
    return chain(days=DAYS)


@pytest.fixture(scope="module")
def forecasts(sales: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return six_weeks(trained(tmp_path_factory.mktemp("plain"), sales))


def test_three_columns_of_five_stores_are_enough(forecasts: pd.DataFrame) -> None:
    """Sundays are closed; on the other days each store has its level, and Saturdays are higher."""
    assert forecasts.shape == (5, HORIZON)
    assert forecasts.columns[0] == pd.Timestamp(FIRST + DAYS - 1)  # the Sunday after the last sales
    weekday = forecasts.columns.day_of_week
    assert (forecasts.loc[:, weekday == 6] == 0).all(axis=None)
    opened = forecasts.loc[:, weekday < 6]
    assert np.isfinite(opened).all(axis=None)
    weekdays, saturdays = opened.loc[:, weekday[weekday < 6] < 5], forecasts.loc[:, weekday == 5]
    np.testing.assert_allclose(weekdays.mean(axis=1), 1000 * np.arange(1, 6), rtol=0.15)
    np.testing.assert_allclose(saturdays.mean(axis=1) / weekdays.mean(axis=1), 1.3, rtol=0.15)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_the_unit_of_sales_does_not_change_relative_forecasts(
    sales: pd.DataFrame, forecasts: pd.DataFrame, tmp_path: Path, scale: float
) -> None:
    scaled = six_weeks(trained(tmp_path, sales.assign(sales=sales["sales"] * scale)))
    np.testing.assert_allclose(scaled / scale, forecasts, rtol=0.01)


def test_constant_sales_are_forecast_as_they_are(sales: pd.DataFrame, tmp_path: Path) -> None:
    constant = six_weeks(trained(tmp_path, sales.assign(sales=250)))
    opened = constant.loc[:, constant.columns.day_of_week < 6]
    np.testing.assert_allclose(opened, 250, rtol=0.05)


def test_stores_with_names_are_trained_forecast_explained_and_evaluated(
    sales: pd.DataFrame, forecasts: pd.DataFrame, tmp_path: Path
) -> None:
    """The forecasts are those of stores with numbers."""
    names = {store: f"Rīga {store}" for store in range(1, 6)}
    named = sales.assign(store=sales["store"].map(names))
    model = trained(tmp_path, named)
    assert model.stores == tuple(names.values())
    np.testing.assert_allclose(six_weeks(model), forecasts, rtol=1e-4)
    bundle, rows, out = tmp_path / "store" / "sales", tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text("shop,day\nRīga 4,2024-03-01\n", encoding="utf-8")
    run("forecast", bundle, rows, "--out", out)
    assert pd.read_csv(out)["sales"].item() == pytest.approx(forecasts.loc[4, "2024-03-01"], rel=1e-4)
    assert "store Rīga 4 on 2024-03-01" in run("explain", bundle, "Rīga 4", "2024-03-01")
    later = pd.concat([named, named.tail(60).assign(date=lambda days: days["date"] + pd.Timedelta(days=14))])
    later.to_csv(rows, index=False)
    run("evaluate", bundle, rows, "--report", tmp_path / "report", "--store", "Rīga 2")
    assert "Rīga 4" in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
