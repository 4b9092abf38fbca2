"""Assumed closures of tables that list open days alone: recurring days, named holidays and weekly closing days."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales.panel import Panel
from tests.training.sales.data.own_tables import write
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables

Closed = Callable[[int, dt.date, np.random.Generator], bool]


def panel(folder: Path, closed: Closed, *, first: str, last: str, stores: int = 1, country: str | None = None) -> Panel:
    """Return the panel of a file with the open days of some stores: store, date, sales."""
    rng = np.random.default_rng(3)
    rows = [
        (f"s{store}", day.date().isoformat(), 100 + 10 * store)
        for store in range(stores)
        for day in pd.date_range(first, last)
        if not closed(store, day.date(), rng)
    ]
    file = write(folder, sales=pd.DataFrame(rows, columns=["store", "date", "sales"])) / "sales.csv"
    return panel_from_tables(read_tables(file).in_country(country))


def is_open(panel: Panel, date: str, store: int = 0) -> bool:
    return bool(panel.calendar.open[store, panel.calendar.day(dt.date.fromisoformat(date))])


def n_closed(panel: Panel) -> list[int]:
    """Return the number of closed days in the year after the sales, by store."""
    return np.sum(panel.calendar.open[:, panel.cutoff + 1 : panel.cutoff + 365] == 0, axis=1).tolist()


@pytest.mark.parametrize("stores", [1, 5])
def test_a_store_closed_on_every_christmas_day_is_closed_on_the_next(tmp_path: Path, stores: int) -> None:
    made = panel(
        tmp_path,
        lambda _, date, __: (date.month, date.day) == (12, 25),
        first="2019-01-01",
        last="2022-11-30",
        stores=stores,
    )
    assert not is_open(made, "2022-12-25")
    assert is_open(made, "2022-12-26")
    assert n_closed(made) == [1] * stores
    assert made.calendar.assumed[0, made.calendar.day(dt.date(2022, 12, 25))] & 1


def test_one_christmas_is_enough_if_most_stores_were_closed(tmp_path: Path) -> None:
    """Store 4 opened on it; an ordinary day on which all were closed once does not recur."""

    def closed(store: int, date: dt.date, rng: np.random.Generator) -> bool:
        return (date == dt.date(2021, 12, 25) and store != 4) or date == dt.date(2022, 3, 9)

    made = panel(tmp_path, closed, first="2021-06-01", last="2022-11-30", stores=5)
    assert [is_open(made, "2022-12-25", store) for store in range(5)] == [False] * 4 + [True]
    assert n_closed(made) == [1] * 4 + [0]


def test_thanksgiving_is_closed_with_and_without_the_country(tmp_path: Path) -> None:
    """The store opens on all other public holidays than these and Christmas Day."""
    thanksgivings = [dt.date(2019, 11, 28), dt.date(2020, 11, 26), dt.date(2021, 11, 25)]

    def closed(store: int, date: dt.date, rng: np.random.Generator) -> bool:
        return date in thanksgivings or (date.month, date.day) == (12, 25)

    for country in ("US", None):
        made = panel(tmp_path / str(country), closed, first="2019-01-01", last="2022-10-31", country=country)
        assert not is_open(made, "2022-11-24"), country
        assert not is_open(made, "2022-12-25"), country
        assert n_closed(made) == [2], country


def test_a_named_holiday_that_moves_by_the_moon_is_closed_on_its_first_day_alone(tmp_path: Path) -> None:
    feasts = [dt.date(2016, 7, 5), dt.date(2017, 6, 25)]
    made = panel(
        tmp_path, lambda _, date, __: date in feasts, first="2016-01-01", last="2018-05-31", stores=3, country="TR"
    )
    for store in range(3):
        assert [is_open(made, f"2018-06-{day}", store) for day in (14, 15, 16)] == [True, False, True]
    assert n_closed(made) == [1] * 3


def test_rose_monday_moves_with_easter(tmp_path: Path) -> None:
    carnivals = [dt.date(2019, 3, 4), dt.date(2020, 2, 24), dt.date(2021, 2, 15)]
    made = panel(tmp_path, lambda _, date, __: date in carnivals, first="2019-01-01", last="2021-12-31")
    assert not is_open(made, "2022-02-28")
    assert n_closed(made) == [1]


def test_closures_by_chance_do_not_recur(tmp_path: Path) -> None:
    """Restaurants that close on a tenth of the days, at random, in two years: few days of a year are assumed closed."""
    made = panel(tmp_path, lambda _, __, rng: rng.random() < 0.1, first="2020-01-01", last="2022-01-31", stores=20)
    assert max(n_closed(made)) <= 6
    assert np.mean(n_closed(made)) <= 2


def test_the_closing_day_of_the_last_weeks_holds(tmp_path: Path) -> None:
    def closed(store: int, date: dt.date, rng: np.random.Generator) -> bool:
        return date.weekday() == (0 if date < dt.date(2021, 9, 1) else 1)

    made = panel(tmp_path, closed, first="2020-01-01", last="2021-12-31")
    assert [is_open(made, f"2022-02-{day:02d}") for day in range(7, 14)] == [True, False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        (lambda _, date, __: date.weekday() == 0 and (date.day - 1) // 7 == 2, ["2022-02-21", "2022-03-21"]),
        (
            lambda _, date, __: date.weekday() == 1 and date.toordinal() // 7 % 2 == 0,
            ["2022-02-08", "2022-02-22", "2022-03-08", "2022-03-22"],
        ),
    ],
    ids=["third Monday", "every other Tuesday"],
)
def test_closures_by_turns_continue(tmp_path: Path, closed: Closed, expected: list[str]) -> None:
    made = panel(tmp_path, closed, first="2020-10-01", last="2022-01-31")
    days = [f"{day:%Y-%m-%d}" for day in pd.date_range("2022-02-01", "2022-03-28")]
    assert [day for day in days if not is_open(made, day)] == expected


def test_a_closure_of_two_months_does_not_close_the_store_for_ever(tmp_path: Path) -> None:
    def closed(store: int, date: dt.date, rng: np.random.Generator) -> bool:
        return date.weekday() == 6 or dt.date(2021, 10, 1) <= date < dt.date(2021, 12, 20)

    made = panel(tmp_path, closed, first="2020-10-01", last="2022-01-05")
    assert [is_open(made, f"2022-02-{day:02d}") for day in range(7, 14)] == [True] * 6 + [False]
