"""Columns of the fast.ai lesson, with its peculiarities, so that figures can be compared with published ones.

They look ahead: at the time of a forecast nobody knows the day's weather and Google's search trend.
"""

import numpy as np

from sales.arrays import AnyArray, Float32
from sales.calendar import FIELDS, Calendar, count_last_listed, date_of, datepart, days_since, days_until
from sales.columns import date, store
from sales.columns.column import Column, FeatureSet, Table, cats, conts
from sales.columns.promotion import promo2_days
from sales.columns.weather import REQUEST_FIELDS, with_unknown
from sales.panel import WEATHER, Panel

_EVENTS = {"SchoolHoliday": "school_holiday", "StateHoliday": "state_holiday", "Promo": "promo"}
_WEATHER = WEATHER[:9]  # without the precipitation

COLUMNS = (
    *cats("store", "Store"),
    *cats("date", "DayOfWeek", "Year", "Month", "Day"),
    *cats("holidays", "StateHoliday", field="state_holiday"),
    *cats("competition", "CompetitionMonthsOpen"),
    *cats("promotion", "Promo2Weeks"),
    *cats("store", "StoreType", "Assortment"),
    *cats("promotion", "PromoInterval"),
    *cats("competition", "CompetitionOpenSinceYear"),
    *cats("promotion", "Promo2SinceYear"),
    *cats("store", "State"),
    *cats("date", "Week"),
    Column("Events", "cat", "weather", REQUEST_FIELDS["Events"]),
    *cats("promotion", "Promo_fw", "Promo_bw", field="promo"),
    *cats("holidays", "StateHoliday_fw", "StateHoliday_bw", field="state_holiday"),
    *cats("holidays", "SchoolHoliday_fw", "SchoolHoliday_bw", field="school_holiday"),
    *conts("competition", "CompetitionDistance"),
    *(Column(name, "cont", "weather", REQUEST_FIELDS[name]) for name in _WEATHER),
    *conts("trend", "trend", "trend_DE"),
    *conts("holidays", "AfterStateHoliday", "BeforeStateHoliday", field="state_holiday"),
    *conts("promotion", "Promo", field="promo"),
    *conts("holidays", "SchoolHoliday", field="school_holiday"),
)
FEATURES = FeatureSet.of(COLUMNS)


def store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns."""
    return {
        **store.store_columns(panel),
        "PromoInterval": panel.promo_interval,
        "CompetitionOpenSinceYear": panel.competition_year,
        "Promo2SinceYear": panel.promo2_year,
        "CompetitionDistance": panel.competition_distance,
    }


def day_columns(panel: Panel) -> Table:
    """Return the ``[day]`` columns, those of fastai's ``add_datepart``."""
    return date.day_columns(panel)


def cell_columns(panel: Panel) -> Table:
    """Return the ``[store, day]`` columns that no request can change: durations of competition and Promo2.

    Days before the start and starts before 1990 count as 0; months and weeks are capped.
    """
    since = panel.date - date_of(panel.competition_year, panel.competition_month, 15)[:, None]
    open_days = np.where((panel.competition_year >= 1990)[:, None], np.maximum(since, 0), 0)
    promo2 = promo2_days(panel, panel.date)
    return {
        "CompetitionDaysOpen": open_days,
        "CompetitionMonthsOpen": np.minimum(open_days // 30, 24),
        "Promo2Days": promo2,
        "Promo2Weeks": np.minimum(promo2 // 7, 25),
    }


def plan_columns(calendar: Calendar) -> Table:
    """Return the ``[store, day]`` columns that follow from the planned calendar.

    The notebook counts rows, not days, and has no assumed days, so an assumed event does not count. Days since an event
    are positive, days until it negative, and 0 stands for no event as well.
    """
    columns: dict[str, AnyArray] = {}
    listed = calendar.gap == 0
    for name, field in _EVENTS.items():
        columns[name] = planned = getattr(calendar, field) > 0
        event = planned & (calendar.assumed >> FIELDS.index(field) & 1 == 0)
        columns[f"{name}_bw"] = count_last_listed(event, listed, 7)
        columns[f"{name}_fw"] = count_last_listed(event[:, ::-1], listed[:, ::-1], 7)[:, ::-1]
        columns[f"After{name}"] = np.maximum(days_since(event), 0)
        columns[f"Before{name}"] = -np.maximum(days_until(event), 0)
    return columns


def state_columns(panel: Panel) -> Table:
    """Return the ``[state + 1, day]`` columns: the day's own weather and search trends.

    The last row is for stores without a state. Their weather is unknown; their trend is the country's.
    """
    weather, trend = with_unknown(panel.weather), _lesson_trend(panel)
    return {
        **{name: weather[:, :, i] for i, name in enumerate(WEATHER)},
        "Events": np.concatenate([panel.events, np.full_like(panel.events[:1], -1)]),
        "trend": trend,
        "trend_DE": np.broadcast_to(trend[-1], trend.shape),
    }


def _lesson_trend(panel: Panel) -> Float32:
    """Return ``[state + 1, day]``, the trend joined on year and week as in the fast.ai lesson.

    A trend week begins on a Sunday, the last day of an ISO week. So a day gets the trend of the next week. The join
    combines the calendar year with the ISO week. So the last days of December can get the trend of January.
    """
    weeks = datepart(panel.trend_week + 7 * np.arange(panel.trend.shape[1]))
    days = datepart(panel.date)
    key, wanted = weeks["Year"] * 100 + weeks["Week"], days["Year"] * 100 + days["Week"]
    # The first and the last days of a year can have the same key; then the later week counts.
    week_of_key = {int(week_key): week for week, week_key in enumerate(key)}
    week = np.array([week_of_key.get(int(day_key), -1) for day_key in wanted])
    return np.where(week >= 0, panel.trend[:, week], np.float32(np.nan))
