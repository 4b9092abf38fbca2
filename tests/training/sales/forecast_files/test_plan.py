"""The plan of a bundle as a file: its columns, and the way back through a forecast."""

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales.columns.column import FeatureSet
from sales.features import Features
from sales.forecaster import Forecaster
from sales.panel import WEATHER as WEATHER_COLUMNS
from sales.preprocess import Preprocessor
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.parse import parse_items
from tests.sales.forecasts import CUTOFF, HORIZON, PLANNED, model_of, sensitive_network
from training.sales.data.tables import Tables
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError
from training.sales.forecast_files.plan import PlanError, write_plan

STORES = ("1", "3", "4")
FACTS = ["open", "promo", "state_holiday", "school_holiday"]
WEATHER = ["mean_temperature", "mean_humidity", "mean_wind_speed", "cloud_cover", "precipitation"]


@pytest.fixture(scope="module", params=["production", "parity"])
def sensitive_forecaster(request: pytest.FixtureRequest, demo_tables: Tables) -> Forecaster:
    """Forecaster whose network depends on all columns of a mode."""
    return Forecaster(model_of(demo_tables, request.param))


def read(file: Path) -> pd.DataFrame:
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def forecasts_of(forecaster: Forecaster, plan: pd.DataFrame) -> list[ItemForecast]:
    """Return the forecasts of a plan's store-days without any statement."""
    items = [
        {"store": int(store), "date": str(date)[:10]} for store, date in zip(plan["store"], plan["date"], strict=True)
    ]
    (answer,) = forecaster.predict([parse_items(items)])
    assert isinstance(answer, Forecasts)
    return [item for item in answer.items if isinstance(item, ItemForecast)]


def test_a_plan_has_what_the_calendar_states_or_assumes(sensitive_forecaster: Forecaster, tmp_path: Path) -> None:
    model, file = sensitive_forecaster.model, tmp_path / "plan.csv"
    written = write_plan(sensitive_forecaster, file, days=80, stores=STORES)
    plan = read(file)
    weather = WEATHER if model.features.mode == "production" else [*plan.columns[6:-1]]
    assert [*plan.columns] == ["store", "date", *FACTS, *weather, "assumed"]
    assert (written.n_rows, written.n_stores, len(plan)) == (240, 3, 240)
    assert (written.first, written.last) == (CUTOFF + dt.timedelta(days=1), CUTOFF + dt.timedelta(days=80))
    assert written.n_beyond == 80 - HORIZON
    calendar = model.panel.calendar
    for row in plan.to_dict("records"):
        store, day = int(row["store"]) - 1, calendar.day(dt.date.fromisoformat(row["date"]))
        assert [row["open"], row["promo"], row["school_holiday"]] == [
            str(grid[store, day]) for grid in (calendar.open, calendar.promo, calendar.school_holiday)
        ]
        stated = {name for bit, name in enumerate(FACTS) if not calendar.assumed[store, day] >> bit & 1}
        assumed = {*row["assumed"].split(";")} - {""}
        assert assumed - {"weather"} == {*FACTS} - stated
        columns = [index for index, name in enumerate(WEATHER_COLUMNS) if name in model.features.weather]
        unknown = np.isnan(model.panel.weather[model.panel.state[store], day, columns]).any()  # the table has gaps
        assert ("weather" in assumed) == (model.features.mode == "production" and unknown)
    names = plan["assumed"].str.split(";").explode()
    counted = {str(name): int(count) for name, count in names[names != ""].value_counts().items()}
    assert written.assumed == counted


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_plan_that_nobody_changed_forecasts_as_no_statement(
    sensitive_forecaster: Forecaster, tmp_path: Path, suffix: str
) -> None:
    """Sales, assumed facts and warnings are those of requests that state nothing, within the plan and after it."""
    plan, out = tmp_path / f"plan{suffix}", tmp_path / f"forecasts{suffix}"
    write_plan(sensitive_forecaster, plan, days=120, stores=STORES)
    count, _ = forecast_file(sensitive_forecaster, plan, out)
    before, after = read(plan), read(out)
    expected = forecasts_of(sensitive_forecaster, before)
    assert count == len(expected) == 360
    np.testing.assert_array_equal(after["sales"].astype(float), [forecast.sales for forecast in expected])
    assert after["assumed"].tolist() == [";".join(forecast.assumed) for forecast in expected]
    warnings = [[w.code for w in forecast.warnings] for forecast in expected]
    written = [[name.partition(":")[0] for name in cell.split(";") if name] for cell in after["warnings"]]
    assert written == warnings
    assert any(warnings)
    assert [*after.columns] == [*before.columns, "sales", "warnings"]
    unchanged = [name for name in before.columns if name != "assumed"]
    pd.testing.assert_frame_equal(after[unchanged], before[unchanged])


