"""Construction of a panel from the tables."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales.arrays import Float32, Int32
from sales.calendar import EPOCH, FIELDS, Calendar
from sales.columns.own import Axes, levels_of
from sales.panel import DAYS_AHEAD, MISSING, NEVER, WEATHER, Levels, Panel, decade
from training.sales.data.plan.fill import fill
from training.sales.data.plan.grids import Grids, Place, after_last
from training.sales.data.tables import Tables

NO_STATE = "not stated"  # the State of stores without one
# By field of a request: column of the tables of sales and plan.
FACTS = {"open": "Open", "promo": "Promo", "state_holiday": "StateHoliday", "school_holiday": "SchoolHoliday"}


def panel_from_tables(tables: Tables, *, cutoff: np.datetime64 | None = None, unit: float | None = None) -> Panel:
    """Return the panel of the tables.

    Args:
        tables: checked tables.
        cutoff: last day whose sales may be known; if None, the last day of the train table. Later rows stay in the
            calendar as a plan, without their sales. Weather after the last day of the train table is a forecast.
        unit: power of ten in which the model learns sales; if None, it follows from the known sales.
    """
    train, plan, store = tables.train, tables.test, tables.store.sort_values("Store")
    stores = store["Store"].to_numpy(np.int32)
    days = [_days(table["Date"]) for table in (train, plan)]
    first = int(min(d.min() for d in days if d.size))
    last_known = int(days[0].max()) if cutoff is None else int((cutoff - EPOCH).astype(int))
    last = max(int(max(d.max() for d in days if d.size)), last_known + DAYS_AHEAD)
    shape = (len(stores), last - first + 1)
    store_ids = np.concatenate([train["Store"].to_numpy(), plan["Store"].to_numpy()])
    cell = (
        np.searchsorted(stores, store_ids),
        np.concatenate(days) - first,
    )  # row and column of the grid, for each row of the tables
    sales = np.full(shape, np.nan)
    sold = train["Sales"].to_numpy(np.float64)
    rows = np.flatnonzero((sold > 0) & (days[0] <= last_known))
    sales[cell[0][rows], cell[1][rows]] = sold[rows]

    store = store.merge(tables.store_states, on="Store", how="left")
    store["State"] = store["State"].fillna(NO_STATE)  # its weather is unknown; the state -1 would be the last one
    words = {name: store[name] for name in ("StoreType", "Assortment", "PromoInterval", "State")}
    words["Events"] = tables.weather["Events"]
    levels: Levels = {name: tuple(sorted(column.dropna().unique())) for name, column in words.items()}
    numbers = stores.tolist()
    levels["Store"] = tuple(tables.store_ids[number - 1] for number in numbers) if tables.store_ids else tuple(numbers)
    state = _codes(store["State"], levels["State"])
    levels["OwnEvent"] = ("", *sorted(tables.events["Name"].unique())) if len(tables.events) else ("",)
    levels |= levels_of([table.column for table in tables.own_columns])
    levels |= {table.column.column: table.words for table in tables.own_columns if table.column.kind == "cat"}
    grids = _grids(shape, cell, train, plan)
    names = fill(grids, Place(state, levels["State"], tables.country), first_day=first, cutoff=last_known - first)
    official = np.zeros((len(levels["State"]) + 1, shape[1]), dtype=np.int32)
    official[state] = names  # the stores of a state have the same holidays; the last row is for those without a state
    gap = (~grids.listed & ~after_last(grids.listed)).astype(np.uint8)
    calendar = Calendar(stores, first, grids.open, grids.promo, grids.holiday, grids.school, grids.assumed, gap)
    weather, events = _weather(tables.weather, levels, first, shape[1])
    trend, trend_week = _trend(tables.googletrend, levels["State"])
    return Panel(
        calendar=calendar,
        levels=levels,
        cutoff=last_known - first,
        store_type=_codes(store["StoreType"], levels["StoreType"]),
        assortment=_codes(store["Assortment"], levels["Assortment"]),
        promo_interval=_codes(store["PromoInterval"], levels["PromoInterval"]),
        state=state,
        competition_distance=store["CompetitionDistance"].to_numpy(np.float32),
        competition_year=store["CompetitionOpenSinceYear"].fillna(NEVER).to_numpy(np.int32),
        competition_month=store["CompetitionOpenSinceMonth"].fillna(1).to_numpy(np.int32),
        promo2_year=store["Promo2SinceYear"].fillna(NEVER).to_numpy(np.int32),
        promo2_week=store["Promo2SinceWeek"].fillna(1).to_numpy(np.int32),
        weather=weather,
        events=events,
        trend=trend,
        trend_week=trend_week,
        sales=sales,
        unit=decade(sales) if unit is None else unit,
        weather_forecast=last_known >= int(days[0].max()),  # later weather of an earlier cutoff is observed
        own_events=_own_events(tables.events, {**levels, "Store": tuple(numbers)}, first),
        official=official,
        **_own_values(tables, stores, first, shape),
    )


def _days(dates: pd.Series) -> NDArray[np.int64]:
    """Return dates as days since 1970-01-01."""
    return dates.to_numpy("datetime64[D]").astype(np.int64)


def _codes(words: pd.Series, levels: tuple[int | str, ...]) -> Int32:
    """Return words as indices of their levels, -1 where missing."""
    index = {word: code for code, word in enumerate(levels)}
    return np.asarray(words.map(index).fillna(MISSING), dtype=np.int32)


def _grids(
    shape: tuple[int, int],
    cell: tuple[NDArray[np.int64], ...],
    train: pd.DataFrame,
    plan: pd.DataFrame,
) -> Grids:
    """Return both tables' rows on the grid."""

    def on_grid(column: str, fill: int) -> NDArray[np.uint8]:
        out = np.zeros(shape, dtype=np.uint8)
        values = [table[column].to_numpy(np.float32, na_value=fill) for table in (train, plan)]
        out[cell] = np.concatenate(values).astype(np.uint8)
        return out

    listed = np.zeros(shape, dtype=np.bool_)
    listed[cell] = True
    holiday = np.zeros(shape, dtype=np.uint8)
    kinds = np.concatenate([table["StateHoliday"].cat.codes.to_numpy() for table in (train, plan)])
    holiday[cell] = np.maximum(kinds, 0)  # -1 is not stated
    assumed = np.where(listed, 0, 2 ** len(FIELDS) - 1).astype(np.uint8)
    for bit, field in enumerate(FIELDS):
        unstated = np.concatenate([table[FACTS[field]].isna().to_numpy() for table in (train, plan)])
        assumed[cell[0][unstated], cell[1][unstated]] |= np.uint8(1 << bit)
    open_, promo, school = on_grid("Open", 1), on_grid("Promo", 0), on_grid("SchoolHoliday", 0)
    return Grids(open_, promo, holiday, school, listed, assumed)


