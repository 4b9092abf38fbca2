"""Columns about a date: weekday, place in the month and season.

There is no year and no running time, because training never saw those of the days to forecast.
"""

import numpy as np

from sales.calendar import date_of, datepart
from sales.columns.column import Table, cats, conts
from sales.panel import Panel

COLUMNS = (
    *cats("date", "DayOfWeek", "Month", "Day", "Week"),
    *conts("date", "DaysToMonthEnd", "Sin_1", "Cos_1", "Sin_2", "Cos_2", "Sin_3", "Cos_3"),
)


def day_columns(panel: Panel) -> Table:
    """Return the ``[day]`` columns."""
    parts = datepart(panel.date)
    year = {
        f"{name}_{k}": wave(2 * np.pi * k * parts["Dayofyear"] / 365.25)
        for name, wave in (("Sin", np.sin), ("Cos", np.cos))
        for k in (1, 2, 3)
    }
    month_end = date_of(parts["Year"], parts["Month"] + 1, 1) - 1
    return {**parts, **year, "DayOfWeek": parts["Dayofweek"] + 1, "DaysToMonthEnd": month_end - panel.date}