def test_a_changed_cell_is_a_statement(forecaster: Forecaster, tmp_path: Path) -> None:
    file, out = tmp_path / "plan.csv", tmp_path / "out.csv"
    after_plan = PLANNED + dt.timedelta(days=30)
    write_plan(forecaster, file, start=after_plan, days=20, stores=["3"])
    plan = read(file)
    plan.loc[2, "promo"] = "1" if plan.loc[2, "promo"] == "0" else "0"
    plan.loc[4, "mean_temperature"] = "31"
    plan.loc[6, "assumed"] = "open;state_holiday;school_holiday;weather"  # the promotion is known to be as assumed
    plan.to_csv(file, index=False)
    forecast_file(forecaster, file, out)
    rows = read(out)
    items = [{"store": 3, "date": str(date)} for date in plan["date"]]
    items[2]["promo"] = plan.loc[2, "promo"] == "1"  # type: ignore[assignment]
    items[4]["weather"] = {"mean_temperature": 31.0}  # type: ignore[assignment]
    items[6]["promo"] = plan.loc[6, "promo"] == "1"  # type: ignore[assignment]
    (answer,) = forecaster.predict([parse_items(items)])
    assert isinstance(answer, Forecasts)
    expected = [item for item in answer.items if isinstance(item, ItemForecast)]
    assert rows["sales"].astype(float).tolist() == [forecast.sales for forecast in expected]
    assert rows["assumed"].tolist() == [";".join(forecast.assumed) for forecast in expected]


def test_a_cleared_cell_is_not_stated(forecaster: Forecaster, tmp_path: Path) -> None:
    file, out = tmp_path / "plan.csv", tmp_path / "out.csv"
    write_plan(forecaster, file, days=30, stores=["3"])
    plan = read(file)
    plan[FACTS + WEATHER] = ""
    plan["assumed"] = ""
    plan.to_csv(file, index=False)
    forecast_file(forecaster, file, out)
    expected = [forecast.sales for forecast in forecasts_of(forecaster, plan)]
    assert read(out)["sales"].astype(float).tolist() == expected


def test_forecasts_can_be_forecast_again(forecaster: Forecaster, tmp_path: Path) -> None:
    plan, first, second = (tmp_path / f"{name}.csv" for name in ("plan", "first", "second"))
    write_plan(forecaster, plan, days=90, stores=STORES)
    forecast_file(forecaster, plan, first)
    forecast_file(forecaster, first, second)
    before, after = read(first), read(second)
    assert after["forecast"].tolist() == before["sales"].tolist()
    pd.testing.assert_frame_equal(after.drop(columns="forecast"), before)


def test_a_warning_names_its_column(forecaster: Forecaster, tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("store,date,mean_temperature\n1,2015-08-22,99\n1,2015-11-07,\n")
    forecast_file(forecaster, source, out)
    first, second = read(out)["warnings"]
    assert "out_of_range:Mean_TemperatureC" in first.split(";")
    assert "beyond_horizon" in second.split(";")


def test_a_parquet_file_keeps_its_types_and_order(forecaster: Forecaster, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "price": np.array([1.5, 2.5, np.nan], dtype=np.float32),
            "Promo": pd.array([True, None, False], dtype="boolean"),
            "ds": [dt.date(2015, 8, 22), dt.date(2015, 8, 24), dt.date(2015, 8, 25)],
            "note": pd.Categorical(["a", None, "b"]),
            "shop": np.array([3, 4, 3], dtype=np.int16),
        }
    )
    source, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    frame.to_parquet(source)
    forecast_file(forecaster, source, out)
    rows = pd.read_parquet(out)
    pd.testing.assert_frame_equal(rows[[*frame.columns]], pd.read_parquet(source))
    assert [*rows.columns] == [*frame.columns, "sales", "assumed", "warnings"]
    text = tmp_path / "rows.csv"
    frame.to_csv(text, index=False)
    forecast_file(forecaster, text, tmp_path / "out.csv")
    assert read(tmp_path / "out.csv")["sales"].astype(float).tolist() == rows["sales"].tolist()


