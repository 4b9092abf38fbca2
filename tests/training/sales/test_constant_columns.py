"""Columns that never vary in training do not move a forecast when they first vary."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sales.forecaster import Forecaster
from schemas.sales.answer import Forecast, Forecasts
from schemas.sales.parse import parse_request
from training.run import Run
from training.sales.data.tables import Tables
from training.sales.options import Options
from training.sales.train import train


@pytest.fixture(scope="module")
def plain(demo_tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Forecaster:
    """A model of five stores for which only sales and promotions vary."""
    stores = demo_tables.store["Store"].head(5)

    def of_stores(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["Store"].isin(stores)].reset_index(drop=True)

    def ordinary(days: pd.DataFrame) -> pd.DataFrame:
        return days.assign(Open=1, StateHoliday=days["StateHoliday"].mask(days.index >= 0, "0"), SchoolHoliday=0)

    train_days = of_stores(demo_tables.train)
    sold = train_days["Sales"].mask(train_days["Sales"] <= 0, 1000.0)
    weather = demo_tables.weather.copy()
    numbers = weather.select_dtypes("number").columns
    tables = replace(
        demo_tables,
        country=None,  # its calendar would have holidays
        train=ordinary(train_days).assign(Sales=sold),
        test=ordinary(of_stores(demo_tables.test)),
        store=of_stores(demo_tables.store).assign(
            CompetitionDistance=float("nan"),
            CompetitionOpenSinceMonth=float("nan"),
            CompetitionOpenSinceYear=float("nan"),
            Promo2=0,
            Promo2SinceWeek=float("nan"),
            Promo2SinceYear=float("nan"),
            PromoInterval=None,
        ),
        store_states=of_stores(demo_tables.store_states),
        weather=weather.assign(**dict.fromkeys(numbers, 0.0), Events=None),
    )
    out = tmp_path_factory.mktemp("plain") / "sales"
    train(tables, out, Options(epochs=2, layers=(64, 32)), Run("sales", progress=False))
    return Forecaster.load(out)


def forecast(model: Forecaster, **request: Any) -> Forecast:
    (answer,) = model.predict([parse_request({"store": 1, "date": "2015-08-05", **request})])
    assert isinstance(answer, Forecast)
    return answer


@pytest.mark.parametrize(
    "stated",
    [
        {"school_holiday": True},
        {"state_holiday": "a"},
        {"weather": {"mean_temperature": 25, "max_temperature": 30, "mean_humidity": 40}},
    ],
)
def test_a_column_that_never_varied_moves_no_forecast(plain: Forecaster, stated: dict[str, Any]) -> None:
    """Batch norm divides such a column by almost 0: a stated school holiday turned 3,089 into 8,875."""
    ordinary, changed = forecast(plain), forecast(plain, **stated)
    assert changed.sales == pytest.approx(ordinary.sales, rel=1e-6)
    unused = {warning.field for warning in changed.warnings if warning.code == "unused"}
    assert unused == {*stated.get("weather", stated)}
    assert not any(warning.code == "unused" for warning in ordinary.warnings)


def test_a_column_that_never_varied_is_not_in_the_network(plain: Forecaster) -> None:
    preprocessor = plain.model.preprocessor
    used = {*preprocessor.cat_names, *preprocessor.cont_names}
    assert used.isdisjoint(preprocessor.unused)
    assert {"SchoolHoliday", "StateHolidayType", "Mean_TemperatureC", "Promo2Weeks", "OpenAfter_1"} <= {
        *preprocessor.unused
    }
    assert {"Promo", "DayOfWeek", "Store", "Level"} <= used


def test_stating_what_training_always_saw_gives_no_warning(plain: Forecaster) -> None:
    stated = forecast(plain, school_holiday=False, state_holiday="0", open=True)
    assert stated.sales == forecast(plain).sales
    assert not any(warning.code == "unused" for warning in stated.warnings)


def test_a_closed_friday_does_not_move_the_wednesday_where_no_store_ever_closed(plain: Forecaster) -> None:
    items = [{"store": 1, "date": "2015-08-05"}, {"store": 1, "date": "2015-08-07", "open": False}]
    (answer,) = plain.predict([parse_request({"items": items})])
    assert isinstance(answer, Forecasts)
    assert [item.sales for item in answer.items] == pytest.approx([forecast(plain).sales, 0.0], rel=1e-6)  # type: ignore[union-attr]


def test_the_demonstration_can_be_forecast(demo_bundle: Path) -> None:
    assert forecast(Forecaster.load(demo_bundle)).sales > 0
