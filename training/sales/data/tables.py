"""Tables of a training: reading and checks of any layout, and one dtype for each column.

All problems of all tables are raised together, so that a user can solve them at once. Gaps (no known competitor, no
cloud cover on a day) stay gaps: `preprocess.py` fills them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from runtime.errors import UserError
from sales.calendar import STATE_HOLIDAYS
from training.sales.data.columns import COLUMNS, Column
from training.sales.data.demo_files import is_synthetic
from training.sales.data.files import Layout, Source, find_layout, read_table
from training.sales.data.late_stores import LateStores, find_late_stores
from training.sales.data.own_columns import OwnTable, read_own_columns
from training.sales.data.problems import Problems, TablesError
from training.sales.data.store_ids import number_stores
from training.sales.data.table_checks import COUNTRY, Frames, check_joins, check_rows, states_table
from training.sales.data.values import parse_texts, wrong_numbers

logger = logging.getLogger(__name__)

EVERYWHERE = "everywhere"  # the State of all stores if no table states one
_LESSON = ("test", "store", "store_states", "state_names", "googletrend", "weather")


class ModeError(UserError):
    """Tables that lack what a mode needs."""


@dataclass(frozen=True)
class Tables:
    """Checked tables in the fast.ai lesson's layout, with rows in the order of the files.

    Dates are ``datetime64[s]``, stores and other whole numbers ``int32``, flags ``int8``, other numbers
    ``float64``, and whatever may have gaps is a float with NaN. ``StateHoliday`` is a categorical with the categories
    ``STATE_HOLIDAYS``, so its codes are 0 to 3, and -1 for a gap. An absent table is empty, except ``store`` and
    ``store_states``, which have a row for each store. An absent column has gaps, or 0 where it may have none.

    Attributes:
        train: one row per store and day: Store, Date, Sales, Open, Promo, StateHoliday, SchoolHoliday, and Customers if
            the file has it. Without a column Open, a store is open on the days with sales.
        test: the plan of the days to forecast, without sales. Open, Promo, StateHoliday and SchoolHoliday may have
            gaps: then nobody states them. Id counts from 1 if the file has none.
        store: one row per store.
        store_states: Store, State; the state `EVERYWHERE` if no table has states.
        state_names: StateName, State.
        googletrend: file, trend, Date (the first day of the week) and State (``COUNTRY`` for the whole country; the
            file's "NI" is the state "HB,NI").
        weather: one row per state and day, with the State that belongs to its file.
        events: the user's own events, known ahead: Name, From, To, and a Store and a State, or gaps for all of them.
        country: ISO 3166 code of the stores' country; None if unknown.
        synthetic: True if `shopcat demo` made the tables, which bundles and reports then say.
        sources: file of each table that was read.
        store_ids: ids of the stores, in ascending order, if they are texts; the column Store then numbers them from 1.
        own_columns: columns of the user's own.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    store: pd.DataFrame
    store_states: pd.DataFrame
    state_names: pd.DataFrame
    googletrend: pd.DataFrame
    weather: pd.DataFrame
    events: pd.DataFrame = field(default_factory=pd.DataFrame)
    country: str | None = None
    synthetic: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)
    store_ids: tuple[str, ...] = ()
    own_columns: tuple[OwnTable, ...] = ()

    def in_country(self, country: str | None) -> "Tables":
        """Return the tables with a country in place of theirs, unless it is None."""
        return self if country is None else replace(self, country=country)

    def late_stores(self) -> LateStores:
        """Return the stores whose sales end before those of others."""
        open_is_stated = "train" not in self.sources or self.states("train", "Open")
        return find_late_stores(self.train, open_is_stated=open_is_stated, store_ids=self.store_ids)

    def states(self, table: str, column: str) -> bool:
        """Return True if a table was read and its file has a column."""
        return table in self.sources and column in self.sources[table].headers

    def states_somewhere(self, column: str) -> bool:
        """Return True if the file of the sales or of the plan has a column, or if the tables come from no file."""
        return "train" not in self.sources or self.states("train", column) or self.states("test", column)

    def check_mode(self, mode: str) -> None:
        """Check that the tables have what a mode needs.

        Raises:
            ModeError: in parity mode, if a table of the fast.ai lesson is absent.
        """
        absent = [table for table in _LESSON if getattr(self, table).empty]
        if any(self.store_states["State"] == EVERYWHERE):
            absent.append("store_states")
        if mode == "parity" and absent:
            raise ModeError(
                "parity mode trains on the seven tables of the fast.ai lesson, and these are absent: "
                f"{', '.join(f'{table}.csv' for table in absent)}; add them, or train in production mode"
            )


