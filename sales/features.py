"""Features: the model's columns for rows of a store and a day, for training and for serving.

A column depends on the store, the day, the state and day, or the store and day. `Features` computes each once, so that
a row costs a few look-ups, whatever the number of columns. Columns of store and day are computed for the days that are
asked for. Columns about past sales and competitors also depend on the last known day, and are computed for the row. So
are a client's statements about a day (promotion, holidays, weather), over one store's window and not the whole grid.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from sales.arrays import AnyArray, Bool, Float32, Int32, Int64, in_chunks
from sales.calendar import Calendar
from sales.columns import competition, date, events, parity, production, weather
from sales.columns import own as user_columns
from sales.columns.column import Column, FeatureSet, Mode, Table
from sales.columns.competition import Competition
from sales.columns.own import OwnStatements
from sales.history import NAMES as HISTORY
from sales.history import History
from sales.panel import Panel
from sales.statements.facts import Stated
from sales.statements.plan import Plan
from sales.tables.cells import CellTables
from sales.tables.look_up import LookUp, Tables, one_part

COLUMNS: Mapping[Mode, Mapping[str, Column]] = {
    "production": {column.name: column for column in production.COLUMNS},
    "parity": {column.name: column for column in parity.COLUMNS},
}
FEATURE_SETS: Mapping[Mode, FeatureSet] = {"production": production.FEATURES, "parity": parity.FEATURES}


class UnknownColumnError(ValueError):
    """A column that this version cannot compute; the message names it."""


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

    def __init__(self, panel: Panel, mode: Mode, feature_set: FeatureSet | None = None, *, horizon: int) -> None:
        """Compute the columns.

        Args:
            panel: facts of all stores and days.
            mode: source of the columns: facts known at the time of the forecast, or the fast.ai lesson's.
            feature_set: names of the columns to build, in order; all columns of the mode if it is None.
            horizon: number of days after the panel's cutoff for which the model is made.

        Raises:
            UnknownColumnError: if the mode has no such column.
        """
        self.panel, self.mode = panel, mode
        self.feature_set = feature_set = feature_set or available_columns(panel, mode)
        names = feature_set.names
        self._place = {name: place for place, name in enumerate(names)}
        with ThreadPoolExecutor(1) as pool:  # which takes a third of the time of a start, beside the tables
            history = pool.submit(_ByRow, panel, names, horizon) if mode == "production" else None
            tables = _production_tables(panel) if mode == "production" else _parity_tables(panel)
            self._looked_up = LookUp(names, tables)
            self._cells = CellTables(panel, names, horizon) if mode == "production" else None
            self._by_row = history.result() if history is not None else None
        known = {name for part in (self._looked_up, self._cells, self._by_row) if part for name in part.names}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UnknownColumnError(f"{mode} mode has no column {', '.join(unknown)}")
        self._own_effects = np.array([place for name, place in self._place.items() if name in events.OWN_EFFECTS], int)
        # [state + 1, day], true where the weather is the seasonal average unless the client states it
        self.season_only = weather.season_only(panel, names if mode == "production" else ())
        self._events = {str(word): code for code, word in enumerate(panel.levels["Events"])}
        self.weather = frozenset(names).intersection(weather.REQUEST_FIELDS)  # weather columns of this model
        self.own = OwnStatements(panel, names)

    def build(
        self,
        store: Int64,
        day: Int64,
        plan: Plan | None = None,
        stated: Mapping[str, Stated] = MappingProxyType({}),
        origin: Int64 | None = None,
        new: Bool | None = None,
    ) -> Columns:
        """Return the columns of some rows.

        Args:
            store: ``[row]``, index into the panel's stores.
            day: ``[row]``, index into the panel's days.
            plan: plans that the clients state.
            stated: weather and columns of the user's that the clients state, by column.
            origin: ``[row]``, last day whose sales the row may use; see ``History.columns``.
            new: ``[row]``, true where the store's own sales are hidden, as if it were new.
        """
        promo = self.panel.calendar.promo[store, day].astype(np.int64)
        if plan is not None:
            planned = np.flatnonzero(plan.row >= 0)
            at = (plan.row[planned], day[planned])
            promo[planned] = plan.calendar.promo[at]

        def look_up(rows: slice) -> Columns:
            return self._look_up(
                store[rows],
                day[rows],
                promo[rows],
                None if origin is None else origin[rows],
                None if new is None else new[rows],
            )

        columns = in_chunks(look_up, len(store))
        if plan is not None:
            changed, first = self._planned(plan.calendar, at[1])
            for name, column in changed.items():
                if name in self._place:
                    table, place = self._at(columns, name)
                    table[planned, place] = column[at[0], at[1] - first]
        for name, (rows, values) in stated.items():
            if name in self.weather or name.startswith(user_columns.PREFIX):
                table, place = self._at(columns, name)
                table[rows, place] = values
        return columns

    def event_code(self, words: str) -> int:
        """Return the code of weather events; words that training never saw have a code that no day has."""
        return self._events.get(words, len(self._events))

    def _at(self, columns: Columns, name: str) -> tuple[AnyArray, int]:
        """Return the array that has a column, and the column's place in it."""
        place, n_cats = self._place[name], len(self.feature_set.cat_names)
        return (columns.cats, place) if place < n_cats else (columns.conts, place - n_cats)

    def _planned(self, calendar: Calendar, day: Int64) -> tuple[Table, int]:
        """Return the plans' columns for the days around ``day`` that matter, and the first of these days."""
        if self.mode == "parity":
            return parity.plan_columns(calendar), 0
        if not day.size:
            return {}, 0
        first = max(int(day.min()) - production.REACH, 0)
        window = calendar.between(first, int(day.max()) + production.REACH + 1)
        return production.plan_columns(window, self.panel.cutoff - first), first

    def _look_up(self, store: Int64, day: Int64, promo: Int64, origin: Int64 | None, new: Bool | None) -> Columns:
        """Return the columns of some rows, from the panel's own calendar."""
        days = self.panel.calendar.days
        columns = np.empty((len(store), len(self._place)), dtype=np.float32)  # exact for integers up to 2 ** 24
        cell = store * days + day
        self._looked_up(columns, {"store": store, "state": self.panel.state[store] * days + day, "cell": cell})
        if self._cells is not None:
            self._cells(columns, store, day)
        if self._by_row is not None:
            self._by_row(columns, store, day, promo, origin, new)
        if new is not None:
            columns[np.ix_(np.flatnonzero(new), self._own_effects)] = 0
        n_cats = len(self.feature_set.cat_names)
        return Columns(columns[:, :n_cats].astype(np.int32), columns[:, n_cats:])


