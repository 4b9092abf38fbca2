"""Features: the model's columns for rows of a store and a day, for training and for serving.

A column depends on the store, the day, the state and day, or the store and day. `Features` computes each once for the
whole panel, so that a row costs four look-ups, whatever the number of columns. Only a client's statements about a day
(promotion, holidays, weather) are computed for the request, over one store's window and not the whole grid.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sales.arrays import AnyArray, Bool, Float32, Int32, Int64
from sales.calendar import (
    FIELDS,
    STATE_HOLIDAYS,
    Calendar,
    count_last,
    count_last_listed,
    date_of,
    datepart,
    days_since,
    days_until,
    iso_monday,
)
from sales.chunks import in_chunks
from sales.feature_sets import FEATURE_SETS, Mode
from sales.history import NAMES as HISTORY
from sales.history import History
from sales.panel import MISSING, WEATHER, Panel
from sales.statements import Plan

LONG_CLOSURE = 5  # days
SINCE = {"Promo": 14, "StateHoliday": 30, "SchoolHoliday": 30, "Easter": 30, "Christmas": 30, "LongClosure": 60}
UNTIL = 14  # days; plans are rarely known further ahead
REACH = max(SINCE.values()) + LONG_CLOSURE  # days; production columns do not depend on days further away

Table = Mapping[str, AnyArray]


class Columns(NamedTuple):
    """The model's raw columns for some rows.

    Attributes:
        cats: ``[row, cat_name]``, numbers or codes of words; -1 is missing.
        conts: ``[row, cont_name]``, numbers; NaN is missing.
    """

    cats: Int32
    conts: Float32


class Features:
    """Columns of a panel, computed once. ``build`` looks them up."""

    def __init__(self, panel: Panel, mode: Mode) -> None:
        self.panel, self.mode, self.feature_set = panel, mode, FEATURE_SETS[mode]
        cat_names, cont_names = self.feature_set.cat_names, self.feature_set.cont_names
        state = _state_columns(panel, mode)
        dates = {name: np.broadcast_to(column, state["Events"].shape) for name, column in _day_columns(panel).items()}
        tables = {
            "store": _store_columns(panel),
            "state": {**dates, **state},
            "cell": {**_cell_columns(panel), **_plan_columns(panel.calendar, mode)},
        }
        self._looked_up = _LookUp([name for name in (*cat_names, *cont_names) if name not in HISTORY], tables)
        self._history = History(panel) if any(name in HISTORY for name in cont_names) else None
        # Position of each column: 0 for categorical or 1 for continuous, and the index among these.
        self._places = {
            name: (out, i) for out, names in enumerate((cat_names, cont_names)) for i, name in enumerate(names)
        }
        # [day], true where the weather is the seasonal average unless the client states it
        self.season_only = (np.arange(panel.calendar.days) > panel.cutoff) & (mode == "production")
        self._events = {str(word): code for code, word in enumerate(panel.levels["Events"])}
        self.weather = frozenset(self._places).intersection((*WEATHER, "Events"))  # weather columns of this model

    def build(
        self,
        store: Int64,
        day: Int64,
        plan: Plan | None = None,
        weather: Mapping[int, Mapping[str, float | str]] | None = None,
        origin: Int64 | None = None,
    ) -> Columns:
        """Return the columns of some rows.

        Args:
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, index into the panel's days.
            plan: plans that the clients state.
            weather: weather that the clients state, by row and by the names of ``WEATHER`` and ``Events``.
            origin: ``[row]``, last day whose sales the row may use; see ``History.columns``.
        """
        promo = self.panel.calendar.promo[store, day].astype(np.int64)
        if plan is not None:
            stated = np.flatnonzero(plan.row >= 0)
            at = (plan.row[stated], day[stated])
            promo[stated] = plan.calendar.promo[at]
        columns = in_chunks(
            lambda rows: self._look_up(store[rows], day[rows], promo[rows], None if origin is None else origin[rows]),
            len(store),
        )
        if plan is not None:
            planned, first = self._planned(plan.calendar, at[1])
            for name, column in planned.items():
                if name in self._places:
                    out, place = self._places[name]
                    columns[out][stated, place] = column[at[0], at[1] - first]
        for row, values in (weather or {}).items():
            for name, value in values.items():
                if name in self.weather:
                    out, place = self._places[name]
                    code = self._events.get(str(value), len(self._events)) if name == "Events" else value
                    columns[out][row, place] = code
        return columns

    def _planned(self, calendar: Calendar, day: Int64) -> tuple[Table, int]:
        """Return the plans' columns for the days around ``day`` that matter, and the first of these days."""
        if self.mode == "production" and day.size:
            first = max(int(day.min()) - REACH, 0)
            window = calendar.between(first, int(day.max()) + REACH + 1)
            if not window.gap.any():  # counts of listed days reach across a gap of any length
                return _plan_columns(window, self.mode), first
        return _plan_columns(calendar, self.mode), 0

    def _look_up(self, store: Int64, day: Int64, promo: Int64, origin: Int64 | None) -> Columns:
        """Return the columns of some rows, from the panel's own calendar."""
        state = self.panel.state[store]
        days = self.panel.calendar.days
        index = {"store": store, "state": state * days + day, "cell": store * days + day}
        columns = self._looked_up(index, len(store))
        n_cats = len(self.feature_set.cat_names)
        cats, conts = columns[:, :n_cats].astype(np.int32), columns[:, n_cats:]
        if self._history is not None:
            conts = np.concatenate([conts, self._history.columns(store, day, promo, origin)], axis=1)
        return Columns(cats, conts)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _LookUp:
    """Columns of several tables, stacked so that a row costs few look-ups, whatever the number of columns."""

    def __init__(self, names: Sequence[str], tables: Mapping[str, Table]) -> None:
        """Stack the tables.

        Args:
            names: names of the columns; each is in one of the tables.
            tables: columns by table. All columns of a table have the same shape.

        Raises:
            KeyError: if a column is in no table.
        """
        self._width = len(names)
        unknown = [name for name in names if not any(name in table for table in tables.values())]
        if unknown:
            raise KeyError(f"no table gives the columns {', '.join(unknown)}")
        self._stacks: list[tuple[str, Int64, AnyArray]] = []
        for key, table in tables.items():
            # Integers are stacked apart, in the smallest type: that takes a quarter of the memory of float32.
            for integer in (True, False):
                places = [
                    i for i, name in enumerate(names) if name in table and (table[name].dtype.kind != "f") == integer
                ]
                if places:
                    stack = _stack([table[names[i]] for i in places])
                    self._stacks.append((key, np.array(places), stack.reshape(-1, len(places))))

    def __call__(self, index: Mapping[str, Int64], rows: int) -> Float32:
        """Return the columns ``[row, column]``.

        Args:
            index: ``[row]`` by table, indices into the table's flattened axes.
            rows: number of rows.
        """
        out = np.empty((rows, self._width), dtype=np.float32)  # exact for integers up to 2 ** 24
        for key, places, stack in self._stacks:
            out[:, places] = stack.take(index[key], axis=0)
        return out


