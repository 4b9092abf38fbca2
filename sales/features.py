"""(store, day) rows -> the model's columns, for training and for serving.

Every column depends on the store, the day, the state and day, or the store and day. So each is computed once for a
whole panel, and a row is four look-ups, however many columns there are. Only what a client states of a day itself
(promo, holidays, weather) is computed for the request: one store's window, not the grid.
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
UNTIL = 14  # days; a plan is seldom known further ahead
REACH = max(SINCE.values()) + LONG_CLOSURE  # days; what lies further from a day is in none of its production columns

Table = Mapping[str, AnyArray]


class Columns(NamedTuple):
    """The model's raw columns for some rows.

    Attributes:
        cats: ``[row, cat_name]`` int32, numbers or codes of words; -1 is missing.
        conts: ``[row, cont_name]`` float32; NaN is missing.
    """

    cats: Int32
    conts: Float32


class Features:
    """The columns of a panel, computed once; ``build`` looks them up."""

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
        # Where each column is: among the categorical (0) or the continuous ones (1), and its place there.
        self._places = {
            name: (out, i) for out, names in enumerate((cat_names, cont_names)) for i, name in enumerate(names)
        }
        # [day], where the weather is only what is usual in the season, unless the client states it
        self.season_only = (np.arange(panel.calendar.days) > panel.cutoff) & (mode == "production")
        self._events = {str(word): code for code, word in enumerate(panel.levels["Events"])}
        self.weather = frozenset(self._places).intersection((*WEATHER, "Events"))  # the weather's columns that are used

    def build(
        self,
        store: Int64,
        day: Int64,
        plan: Plan | None = None,
        weather: Mapping[int, Mapping[str, float | str]] | None = None,
        origin: Int64 | None = None,
    ) -> Columns:
        """The columns of some rows.

        Args:
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, index into the panel's days.
            plan: what the client states of days, if anything.
            weather: by row, the weather that the client states, by the names of ``WEATHER`` and ``Events``.
            origin: ``[row]``, the last day whose sales may be known to each row; as ``History.columns`` has it.
        """
        promo = self.panel.calendar.promo[store, day].astype(np.int64)
        if plan is not None:
            stated = np.flatnonzero(plan.row >= 0)
            at = (plan.row[stated], day[stated])
            promo[stated] = plan.calendar.promo[at]
        columns = in_chunks(
            lambda some: self._look_up(store[some], day[some], promo[some], None if origin is None else origin[some]),
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
        """The plan's columns for some days, computed on no more days than tell, and the first of those days."""
        if self.mode == "production" and day.size:
            first = max(int(day.min()) - REACH, 0)
            some = calendar.between(first, int(day.max()) + REACH + 1)
            if not some.gap.any():  # listed days are counted across a gap, however long it is
                return _plan_columns(some, self.mode), first
        return _plan_columns(calendar, self.mode), 0

    def _look_up(self, store: Int64, day: Int64, promo: Int64, origin: Int64 | None) -> Columns:
        """The columns of some rows, as the panel's own calendar has them."""
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
    """Columns from several tables, stacked so that a row costs few look-ups, however many columns there are."""

    def __init__(self, names: Sequence[str], tables: Mapping[str, Table]) -> None:
        """Set up.

        Args:
            names: the columns; each is in one of the tables.
            tables: the tables, each with an index of its own.

        Raises:
            KeyError: if no table has a column.
        """
        self._width = len(names)
        unknown = [name for name in names if not any(name in table for table in tables.values())]
        if unknown:
            raise KeyError(f"no table gives the columns {', '.join(unknown)}")
        self._stacks: list[tuple[str, Int64, AnyArray]] = []
        for key, table in tables.items():
            # Whole numbers are small and apart: a table of all stores and days takes a quarter of the memory.
            for whole in (True, False):
                places = [
                    i for i, name in enumerate(names) if name in table and (table[name].dtype.kind != "f") == whole
                ]
                if places:
                    stack = _stack([table[names[i]] for i in places])
                    self._stacks.append((key, np.array(places), stack.reshape(-1, len(places))))

    def __call__(self, index: Mapping[str, Int64], rows: int) -> Float32:
        """The columns ``[row, column]`` at an index for each table, into all of its axes taken as one."""
        out = np.empty((rows, self._width), dtype=np.float32)  # exact for whole numbers up to 2 ** 24
        for key, places, stack in self._stacks:
            out[:, places] = stack.take(index[key], axis=0)
        return out


def _stack(columns: Sequence[AnyArray]) -> AnyArray:
    """Columns of one shape on a last axis of their own, in the smallest type that holds them."""
    stack = np.empty((*columns[0].shape, len(columns)), dtype=_smallest(columns))
    for row in range(len(stack)):  # a row stays in the cache while it is filled
        for i, column in enumerate(columns):
            stack[row, ..., i] = column[row]
    return stack


def _smallest(columns: Sequence[AnyArray]) -> np.dtype[Any]:
    """The smallest type that holds all columns: an integer or, if one is not of integers, float32."""
    if any(column.dtype.kind == "f" for column in columns):
        return np.dtype(np.float32)
    bounds = [int(bound) for column in columns if column.size for bound in (column.min(), column.max())]
    return np.result_type(np.int8, *map(np.min_scalar_type, bounds))