def _weather(table: pd.DataFrame, levels: Levels, first: int, days: int) -> tuple[Float32, Int32]:
    """Return the weather of each state and day; days without a row are NaN."""
    states = levels["State"]
    observed = np.full((len(states), days, len(WEATHER)), np.nan, dtype=np.float32)
    events = np.full((len(states), days), MISSING, dtype=np.int32)
    state, day = _codes(table["State"], states), _days(table["Date"]) - first
    rows = np.flatnonzero((state != MISSING) & (day >= 0) & (day < days))
    observed[state[rows], day[rows]] = table.reindex(columns=list(WEATHER)).to_numpy(np.float32)[rows]
    events[state[rows], day[rows]] = _codes(table["Events"], levels["Events"])[rows]
    return observed, events


def _own_events(table: pd.DataFrame, levels: Levels, first: int) -> Int32:
    """Return the user's own events, ``[event, 5]``: code, first and last day, store and state."""
    if table.empty:
        return np.zeros((0, 5), dtype=np.int32)
    columns: list[NDArray[np.integer]] = [
        _codes(table["Name"], levels["OwnEvent"]),
        _days(table["From"]) - first,
        _days(table["To"]) - first,
        _codes(table["Store"], levels["Store"]),
        _codes(table["State"], levels["State"]),
    ]
    return np.stack(columns, axis=1).astype(np.int32)


def _own_values(tables: Tables, stores: Int32, first: int, shape: tuple[int, int]) -> dict[str, Any]:
    """Return the values of the user's columns, by the names of the panel's fields."""
    grids: dict[Axes, list[Float32]] = {"store": [], "day": [], "cell": []}
    sizes: dict[Axes, tuple[int, ...]] = {"store": shape[:1], "day": shape[1:], "cell": shape}
    for table in tables.own_columns:
        grid = np.full(sizes[table.column.axes], np.nan, dtype=np.float32)
        index, inside = [], np.ones(len(table.rows), dtype=np.bool_)
        if "Store" in table.rows:
            index.append(np.searchsorted(stores, table.rows["Store"].to_numpy()))
        if "Date" in table.rows:
            day = _days(table.rows["Date"]) - first
            inside = (day >= 0) & (day < shape[1])
            index.append(day)
        grid[tuple(places[inside] for places in index)] = table.rows["Value"].to_numpy(np.float32)[inside]
        grids[table.column.axes].append(grid)
    return {
        f"own_{axes}": np.stack(found) if found else np.zeros((0, *sizes[axes]), dtype=np.float32)
        for axes, found in grids.items()
    }


def _trend(table: pd.DataFrame, states: tuple[int | str, ...]) -> tuple[Float32, int]:
    """Return the search trend by state and week, with the country's in the last row, and the first week."""
    if table.empty:
        return np.full((len(states) + 1, 1), np.nan, dtype=np.float32), 0
    start = _days(table["Date"])
    state = np.where(table["file"] == "Rossmann_DE", len(states), _codes(table["State"], states))
    first = int(start.min())
    trend = np.full((len(states) + 1, int(start.max() - first) // 7 + 1), np.nan, dtype=np.float32)
    known = state != MISSING
    trend[state[known], (start[known] - first) // 7] = table["trend"].to_numpy(np.float32)[known]
    return trend, first
