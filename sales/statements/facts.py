"""Facts that clients state about rows, as columns: of the items of requests, or of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np

from sales.arrays import Bool, Float64, Int8, Int64
from sales.calendar import STATE_HOLIDAYS
from sales.columns.own import OwnStatements
from sales.columns.weather import REQUEST_FIELDS
from schemas.sales.request import Item

NOT_STATED: Final = -1  # in ``Facts.days``
_COLUMN_OF = {name: column for column, name in REQUEST_FIELDS.items()}
_HOLIDAY = {code: index for index, code in enumerate(STATE_HOLIDAYS)}


class Stated(NamedTuple):
    """Values of one column that clients state.

    Attributes:
        rows: ``[value]``, row of each value, ascending.
        values: ``[value]``; codes if the column is a category.
    """

    rows: Int64
    values: Float64


class Facts(NamedTuple):
    """Facts that clients state about some rows.

    Attributes:
        days: ``[field of FIELDS, row]``, value for the calendar, or ``NOT_STATED``; None if no row states any.
        values: values by column, of the weather and of the user's columns that are known ahead.
        unknown: rows that state a user's column that the model does not have, or that it knows as history alone.
    """

    days: Int8 | None
    values: Mapping[str, Stated]
    unknown: Mapping[str, Int64]

    @property
    def change_values(self) -> bool:
        """True if a row states more than its day's opening, promotion and holidays."""
        return bool(self.values or self.unknown)


class Elsewhere(NamedTuple):
    """Statements of requests about days that are not among the rows; they count as if they came after the rows.

    Attributes:
        request: ``[statement]``, index of the request.
        store: ``[statement]``, index into the panel's stores.
        day: ``[statement]``, index into the panel's days.
        days: ``[field of FIELDS, statement]``, value for the calendar, or ``NOT_STATED``.
    """

    request: Int64
    store: Int64
    day: Int64
    days: Int8


class Columns(Protocol):
    """Columns of a model, as `sales.features.Features` has them."""

    @property
    def own(self) -> OwnStatements:
        """Statements about the user's columns."""
        ...

    def event_code(self, words: str) -> int:
        """Return the code of weather events."""
        ...


def facts_of(items: Sequence[Item], columns: Columns) -> Facts:
    """Return the facts that items state; item ``i`` is row ``i``."""
    values: dict[str, tuple[list[int], list[float]]] = {}
    unknown: dict[str, list[int]] = {}
    for row, item in enumerate(items):
        if item.weather is not None:
            for name, value in item.weather:
                if value is not None:
                    number = columns.event_code(value) if isinstance(value, str) else value
                    _add(values, _COLUMN_OF[name], row, number)
        if item.columns:
            for name, number in columns.own.read(item.columns).items():
                _add(values, name, row, number)
            for name in item.columns:
                if name not in columns.own.known_ahead:
                    unknown.setdefault(name, []).append(row)
    return Facts(
        _days(items) if any(map(_states_day, items)) else None,
        {name: Stated(np.array(rows), np.array(numbers, np.float64)) for name, (rows, numbers) in values.items()},
        {name: np.array(rows) for name, rows in unknown.items()},
    )


def states_all(values: Mapping[str, Stated], names: Sequence[str], n_rows: int) -> Bool:
    """Return the rows that state all of some columns, ``[row]``; none if there are no columns."""
    stating = np.full(n_rows, bool(names), dtype=np.bool_)
    for name in names:
        stated = np.zeros(n_rows, dtype=np.bool_)
        if name in values:
            stated[values[name].rows] = True
        stating &= stated
    return stating


def _add(values: dict[str, tuple[list[int], list[float]]], name: str, row: int, number: float) -> None:
    """Add the value of a column in a row."""
    rows, numbers = values.setdefault(name, ([], []))
    rows.append(row)
    numbers.append(number)


def _states_day(item: Item) -> bool:
    """Return true if an item states anything about its day, the weather and the user's columns aside."""
    nothing = item.open is None and item.promo is None
    return not (nothing and item.state_holiday is None and item.school_holiday is None)


def _days(items: Sequence[Item]) -> Int8:
    """Return ``Facts.days`` of items."""
    stated = [
        (
            NOT_STATED if item.open is None else item.open,
            NOT_STATED if item.promo is None else item.promo,
            NOT_STATED if item.state_holiday is None else _HOLIDAY[item.state_holiday],
            NOT_STATED if item.school_holiday is None else item.school_holiday,
        )
        for item in items
    ]
    return np.array(stated, dtype=np.int8).T
