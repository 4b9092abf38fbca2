"""Columns about a date: equal to the standard library's calendar."""

import calendar
import datetime as dt
import math

import pytest

from sales.columns import date
from sales.panel import Panel
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


def test_columns_equal_the_standard_library(panel: Panel) -> None:
    columns = date.day_columns(panel)
    for index in range(panel.calendar.days):
        day = dt.date(1970, 1, 1) + dt.timedelta(days=panel.first_day + index)
        year_day = int(day.strftime("%j"))
        expected = {
            "DayOfWeek": day.isoweekday(),
            "Month": day.month,
            "Day": day.day,
            "Week": day.isocalendar().week,
            "DaysToMonthEnd": calendar.monthrange(day.year, day.month)[1] - day.day,
        }
        assert {name: int(columns[name][index]) for name in expected} == expected
        for k in (1, 2, 3):
            assert columns[f"Sin_{k}"][index] == pytest.approx(math.sin(2 * math.pi * k * year_day / 365.25))
            assert columns[f"Cos_{k}"][index] == pytest.approx(math.cos(2 * math.pi * k * year_day / 365.25))


def test_every_declared_column_is_computed(panel: Panel) -> None:
    assert {column.name for column in date.COLUMNS} <= date.day_columns(panel).keys()
