"""Tables that list open days alone: their assumed facts, and the forecasts of days that a client lists."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shopcat
from sales.calendar import FIELDS
from sales.forecaster import Forecaster
from schemas.sales.answer import Forecast
from schemas.sales.parse import parse_request
from tests.training.sales.data.own_tables import chain, write
from tests.training.sales.small import OPTIONS
from training.run import Run
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables
from training.sales.forecast_files.forecast import OPENED, forecast_file
from training.sales.train import train

SUNDAY, MONDAY = "2023-12-03", "2023-12-04"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of three stores that open from Monday to Saturday; their sales end on 2023-11-30."""
    folder = tmp_path_factory.mktemp("open_days")
    tables = read_tables(write(folder / "data", sales=chain(stores=3, days=333)) / "sales.csv")
    assert str(tables.train["Date"].max().date()) == "2023-11-30"
    train(tables, folder / "sales", OPTIONS, Run("sales", progress=False))
    return folder / "sales"


@pytest.fixture(scope="module")
def forecaster(bundle: Path) -> Forecaster:
    return Forecaster.load(bundle)


def ask(forecaster: Forecaster, **request: object) -> Forecast:
    (answer,) = forecaster.predict([parse_request({"store": 1, **request})])
    assert isinstance(answer, Forecast)
    return answer


def test_only_facts_that_the_chain_has_are_assumed(forecaster: Forecaster) -> None:
    """Without promotions, holidays and weather in the tables there are none to assume."""
    assert ask(forecaster, date=MONDAY).assumed == ("open",)
    assert ask(forecaster, date="2024-01-01").assumed == ("open",)


def test_the_holidays_of_the_country_are_assumed_on_their_days_alone(tmp_path: Path) -> None:
    tables = read_tables(write(tmp_path, sales=chain(stores=3, days=333)) / "sales.csv").in_country("FR")
    calendar = panel_from_tables(tables).calendar
    holiday = FIELDS.index("state_holiday")
    ahead = range(calendar.day(dt.date(2023, 12, 1)), calendar.day(dt.date(2024, 3, 1)))
    assumed = [calendar.date(day) for day in ahead if calendar.assumed[0, day] >> holiday & 1]
    assert assumed == [dt.date(2023, 12, 25), dt.date(2024, 1, 1)]
    assert np.isin(calendar.assumed[:, ahead], [1, 1 + 2**holiday]).all()


def test_a_stated_opening_gives_a_forecast_on_a_usual_closing_day(forecaster: Forecaster) -> None:
    closed = ask(forecaster, date=SUNDAY)
    assert (closed.sales, closed.assumed) == (0, ("open",))
    assert ask(forecaster, date=SUNDAY, open=True).sales > 100


def test_each_row_of_a_file_is_an_open_day_as_in_the_tables(forecaster: Forecaster, tmp_path: Path) -> None:
    """As in the training table. A column for the opening states otherwise."""
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text(f"store,date\n1,{SUNDAY}\n1,{MONDAY}\n")
    _, notes = forecast_file(forecaster, rows, out)
    assert (pd.read_csv(out)["sales"] > 100).all()
    assert notes[OPENED] == 1  # the Sunday
    rows.write_text(f"store,date,open\n1,{SUNDAY},\n1,{MONDAY},1\n")
    _, notes = forecast_file(forecaster, rows, out)
    assert OPENED not in notes
    assert (pd.read_csv(out)["sales"] > 100).tolist() == [False, True]


def test_each_row_of_a_frame_is_an_open_day_as_in_the_tables(bundle: Path) -> None:
    model = shopcat.load(bundle)
    frame = pd.DataFrame({"store": [1, 1], "date": [SUNDAY, MONDAY]})
    assert (model.forecast(frame)["sales"] > 100).all()
    assert (model.forecast(frame.assign(open=[None, True]))["sales"] > 100).tolist() == [False, True]


def test_tables_with_closed_days_do_not_list_open_days_alone(tmp_path: Path) -> None:
    table = chain(stores=3, days=333)
    assert panel_from_tables(read_tables(write(tmp_path / "a", sales=table) / "sales.csv")).lists_open_days_only
    closed = pd.DataFrame({"store": [1], "date": ["2023-01-08"], "sales": [0]})
    both = pd.concat([table.assign(date=table["date"].dt.strftime("%Y-%m-%d")), closed])
    assert not panel_from_tables(read_tables(write(tmp_path / "b", sales=both) / "sales.csv")).lists_open_days_only