class _ByRow:
    """Columns that also depend on the last known day: past sales and competitors."""

    def __init__(self, panel: Panel, names: Sequence[str], horizon: int) -> None:
        """Prepare the columns.

        Args:
            panel: facts of all stores and days.
            names: names of all columns to build, in order.
            horizon: number of days after the panel's cutoff for which the model is made.
        """
        self._cutoff, self._horizon = panel.cutoff, horizon
        self._history, self._competition = History(panel, horizon), Competition(panel)
        self._competition_places = {name: place for place, name in enumerate(names) if name in competition.NAMES}
        known = [(place, HISTORY.index(name)) for place, name in enumerate(names) if name in HISTORY]
        self._own = user_columns.OwnHistory(panel)
        self._own_places = {name: place for place, name in enumerate(names) if name in self._own.names}
        self.names = (*HISTORY, *competition.NAMES, *self._own.names)
        self._history_places, self._history_picks = np.array(known, dtype=np.int64).reshape(-1, 2).T

    def __call__(
        self, columns: Float32, store: Int64, day: Int64, promo: Int64, origin: Int64 | None, new: Bool | None
    ) -> None:
        """Fill in the columns of some rows; the arguments are those of ``Features.build``."""
        history = self._history.columns(store, day, promo, origin, new)
        columns[:, self._history_places] = history[:, self._history_picks]
        if origin is None and (self._competition_places or self._own_places):
            origin = np.where(day > self._cutoff, self._cutoff, day - self._horizon)
        if self._own_places and origin is not None:
            past = self._own.columns(store, origin)
            for name, place in self._own_places.items():
                columns[:, place] = past[name]
        if self._competition_places and origin is not None:
            computed = self._competition.columns(store, day, origin)
            for name, place in self._competition_places.items():
                columns[:, place] = computed[name]


def available_columns(panel: Panel, mode: Mode) -> FeatureSet:
    """Return the names of all columns that a mode can compute from a panel."""
    names = FEATURE_SETS[mode]
    if mode == "parity":
        return names
    users = user_columns.feature_set(panel)
    return FeatureSet((*names.cat_names, *users.cat_names), (*names.cont_names, *users.cont_names))


def _production_tables(panel: Panel) -> Tables:
    """Return the columns of production mode that do not depend on both the store and the day, by table."""
    state, users = weather.state_columns(panel), user_columns.tables(panel)
    days = {**date.day_columns(panel), **events.day_columns(panel), **users["day"]}
    return {
        "store": one_part({**production.store_columns(panel), **users["store"]}),
        "state": one_part({**_by_state(days, state), **state}),
    }


def _parity_tables(panel: Panel) -> Tables:
    """Return the columns of parity mode by table."""
    state = parity.state_columns(panel)
    return {
        "store": one_part(parity.store_columns(panel)),
        "state": one_part({**_by_state(parity.day_columns(panel), state), **state}),
        "cell": one_part({**parity.cell_columns(panel), **parity.plan_columns(panel.calendar)}),
    }


def _by_state(dates: Table, state: Table) -> Table:
    """Return columns ``[day]`` as ``[state, day]``, so that a row needs one look-up for both kinds."""
    shape = next(iter(state.values())).shape
    return {name: np.broadcast_to(column, shape) for name, column in dates.items()}
