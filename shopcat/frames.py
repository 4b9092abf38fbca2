"""Conversion of pandas frames to request items, and of answers to frames.

The package does not import pandas, because a caller that has a frame has imported it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

from runtime.errors import UserError
from schemas.sales.answer import ItemForecast, ItemProblem
from schemas.sales.column_names import REQUEST_COLUMNS, WEATHER_FIELDS, match_columns
from schemas.sales.explanation import ItemExplanation
from shopcat.values import plain

_FLAGS = ("open", "promo", "school_holiday")

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


def items_of(frame: Frame, own_columns: Collection[str] = (), *, open_days_only: bool = False) -> list[dict[str, Any]]:
    """Return each row as an item of a request.

    Columns are found by the names that training accepts too, such as Kaggle's spellings. Empty cells are left out.

    Args:
        frame: the rows.
        own_columns: names of the user's own columns that the model knows.
        open_days_only: True if the model's tables list open days alone. Then each row is an open day, unless the frame
            has a column for the opening.

    Raises:
        UserError: if there is no column for the store or the date, or several columns for one field.
    """
    names = [str(name) for name in frame.columns]
    matched = match_columns(names, REQUEST_COLUMNS.values())
    found: dict[str, int] = {}
    for field, column in REQUEST_COLUMNS.items():
        fitting = matched.ambiguous.get(column, [])
        if column in matched.headers:
            fitting = [matched.headers[column]] * names.count(matched.headers[column])
        if len(fitting) > 1:
            raise UserError(f"the frame has two columns for {field}: {fitting[0]!r} and {fitting[1]!r}; drop one")
        if fitting:
            found[field] = names.index(fitting[0])
    missing = [field for field in ("store", "date") if field not in found]
    if missing:
        raise UserError(
            f"the frame has no column {' and no column '.join(missing)}; it has {', '.join(names) or 'none'}"
        )
    columns = [_values(field, frame.iloc[:, position]) for field, position in found.items()]
    user_names = [name for name in names if name in own_columns and names.index(name) not in found.values()]
    columns += [_values(name, frame.iloc[:, names.index(name)]) for name in user_names]
    shared = {"open": True} if open_days_only and "open" not in found else {}
    return [
        shared | _item(dict(zip(found, row, strict=False)), dict(zip(user_names, row[len(found) :], strict=True)))
        for row in zip(*columns, strict=True)
    ]


def _item(values: Mapping[str, Any], user_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of a row, whose weather and user's columns are objects; None is not stated."""
    stated = {field: value for field, value in values.items() if value is not None}
    weather = {field: stated.pop(field) for field in [*stated] if field in WEATHER_FIELDS}
    columns = {name: value for name, value in user_values.items() if value is not None}
    return stated | ({"weather": weather} if weather else {}) | ({"columns": columns} if columns else {})


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


def to_frame(frame: Frame, results: Sequence[Result], *, what_if: bool, explain: bool) -> Any:
    """Return results as a frame with the index of the rows; with a what-if or explanations, they all have one."""
    return (explanations if explain else comparisons if what_if else forecasts)(frame, results)


def forecasts(frame: Frame, results: Sequence[Result]) -> Any:
    """Return the forecasts as a frame with the index of the rows."""
    return _frame(frame, results, {"sales": lambda result: result.sales, **_uncertainty(results), **_QUALITY})


def comparisons(frame: Frame, results: Sequence[Result]) -> Any:
    """Return the comparisons as a frame with the index of the rows."""
    columns: Columns = {
        "sales": lambda result: result.sales,
        **_uncertainty(results),
        "what_if": lambda result: result.what_if.sales,
        **_uncertainty(results, "what_if_", lambda result: result.what_if),
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
        **_uncertainty(results),
        "baseline": lambda result: result.baseline.sales,
        **{name: _multiplier(name) for name in sorted(groups)},
        **_QUALITY,
    }
    return _frame(frame, results, columns)


def _uncertainty(
    results: Sequence[Result], prefix: str = "", forecast_of: Callable[[Any], Any] = lambda result: result
) -> Columns:
    """Return the columns of intervals and quantiles, such as ``low_80``, ``high_80`` or ``quantile_0.9``.

    Args:
        results: the results, which have the same levels or quantiles.
        prefix: prefix of the columns' names.
        forecast_of: function that returns the object with the intervals from a result.
    """
    first = next((result for result in results if not isinstance(result, ItemProblem)), None)
    if first is None:
        return {}
    columns: dict[str, Callable[[Any], Any]] = {}
    for place, interval in enumerate(first.intervals or ()):
        columns[f"{prefix}low_{interval.level:g}"] = _part(forecast_of, "intervals", place, "low")
        columns[f"{prefix}high_{interval.level:g}"] = _part(forecast_of, "intervals", place, "high")
    for place, quantile in enumerate(first.quantiles or ()):
        columns[f"{prefix}quantile_{quantile.quantile:g}"] = _part(forecast_of, "quantiles", place, "sales")
    return columns


def _part(forecast_of: Callable[[Any], Any], name: str, place: int, field: str) -> Callable[[Any], float]:
    """Return the function that reads one number of a result's intervals or quantiles."""

    def read(result: Any) -> float:
        return float(getattr(getattr(forecast_of(result), name)[place], field))

    return read


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
