"""Columns about promotions: the store's own, and Promo2, which runs for months.

As in the fast.ai lesson, days before the start of Promo2 and starts before 1990 count as 0.
"""

import numpy as np

from sales.arrays import Bool, Int64
from sales.calendar import Calendar, datepart, iso_monday
from sales.columns.column import Table, cats, conts
from sales.columns.distance import around, distance
from sales.panel import Panel

SINCE = 14  # days
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

COLUMNS = (
    *cats("promotion", "Promo", "Promo_bw", "Promo_fw", field="promo"),
    *conts("promotion", "SincePromo", "UntilPromo", field="promo"),
    *cats("promotion", "PromoInterval", "Promo2Month", "Promo2Weeks"),
)


def plan_columns(calendar: Calendar) -> Table:
    """Return the ``[store, day]`` columns that follow from the planned calendar."""
    promo = calendar.promo > 0
    return {"Promo": promo, **around("Promo", promo), **distance("Promo", promo, SINCE)}


def store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns."""
    return {"PromoInterval": panel.promo_interval}


def promo2_days(panel: Panel, date: Int64) -> Int64:
    """Return the number of days ``[store, day]`` since Promo2 began, and 0 before, for dates ``[day]``."""
    days: Int64 = np.maximum(date - iso_monday(panel.promo2_year, panel.promo2_week)[:, None], 0)
    days[panel.promo2_year < 1990] = 0
    return days


def cell_columns(panel: Panel, day: Int64) -> Table:
    """Return the ``[store, day]`` columns that no request can change, for the days ``[day]``."""
    date = panel.date[day]
    days = promo2_days(panel, date)
    # Promo2 restarts in the months of its interval. The last row, without months, is for stores without an interval.
    begins = np.array([*(_months(str(interval)) for interval in panel.levels["PromoInterval"]), np.zeros(12, bool)])
    this_month = begins[panel.promo_interval][:, datepart(date)["Month"] - 1]
    return {"Promo2Weeks": np.minimum(days // 7, 25), "Promo2Month": this_month & (days > 0)}


def _months(interval: str) -> Bool:
    """Return ``[month]``, true for the months of an interval like ``Jan,Apr,Jul,Oct``, with ``Sept`` for September."""
    named = {name.strip()[:3].title() for name in interval.split(",")}
    return np.array([name in named for name in MONTHS])