def _stack(columns: Sequence[AnyArray]) -> AnyArray:
    """Stack columns of one shape along a new last axis, in the smallest type that holds them."""
    stack = np.empty((*columns[0].shape, len(columns)), dtype=_smallest(columns))
    for row in range(len(stack)):  # a row stays in the cache while it is filled
        for i, column in enumerate(columns):
            stack[row, ..., i] = column[row]
    return stack


def _smallest(columns: Sequence[AnyArray]) -> np.dtype[Any]:
    """Return the smallest integer type that holds all columns, or float32 if a column has floats."""
    if any(column.dtype.kind == "f" for column in columns):
        return np.dtype(np.float32)
    bounds = [int(bound) for column in columns if column.size for bound in (column.min(), column.max())]
    return np.result_type(np.int8, *map(np.min_scalar_type, bounds))


def _store_columns(panel: Panel) -> Table:
    """Return the ``[store]`` columns: attributes of a store."""
    return {
        "Store": np.arange(len(panel.calendar.stores)),
        "StoreType": panel.store_type,
        "Assortment": panel.assortment,
        "PromoInterval": panel.promo_interval,
        "State": panel.state,
        "CompetitionOpenSinceYear": panel.competition_year,
        "Promo2SinceYear": panel.promo2_year,
        "CompetitionDistance": panel.competition_distance,
        "LogCompetitionDistance": np.log1p(panel.competition_distance),
    }


def _day_columns(panel: Panel) -> Table:
    """Return the ``[day]`` columns: attributes of a date."""
    parts = datepart(panel.date)
    year = {
        f"{name}_{k}": wave(2 * np.pi * k * parts["Dayofyear"] / 365.25)
        for name, wave in (("Sin", np.sin), ("Cos", np.cos))
        for k in (1, 2, 3)
    }
    month_end = date_of(parts["Year"], parts["Month"] + 1, 1) - 1
    return {**parts, **year, "DayOfWeek": parts["Dayofweek"] + 1, "DaysToMonthEnd": month_end - panel.date}