def test_wrong_rows_of_a_parquet_file_are_named_by_their_numbers(forecaster: Forecaster, tmp_path: Path) -> None:
    source = tmp_path / "rows.parquet"
    pd.DataFrame({"store": [1, 99], "date": ["2015-08-22"] * 2}).to_parquet(source)
    with pytest.raises(RowsError, match=r"1 row can't be forecast.*\n  row 2: store 99 is not known"):
        forecast_file(forecaster, source, tmp_path / "out.parquet")


def test_a_plan_has_only_facts_that_the_model_uses(forecaster: Forecaster, tmp_path: Path) -> None:
    """A model of three columns asks neither for the weather nor for promotions, and assumes none."""
    panel = forecaster.model.panel
    names = FeatureSet(("Store", "Dayofweek"), ("Level", "DaysAhead"))
    features = Features(panel, "production", names, horizon=HORIZON)
    store, day = np.nonzero(~np.isnan(panel.sales))
    unused = {"Promo": 0.0, "StateHolidayType": 0.0, "SchoolHoliday": 0.0}
    preprocessor = Preprocessor.fit(features.build(store, day), names.cat_names, names.cont_names, unused)
    small = replace(forecaster.model, features=features, preprocessor=preprocessor, run=sensitive_network(preprocessor))
    write_plan(Forecaster(small), tmp_path / "plan.csv", days=80, stores=["1"])
    plan = read(tmp_path / "plan.csv")
    assert [*plan.columns] == ["store", "date", "open", "assumed"]
    assert {*plan["assumed"]} == {"", "open"}
    assert {name for forecast in forecasts_of(Forecaster(small), plan) for name in forecast.assumed} == {"open"}


def test_ids_with_commas_choose_stores(forecaster: Forecaster, tmp_path: Path) -> None:
    model, file = forecaster.model, tmp_path / "plan.csv"
    names = ("1, Main Street", *(f"Shop {index}" for index in range(2, len(model.panel.store_ids) + 1)))
    panel = replace(model.panel, levels={**model.panel.levels, "Store": names})
    write_plan(Forecaster(replace(model, panel=panel)), file, days=1, stores=["Shop 3,Shop 2", "1, Main Street"])
    assert read(file)["store"].tolist() == ["1, Main Street", "Shop 2", "Shop 3"]


def test_unknown_stores_and_days_are_named(forecaster: Forecaster, tmp_path: Path) -> None:
    file = tmp_path / "plan.csv"
    with pytest.raises(PlanError, match=r"--stores names '99', 'x', which the model does not know; it has \d+ stores"):
        write_plan(forecaster, file, stores=["1,99", "x"])
    with pytest.raises(PlanError, match=r"400 days from 2015-08-01 end on 2016-09-03; .* Give at most --days 366"):
        write_plan(forecaster, file, days=400)
    with pytest.raises(PlanError, match="--start is 2012-12-31; the model forecasts from 2013-01-01 to 2016-07-31"):
        write_plan(forecaster, file, start=dt.date(2012, 12, 31))
    refusing = Forecaster(replace(forecaster.model, beyond_horizon="refuse"))
    with pytest.raises(PlanError, match=f"50 days .* to 2015-09-18. Give at most --days {HORIZON}"):
        write_plan(refusing, file, days=50)
    assert not file.exists()
    assert write_plan(refusing, file, stores=["1"]).n_rows == HORIZON


@pytest.mark.parametrize("kind", ["the same name", "a symlink", "a hard link"])
def test_the_input_is_never_overwritten(forecaster: Forecaster, tmp_path: Path, kind: str) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("store,date\n1,2015-08-22\n")
    if kind == "the same name":
        out = tmp_path / "folder" / ".." / "rows.csv"
        (tmp_path / "folder").mkdir()
    elif kind == "a symlink":
        out.symlink_to(source)
    else:
        os.link(source, out)
    with pytest.raises(RowsError, match=r"(out|rows)\.csv is the input itself"):
        forecast_file(forecaster, source, out)
    assert source.read_text() == "store,date\n1,2015-08-22\n"
