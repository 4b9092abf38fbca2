"""Conversion of pandas frames to request items, and of answers to frames.

The package does not import pandas, because a caller that has a frame has imported it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from runtime.errors import UserError
from schemas.sales.answer import ItemForecast, ItemProblem
from schemas.sales.explanation import ItemExplanation
from shopcat.values import plain

_FLAGS = ("open", "promo", "school_holiday")
_FIELDS = ("store", "date", *_FLAGS, "state_holiday")

Columns = Mapping[str, Callable[[Any], Any]]
Result = ItemForecast | ItemProblem


class Frame(Protocol):
    """Attributes of `pandas.DataFrame` that this module uses; a type checker tells a frame from a sequence by them."""

    @property
    def columns(self) -> Iterable[Any]:
        """Return the names of the columns."""
        ...

    @property
    def index(self) -> Any:
        """Return the labels of the rows."""
        ...

    @property
    def iloc(self) -> Any:
        """Return the indexer that selects cells by position."""
        ...


def is_frame(value: object) -> TypeGuard[Frame]:
    """Return whether a value is a pandas frame."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def items_of(frame: Frame) -> list[dict[str, Any]]:
    """Return each row as an item of a request.

    Column names match regardless of case and underscores, so that Kaggle's spellings work. Empty cells are left out.

    Raises:
        UserError: if there is no column for the store or the date, or two columns for one field.
    """
    names = list(frame.columns)
    found: dict[str, int] = {}
    for position, name in enumerate(names):
        field = next((field for field in _FIELDS if _key(field) == _key(name)), None)
        if field is None:
            continue
        if field in found:
            raise UserError(f"the frame has two columns for {field}: {names[found[field]]!r} and {name!r}; drop one")
        found[field] = position
    missing = [field for field in ("store", "date") if field not in found]
    if missing:
        raise UserError(
            f"the frame has no column {' and no column '.join(missing)}; it has {', '.join(map(str, names)) or 'none'}"
        )
    columns = [_values(field, frame.iloc[:, position]) for field, position in found.items()]
    return [
        {field: value for field, value in zip(found, row, strict=True) if value is not None}
        for row in zip(*columns, strict=True)
    ]


def _key(name: object) -> str:
    return str(name).strip().lower().replace("_", "")


def _values(field: str, column: Any) -> list[Any]:
    """Return a column's values as a request has them; None for an empty cell."""
    read = _flag if field in _FLAGS else _whole
    return [None if empty else read(plain(value)) for value, empty in zip(column.tolist(), column.isna(), strict=True)]


def _flag(value: Any) -> Any:
    """Return 0 and 1 as a truth value, since a column with empty cells holds them as floats."""
    return bool(value) if type(value) in (int, float) and value in (0, 1) else value


def _whole(value: Any) -> Any:
    """Return a float without fraction as an integer, since a column with empty cells holds floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_QUALITY: Columns = {
    "assumed": lambda result: result.assumed,
    "warnings": lambda result: tuple(warning.code for warning in result.warnings),
}


def forecasts(frame: Frame, results: Sequence[Result]) -> Any:
    """Return the forecasts as a frame with the index of the rows."""
    return _frame(frame, results, {"sales": lambda result: result.sales, **_QUALITY})


def comparisons(frame: Frame, results: Sequence[Result]) -> Any:
    """Return the comparisons as a frame with the index of the rows."""
    columns: Columns = {
        "sales": lambda result: result.sales,
        "what_if": lambda result: result.what_if.sales,
        "difference": lambda result: result.what_if.difference,
        "ratio": lambda result: result.what_if.ratio,
        **_QUALITY,
    }
    return _frame(frame, results, columns)


def explanations(frame: Frame, results: Sequence[Result]) -> Any:
    """Return the explanations as a frame with the index of the rows: a column of multipliers for each group."""
    groups = {group.group for result in results if isinstance(result, ItemExplanation) for group in result.groups}
    columns: Columns = {
        "sales": lambda result: result.sales,
        "baseline": lambda result: result.baseline.sales,
        **{name: _multiplier(name) for name in sorted(groups)},
        **_QUALITY,
    }
    return _frame(frame, results, columns)


def _multiplier(name: str) -> Callable[[Any], float]:
    def read(explanation: ItemExplanation) -> float:
        return next((group.multiplier for group in explanation.groups if group.group == name), math.nan)

    return read


def _frame(frame: Frame, results: Sequence[Result], columns: Columns) -> Any:
    pandas: Any = sys.modules["pandas"]
    cells = {
        name: [None if isinstance(result, ItemProblem) else read(result) for result in results]
        for name, read in columns.items()
    }
    problems = [result.problem.detail if isinstance(result, ItemProblem) else None for result in results]
    return pandas.DataFrame({**cells, "problem": problems}, index=frame.index)