def _cell_columns(panel: Panel) -> Table:
    """Return the ``[store, day]`` columns that no request can change: competitor and Promo2, and their durations.

    As in the fast.ai lesson, days before the start and starts before 1990 count as 0; months and weeks are capped.
    """
    since = panel.date - date_of(panel.competition_year, panel.competition_month, 15)[:, None]
    competes = (panel.competition_year >= 1990)[:, None]
    open_days = np.where(competes, np.maximum(since, 0), 0)
    promo2_days = np.maximum(panel.date - iso_monday(panel.promo2_year, panel.promo2_week)[:, None], 0)
    promo2_days[panel.promo2_year < 1990] = 0
    # Promo2 restarts in the months of its interval. The last row, without months, is for stores without an interval.
    begins = np.array([*(_months(str(interval)) for interval in panel.levels["PromoInterval"]), np.zeros(12, bool)])
    this_month = begins[panel.promo_interval][:, datepart(panel.date)["Month"] - 1]
    return {
        "CompetitionDaysOpen": open_days,
        "CompetitionMonthsOpen": np.minimum(open_days // 30, 24),
        "CompetitionMonths": np.where(competes, np.clip(since / 30, -6, 24), 24),
        "CompetitionOpen": competes & (since >= 0),
        "Promo2Days": promo2_days,
        "Promo2Weeks": np.minimum(promo2_days // 7, 25),
        "Promo2Month": this_month & (promo2_days > 0),
    }


def _months(interval: str) -> Bool:
    """Return ``[month]``, true for the months of an interval like ``Jan,Apr,Jul,Oct``, with ``Sept`` for September."""
    named = {name.strip()[:3].title() for name in interval.split(",")}
    return np.array([name in named for name in _MONTHS])


def _plan_columns(calendar: Calendar, mode: Mode) -> Table:
    """Return the ``[plan, day]`` columns that follow from a planned calendar."""
    columns: dict[str, AnyArray] = {"StateHolidayType": calendar.state_holiday}
    listed = calendar.gap == 0
    events: dict[str, Bool] = {}
    for name, field in {"SchoolHoliday": "school_holiday", "StateHoliday": "state_holiday", "Promo": "promo"}.items():
        columns[name] = event = getattr(calendar, field) > 0
        if mode == "parity":  # the fast.ai lesson has no assumed days, so an assumed event does not count
            event = event & (calendar.assumed >> FIELDS.index(field) & 1 == 0)
        events[name] = event
        columns[f"{name}_bw"] = count_last_listed(event, listed, 7)
        columns[f"{name}_fw"] = count_last_listed(event[:, ::-1], listed[:, ::-1], 7)[:, ::-1]
    if mode == "parity":
        for name, event in events.items():
            # The notebook's signs: days since an event are positive, days until it negative, and 0 without an event.
            columns[f"After{name}"] = np.maximum(days_since(event), 0)
            columns[f"Before{name}"] = -np.maximum(days_until(event), 0)
        return columns
    open_ = calendar.open > 0
    columns["Open_bw"], columns["Open_fw"] = count_last(open_, 7), count_last(open_[:, ::-1], 7)[:, ::-1]
    around = np.pad(calendar.open.astype(np.int8), ((0, 0), (2, 2)), constant_values=MISSING)
    for name, start in {"OpenBefore_2": 0, "OpenBefore_1": 1, "OpenAfter_1": 3, "OpenAfter_2": 4}.items():
        columns[name] = around[:, start : start + calendar.days]
    events["Easter"] = calendar.state_holiday == STATE_HOLIDAYS.index("b")
    events["Christmas"] = calendar.state_holiday == STATE_HOLIDAYS.index("c")
    # A closure of a working week or more, such as a refurbishment, changes sales before and after it.
    ends = count_last(~open_, LONG_CLOSURE) == LONG_CLOSURE
    events["LongClosure"] = count_last(ends[:, ::-1], LONG_CLOSURE)[:, ::-1] > 0
    for name, event in events.items():
        since, until = days_since(event), days_until(event)
        columns[f"Since{name}"] = np.where(since < 0, SINCE[name], np.minimum(since, SINCE[name]))
        columns[f"Until{name}"] = np.where(until < 0, UNTIL, np.minimum(until, UNTIL))
    return columns


def _state_columns(panel: Panel, mode: Mode) -> Table:
    """Return the ``[state, day]`` columns: weather and search trends.

    In production mode, future weather is the seasonal average. A fixed random half of the past days gets the average
    too, so that the network learns to work with both.
    """
    weather = panel.weather
    if mode == "production":
        known = np.arange(panel.calendar.days) <= panel.cutoff
        average = _climatology(np.where(known[:, None], weather, np.float32(np.nan)), panel.date)
        observed = known & (np.random.default_rng(0).random(weather.shape[:2]) < 0.5)
        weather = np.where(observed[:, :, None], weather, average)
    columns = {name: weather[:, :, i] for i, name in enumerate(WEATHER)}
    trend = _lesson_trend(panel)
    country = np.broadcast_to(trend[-1], trend[:-1].shape)
    return {**columns, "Events": panel.events, "trend": trend[:-1], "trend_DE": country}


def _climatology(weather: Float32, date: Int64) -> Float32:
    """Return ``[state, day, column]``, the mean over all years of the 15 days around the date; NaN without any."""
    season = np.minimum(datepart(date)["Dayofyear"], 365) - 1
    known = ~np.isnan(weather)
    total, count = np.zeros((2, len(weather), 365, weather.shape[2]))
    for day in range(weather.shape[1]):
        total[:, season[day]] += np.where(known[:, day], weather[:, day], 0)
        count[:, season[day]] += known[:, day]
    total, count = (
        np.sum([np.roll(values, days, axis=1) for days in range(-7, 8)], axis=0) for values in (total, count)
    )
    average = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return average[:, season].astype(np.float32)


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