def _store_columns(panel: Panel) -> Table:
    """``[store]`` columns: what a store is."""
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
    """``[day]`` columns: what a date is."""
    parts = datepart(panel.date)
    year = {
        f"{name}_{k}": wave(2 * np.pi * k * parts["Dayofyear"] / 365.25)
        for name, wave in (("Sin", np.sin), ("Cos", np.cos))
        for k in (1, 2, 3)
    }
    month_end = date_of(parts["Year"], parts["Month"] + 1, 1) - 1
    return {**parts, **year, "DayOfWeek": parts["Dayofweek"] + 1, "DaysToMonthEnd": month_end - panel.date}


def _cell_columns(panel: Panel) -> Table:
    """``[store, day]`` columns that no request changes: the competitor and Promo2, and how long they have been there.

    The notebook's rules: days before the start and starts before 1990 count as 0; months and weeks are capped.
    """
    since = panel.date - date_of(panel.competition_year, panel.competition_month, 15)[:, None]
    competes = (panel.competition_year >= 1990)[:, None]
    open_days = np.where(competes, np.maximum(since, 0), 0)
    promo2_days = np.maximum(panel.date - iso_monday(panel.promo2_year, panel.promo2_week)[:, None], 0)
    promo2_days[panel.promo2_year < 1990] = 0
    # Promo2 begins anew in the months of its interval. A last row without months is for stores that have none.
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
    """``[month]``, which months an interval like ``Jan,Apr,Jul,Oct`` names; September is ``Sept`` there."""
    named = {name.strip()[:3].title() for name in interval.split(",")}
    return np.array([name in named for name in _MONTHS])


def _plan_columns(calendar: Calendar, mode: Mode) -> Table:
    """``[plan, day]`` columns that follow from what is planned."""
    columns: dict[str, AnyArray] = {"StateHolidayType": calendar.state_holiday}
    listed = calendar.gap == 0
    events: dict[str, Bool] = {}
    for name, field in {"SchoolHoliday": "school_holiday", "StateHoliday": "state_holiday", "Promo": "promo"}.items():
        columns[name] = event = getattr(calendar, field) > 0
        if mode == "parity":  # the lesson knows no days beyond its tables, so what is only assumed is no event
            event = event & (calendar.assumed >> FIELDS.index(field) & 1 == 0)
        events[name] = event
        columns[f"{name}_bw"] = count_last_listed(event, listed, 7)
        columns[f"{name}_fw"] = count_last_listed(event[:, ::-1], listed[:, ::-1], 7)[:, ::-1]
    if mode == "parity":
        for name, event in events.items():
            # The notebook's convention: days since count up, days until count down to 0, and 0 where there is none.
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
    # A closure of a working week or more, such as a refurbishment: sales differ before it and after.
    ends = count_last(~open_, LONG_CLOSURE) == LONG_CLOSURE
    events["LongClosure"] = count_last(ends[:, ::-1], LONG_CLOSURE)[:, ::-1] > 0
    for name, event in events.items():
        since, until = days_since(event), days_until(event)
        columns[f"Since{name}"] = np.where(since < 0, SINCE[name], np.minimum(since, SINCE[name]))
        columns[f"Until{name}"] = np.where(until < 0, UNTIL, np.minimum(until, UNTIL))
    return columns


def _state_columns(panel: Panel, mode: Mode) -> Table:
    """``[state, day]`` columns: the weather and what people search for.

    In production mode the weather of a day to come is what is usual in the season. So it is of a random half of the
    days of the past, drawn once and for all: so the network learns to do with either.
    """
    weather = panel.weather
    if mode == "production":
        known = np.arange(panel.calendar.days) <= panel.cutoff
        usual = _climatology(np.where(known[:, None], weather, np.float32(np.nan)), panel.date)
        observed = known & (np.random.default_rng(0).random(weather.shape[:2]) < 0.5)
        weather = np.where(observed[:, :, None], weather, usual)
    columns = {name: weather[:, :, i] for i, name in enumerate(WEATHER)}
    trend = _lesson_trend(panel)
    country = np.broadcast_to(trend[-1], trend[:-1].shape)
    return {**columns, "Events": panel.events, "trend": trend[:-1], "trend_DE": country}


def _climatology(weather: Float32, date: Int64) -> Float32:
    """``[state, day, column]``, the mean of all days within a week of the day of the year; NaN where there is none."""
    season = np.minimum(datepart(date)["Dayofyear"], 365) - 1
    known = ~np.isnan(weather)
    total, count = np.zeros((2, len(weather), 365, weather.shape[2]))
    for day in range(weather.shape[1]):
        total[:, season[day]] += np.where(known[:, day], weather[:, day], 0)
        count[:, season[day]] += known[:, day]
    total, count = (np.sum([np.roll(each, days, axis=1) for days in range(-7, 8)], axis=0) for each in (total, count))
    usual = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return usual[:, season].astype(np.float32)


def _lesson_trend(panel: Panel) -> Float32:
    """``[state + 1, day]``: the notebook's join on (Year, Week).

    A trend week begins on a Sunday, whose ISO week is the one before: so a day gets the interest of the week to come.
    The year is the calendar's and the week ISO's: so the last days of December can get January's.
    """
    weeks = datepart(panel.trend_week + 7 * np.arange(panel.trend.shape[1]))
    days = datepart(panel.date)
    key, wanted = weeks["Year"] * 100 + weeks["Week"], days["Year"] * 100 + days["Week"]
    # Of two weeks with the same key (the year's first days and its last can be) the later counts.
    places = {int(each): place for place, each in enumerate(key)}
    place = np.array([places.get(int(each), -1) for each in wanted])
    return np.where(place >= 0, panel.trend[:, place], np.float32(np.nan))
