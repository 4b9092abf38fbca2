"""Plans and forecasts of a model with columns of the user's own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales.forecaster import Forecaster
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.parse import parse_items
from tests.sales.forecasts import model_of
from tests.training.sales.data.own_tables import write
from training.sales.data.tables import read_tables
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError
from training.sales.forecast_files.plan import write_plan


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    """Forecaster of three stores with a price and a poster, which the tables state for one week ahead."""
    rng, days = np.random.default_rng(0), pd.date_range("2023-01-02", periods=97)
    frame = pd.DataFrame([(store, day) for day in days for store in (1, 2, 3)], columns=["store", "date"])
    frame["Unit Price"] = rng.choice([1.0, 1.25, 1.3], len(frame))
    frame["poster"] = rng.choice(["none", "large"], len(frame))
    past = frame["date"] < days[90]
    sales = frame[past].assign(sales=lambda rows: rng.lognormal(3, 0.1, len(rows)))
    folder = tmp_path_factory.mktemp("own") / "data"
    write(folder, sales=sales, plan=frame[~past])
    return Forecaster(model_of(read_tables(folder), "production"))


def read(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def forecasts(forecaster: Forecaster, *items: dict[str, object]) -> list[ItemForecast]:
    (answer,) = forecaster.predict([parse_items(items)])
    assert isinstance(answer, Forecasts)
    return [item for item in answer.items if isinstance(item, ItemForecast)]


def test_a_plan_has_the_values_of_the_tables_and_then_the_last_ones(forecaster: Forecaster, tmp_path: Path) -> None:
    written = write_plan(forecaster, tmp_path / "plan.csv", days=9, stores=["2"])
    plan = read(tmp_path / "plan.csv")
    assert [*plan.columns][-3:] == ["Unit Price", "poster", "assumed"]
    assert {*plan["poster"]} <= {"none", "large"}
    assert ["columns" in cell.split(";") for cell in plan["assumed"]] == [False] * 7 + [True] * 2
    assert {*plan["Unit Price"][6:]} == {plan["Unit Price"][6]}
    assert written.assumed["columns"] == 2


def test_a_plan_that_nobody_changed_forecasts_as_no_statement(forecaster: Forecaster, tmp_path: Path) -> None:
    write_plan(forecaster, tmp_path / "plan.csv", days=20)
    forecast_file(forecaster, tmp_path / "plan.csv", tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    items = [{"store": int(row["store"]), "date": row["date"]} for row in rows.to_dict("records")]
    expected = forecasts(forecaster, *items)
    assert rows["sales"].astype(float).tolist() == [forecast.sales for forecast in expected]
    assert rows["assumed"].tolist() == [";".join(forecast.assumed) for forecast in expected]


def test_a_changed_value_is_a_statement(forecaster: Forecaster, tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("shop,ds,UNIT_PRICE,poster\n1,2023-04-20,1.1,large\n1,2023-04-21,,\n")
    forecast_file(forecaster, source, out)
    expected = forecasts(
        forecaster,
        {"store": 1, "date": "2023-04-20", "columns": {"Unit Price": 1.1, "poster": "large"}},
        {"store": 1, "date": "2023-04-21"},
    )
    rows = read(out)
    assert rows["sales"].astype(float).tolist() == [forecast.sales for forecast in expected]
    assert ["columns" in cell.split(";") for cell in rows["assumed"]] == [False, True]


def test_a_text_in_place_of_a_number_is_named(forecaster: Forecaster, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("store,date,Unit Price\n1,2023-04-20,1.1\n1,2023-04-21,cheap\n")
    with pytest.raises(RowsError, match=r"line 3: column Unit Price: 'cheap': not a number; write digits"):
        forecast_file(forecaster, source, tmp_path / "out.csv")
