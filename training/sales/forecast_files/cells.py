"""Cells of a file's columns as the contract has them: a row has a code, and the distinct texts have the values."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from sales.calendar import STATE_HOLIDAYS
from sales.columns.own import PREFIX
from schemas.problems import invalid_field, validation_problem
from schemas.sales.column_names import REQUEST_COLUMNS, WEATHER_FIELDS
from schemas.sales.parse import RejectedItem
from schemas.sales.request import ITEM_NAMES, Item
from training.sales.data.columns import COLUMNS as TABLES
from training.sales.data.columns import Column
from training.sales.data.values import NOTHING, Reading, parse_texts, readings, style_of
from training.sales.forecast_files.facts import COLUMNS, WEATHER

_COLUMNS = {**TABLES["weather"], **TABLES["test"]}
_OWN = {"cont": Column("number"), "cat": Column("text")}  # by the kind of a column of the user's
# By the kind of column: function from the tables' number to the contract's value.
_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "id": int,
    "flag": bool,
    "date": lambda day: np.datetime64(int(day), "D").item(),
    "holiday": lambda code: STATE_HOLIDAYS[int(code)],
    "number": float,
    "text": str,
}


class Texts:
    """Distinct texts of a column, and the text of each row, collected part by part.

    Attributes:
        typed: true if the texts stand for values of another type, which are never in doubt.
    """

    def __init__(self, *, typed: bool = False) -> None:
        self.typed = typed
        self._place: dict[str, int] = {}
        self._parts: list[NDArray[np.unsignedinteger]] = []

    def add(self, codes: NDArray[np.int64], texts: Sequence[str]) -> None:
        """Add rows.

        Args:
            codes: ``[row]``, place of the row's text.
            texts: texts, of which some may be equal.
        """
        places = np.array([self._place.setdefault(text, len(self._place)) for text in texts], dtype=np.int64)
        # In the smallest type, because these codes are what stays in memory of a file.
        self._parts.append(places.astype(np.min_scalar_type(len(self._place)))[codes])

    @property
    def words(self) -> list[str]:
        """The distinct texts, in the order of the rows."""
        return [*self._place]

    def codes(self) -> NDArray[np.unsignedinteger]:
        """Return the index of each row's text in ``words``, ``[row]``."""
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]


class Cells(NamedTuple):
    """Cells of a column.

    Attributes:
        codes: ``[row]``, index of the row's text.
        words: distinct texts.
        values: value of each text; None where nothing is stated. A text that can't be read is its own value.
        faults: cause and remedy of each text that can't be read.
        valid: ``[text]``, true if an item may have the value.
        readings: readings of the texts.
    """

    codes: NDArray[np.unsignedinteger]
    words: list[str]
    values: list[Any]
    faults: Mapping[str, str]
    valid: NDArray[np.bool_]
    readings: frozenset[Reading] = frozenset()


def column_of(field: str, own_kind: str = "") -> Column:
    """Return the values that a column may have.

    Args:
        field: field of a request that the column states.
        own_kind: kind of a column of the user's.
    """
    return _OWN[own_kind] if own_kind else _COLUMNS[REQUEST_COLUMNS[field]]


def read_cells(
    field: str, texts: Texts, own_kind: str = "", *, as_text: bool = False, style: int | None = None
) -> Cells:
    """Return the cells of a column. The tables' spellings are accepted, such as 1.0 for a store.

    Args:
        field: field of a request that the column states.
        texts: texts of the column.
        own_kind: kind of a column of the user's.
        as_text: take every text as it is, as an id of a store.
        style: style of the texts; None for that of a file which has these texts alone.
    """
    words, column = texts.words, column_of(field, own_kind)
    array = np.empty(len(words), dtype=object)
    array[:] = words
    found: frozenset[Reading] = frozenset() if texts.typed or as_text else readings(array, column)
    numbers, wrong = parse_texts(array, column, style_of(found) if style is None or texts.typed else style)
    faults: dict[str, str] = {}
    for mask, cause, remedy in wrong:
        for word in array[mask]:
            faults.setdefault(word, f"{cause}; {remedy}")
    if as_text:
        values = [word or None for word in words]
    else:
        read = _VALUES[column.kind]
        values = [
            None if word in NOTHING else word if word in faults else read(number)
            for word, number in zip(words, numbers, strict=True)
        ]
    valid = [_is_valid(field, value, is_number=own_kind == "cont") for value in values]
    return Cells(texts.codes(), words, values, faults, np.array(valid, dtype=np.bool_), found)


def item_of(values: Mapping[str, Any], numbers: Sequence[str]) -> Item | RejectedItem:
    """Return one row as an item.

    Args:
        values: values by field; None is not stated.
        numbers: fields of the user's columns that are numbers; a request takes texts there too.
    """
    stated = {field: value for field, value in values.items() if value is not None}
    weather = {field: stated.pop(field) for field in WEATHER_FIELDS if field in stated}
    columns = {field.removeprefix(PREFIX): stated.pop(field) for field in [*stated] if field.startswith(PREFIX)}
    parts = {WEATHER: weather, COLUMNS: columns}
    for field in numbers:
        if isinstance(text := columns.get(field.removeprefix(PREFIX)), str):
            problem = invalid_field(field, value=text, detail="not a number").problem
            return RejectedItem(values.get("store"), values.get("date"), problem)
    try:
        return Item.model_validate(stated | {name: part for name, part in parts.items() if part})
    except ValidationError as error:
        return RejectedItem(values.get("store"), values.get("date"), validation_problem(error, names=ITEM_NAMES))


def _is_valid(field: str, value: Any, *, is_number: bool) -> bool:
    """Return True if an item may have a value in a field; no other field of the item matters."""
    day = {"store": 1, "date": dt.date(2000, 1, 1)}
    return isinstance(item_of({**day, field: value}, [field] if is_number else []), Item)