def read_tables(path: Path) -> Tables:
    """Read and check the tables of a file or a folder; see `find_layout`. Columns and rows may be in any order.

    Raises:
        TablesError: if a table has a problem; the error lists all problems of all tables.
    """
    layout = find_layout(path)
    problems = Problems(layout.names())
    tables = load_tables(layout, problems)
    if tables is None:
        raise TablesError(path, problems.found())
    for source in tables.sources.values():
        if source.unused:
            logger.info("%s: columns that are not used: %s", source.file, ", ".join(source.unused))
    for warning in tables.late_stores().warnings():
        logger.warning("WARNING: %s: %s", tables.sources["train"].file, warning)
    return tables


def load_tables(layout: Layout, problems: Problems) -> Tables | None:
    """Read and check the tables of a layout; return None if there are problems, which are added to ``problems``."""
    frames: Frames = {}
    sources: dict[str, Source] = {}
    for table, file in layout.files.items():
        read = read_table(table, file, problems)
        if read is not None:
            frames[table], sources[table] = read
    problems.store_ids = number_stores(frames, problems)
    frames = {table: _parse(table, raw, problems) for table, raw in frames.items()}
    _add_keys(frames)
    check_rows(frames, problems)
    check_joins(frames, problems)
    own_columns = read_own_columns(layout.files, sources, frames, problems)
    if problems.found():
        return None
    _fill(frames)
    finished = {table: _finish(frames[table], COLUMNS[table]) for table in COLUMNS}
    german = "googletrend" in sources and (frames["googletrend"]["file"] == f"Rossmann_{COUNTRY}").any()
    return Tables(
        **finished,
        country=COUNTRY if german else None,
        synthetic=is_synthetic(next(iter(layout.files.values())).parent),
        sources=sources,
        store_ids=problems.store_ids,
        own_columns=own_columns,
    )


def _parse(table: str, raw: pd.DataFrame, problems: Problems) -> pd.DataFrame:
    """Return a table in numbers: dates and weeks as days since 1970, holidays as codes, wrong values as NaN."""
    parsed: dict[str, Any] = {}
    for name, column in COLUMNS[table].items():
        if name not in raw:
            continue
        series = raw[name]
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = series.cat.rename_categories(str)  # otherwise 42004.0 would be quoted as a date
            codes = series.cat.codes.to_numpy()
            texts = np.array([str(text).strip() for text in series.cat.categories], dtype=object)
            values, wrong = parse_texts(texts, column)
            absent = codes < 0
            bad = [(np.append(mask, False)[codes], cause, remedy) for mask, cause, remedy in wrong]
            nothing: Any = None if values.dtype == object else np.nan
            values = np.append(values, nothing)[codes]  # code -1, an empty field, takes the last value
        else:
            values = series.to_numpy(copy=True)
            absent = np.isnan(values)
            bad = wrong_numbers(values, column)
        if not column.gaps:
            bad.append((absent, "empty", "fill it in"))
        for mask, cause, remedy in bad:
            if mask.any():
                problems.complain(table, series[mask].to_frame(), cause, remedy)
                if values.dtype != object:
                    values[mask] = np.nan
        parsed[name] = values
    return pd.DataFrame(parsed, index=raw.index)


def _add_keys(frames: Frames) -> None:
    """Add the keys that joins need and files lack: the trend's Date and State, the weather's State, the plan's Id."""
    states = frames.get("state_names", pd.DataFrame()).reindex(columns=["StateName", "State"]).dropna()
    if "googletrend" in frames:
        trend = frames["googletrend"]
        if "week" in trend:
            frames["googletrend"] = trend = trend.rename(columns={"week": "Date"})
        if "file" in trend:
            # "NI" stands for the state "HB,NI", unless there is a state of just that name.
            codes = {part: code for code in states["State"] for part in code.split(",")}
            codes |= {code: code for code in states["State"]}
            part = trend["file"].str.split("_", n=2).str[2]
            trend["State"] = part.map(lambda name: codes.get(name, name)).where(part.notna(), COUNTRY)
    if "file" in frames.get("weather", ()):
        names = states.drop_duplicates("StateName").set_index("StateName")["State"]
        place = frames["weather"]["file"]
        frames["weather"]["State"] = place.map(names) if "state_names" in frames else place
    if "test" in frames and "Id" not in frames["test"]:
        frames["test"].insert(0, "Id", np.arange(1, len(frames["test"]) + 1))


def _fill(frames: Frames) -> None:
    """Add the absent tables and columns to checked frames, with the values that `Tables` describes."""
    days = frames["train"]
    facts = [name for name in COLUMNS["test"] if name in COLUMNS["train"] and name not in ("Store", "Date", "Open")]
    # A fact that only the plan lacks is not stated. A fact that the past lacks does not exist in this chain.
    plan = _complete(frames, "test")
    frames["test"] = plan.assign(**{name: plan[name].fillna(0.0) for name in facts if name not in days})
    # A store that sold nothing looks like a closed one.
    defaults: dict[str, Any] = {"Open": (days["Sales"] > 0).astype(float), **dict.fromkeys(facts, 0.0)}
    frames["train"] = days.assign(**{name: value for name, value in defaults.items() if name not in days})

    table = states_table(frames)
    states = None if table is None else frames[table][["Store", "State"]].dropna()
    if "store" not in frames:
        ids = np.unique(np.concatenate([frames[name]["Store"].to_numpy(np.float64) for name in ("train", "test")]))
        frames["store"] = pd.DataFrame({"Store": ids})
    frames["store"] = _complete(frames, "store").drop(columns="State")
    weather, places = _complete(frames, "weather"), frames.get("weather", pd.DataFrame())
    if states is None:
        states = frames["store"][["Store"]].assign(State=EVERYWHERE)
        weather["State"] = EVERYWHERE
    elif "State" not in places:  # then all stores are in one state
        weather["State"] = states["State"].iloc[0]
    frames |= {"store_states": states, "weather": weather}
    frames["state_names"] = _complete(frames, "state_names")
    events = _complete(frames, "events")
    frames["events"] = events.assign(To=events["To"].fillna(events["From"]))
    if "googletrend" not in frames:
        frames["googletrend"] = pd.DataFrame({"file": [], "Date": [], "trend": [], "State": []}, dtype=object)


def _complete(frames: Frames, table: str) -> pd.DataFrame:
    """Return a table with all columns; an absent column has gaps, or 0 where it may have none."""
    frame = frames.get(table, pd.DataFrame()).copy()
    for name, column in COLUMNS[table].items():
        if name not in frame:
            texts = column.kind in ("text", "months")
            nothing: Any = None if texts else np.nan if column.gaps else 0.0
            frame[name] = pd.Series(nothing, index=frame.index, dtype=object if texts else np.float64)
    return frame


def _finish(frame: pd.DataFrame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return a table with the dtypes of `Tables` and rows counted from 0."""
    done: dict[str, Any] = {}
    for name in map(str, frame):
        values = frame[name].to_numpy()
        column = columns.get(name, Column("date" if name == "Date" else "text"))
        if column.kind == "date":
            done[name] = values.astype("datetime64[D]").astype("datetime64[s]")
        elif column.kind == "holiday":
            codes = np.where(np.isnan(values), -1, values).astype(np.int8)
            done[name] = pd.Categorical.from_codes(codes, pd.Index(STATE_HOLIDAYS))
        elif column.kind in ("flag", "id", "whole") and not column.gaps:
            done[name] = values.astype(np.int8 if column.kind == "flag" else np.int32)
        else:
            done[name] = values
    return pd.DataFrame(done)
