"""Values of the tables' columns: texts and numbers of a file to dates, flags, codes and numbers."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales.calendar import STATE_HOLIDAYS
from training.sales.data.columns import Column

Wrong = list[tuple[NDArray[np.bool_], str, str]]  # mask of the wrong values, cause, remedy

# Spellings in PromoInterval.
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
NOTHING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]  # spellings of an empty field in R, SQL and Python
_EARLIEST, _LATEST = "1990-01-01", "2099-12-31"  # a date outside is a typing error, and would make the calendar huge
_HOLIDAYS = {"true": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "0.0": 0.0}  # a holiday of no kind is a public one
_FLAGS = {"true": "1", "false": "0"}

# Time zones at midnight are accepted: the date is the shop's own.
_MIDNIGHT = r"[T ]00:00(:00(\.0+)?)?\s*(Z|UTC|[+-]\d\d:?\d\d)?"
_TIME = r"\d{4}-\d\d?-\d\d?[T ]\d\d?:\d\d.*"
_UNCLEAR = r"\d\d?[/-]\d\d?[/-]\d{2,4}( .*)?"
_FORMATS = ("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%d-%b-%Y")

_DECIMAL_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+"  # as in Germany: 1.234,5
_THOUSANDS_COMMA = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"  # as in the USA: 1,234.5


def wrong_numbers(values: NDArray[np.float64], column: Column) -> Wrong:
    """Return the problems of numbers; NaN is not one of them."""
    if column.kind == "flag":
        return [(~((values == 0) | (values == 1) | np.isnan(values)), "neither 0 nor 1", "write 0 or 1")]
    wrong: Wrong = [(np.isinf(values), "infinite", "write a finite number")]
    finite = np.isfinite(values)
    if column.kind in ("id", "whole"):
        wrong.append((finite & (values != np.floor(values)), "not a whole number", "write a whole number"))
    low, high = finite & (values < column.least), finite & (values > column.most)
    if column.least == 0:
        wrong.append((low, "negative", "correct the value or remove the row"))
    else:
        wrong.append((low, f"below {column.least:g}", "correct the value"))
    wrong.append((high, f"above {column.most:g}", "correct the value"))
    return wrong


def parse_texts(texts: NDArray[np.object_], column: Column) -> tuple[NDArray[Any], Wrong]:
    """Parse the texts of a column; they have no blanks around them.

    Args:
        texts: ``[text]``, values as written.
        column: values that the column may have.

    Returns:
        The values, ``[text]``: numbers, flags, days since 1970 and holiday codes as floats, NaN where unreadable, and
        texts unchanged. Then masks ``[text]`` of the wrong values, each with cause and remedy.
    """
    match column.kind:
        case "text":
            return texts, []
        case "months":
            known = {*MONTHS, "Sep"}
            unknown = [not {part.strip() for part in text.split(",")} <= known for text in texts]
            remedy = f"write months as in Jan,Apr,Jul,Oct; there are {', '.join(MONTHS)}"
            return texts, [(np.array(unknown, dtype=bool), "not a list of months", remedy)]
        case "holiday":
            codes = {text: float(code) for code, text in enumerate(STATE_HOLIDAYS)} | _HOLIDAYS
            values = np.array([codes.get(text.lower(), np.nan) for text in texts], dtype=np.float64)
            remedy = "write 0, a (public), b (Easter) or c (Christmas)"
            return values, [(np.isnan(values), "not a holiday code", remedy)]
        case "date":
            return _parse_dates(texts)
        case "week":
            values = _days(text.partition(" - ")[0] for text in texts)
            ends = _days(text.partition(" - ")[2] for text in texts)
            wrong = ~(ends - values == 6)  # NaN included
            return values, [(wrong, "not a week", "write its first and last day, as in 2012-12-02 - 2012-12-08")]
    if column.kind == "flag":
        texts = np.array([_FLAGS.get(text.lower(), text) for text in texts], dtype=object)
    texts = _with_decimal_points(texts)
    values = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
    unreadable = (np.isnan(values), "not a number", "write digits, with a point for decimals")
    if column.kind == "id":
        unreadable = (np.isnan(values), "not a whole number, as most ids are", "number it, or name all stores by texts")
    return values, [unreadable, *wrong_numbers(values, column)]


def _with_decimal_points(texts: NDArray[np.object_]) -> NDArray[np.object_]:
    """Return numbers with decimal commas, or with commas between thousands, as Python writes them.

    All numbers of a column follow one rule. If both rules explain all of them, such as a single 1,234, none is changed.
    """
    series = pd.Series(texts, dtype=object).astype(str)
    with_comma = series[series.str.contains(",", regex=False)]
    if with_comma.empty:
        return texts
    decimal, thousands = (with_comma.str.fullmatch(rule).all() for rule in (_DECIMAL_COMMA, _THOUSANDS_COMMA))
    if decimal == thousands:
        return texts
    if decimal:
        grouped = series.str.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")  # in such a column 1.234 is no fraction
        series = series.where(~grouped, series.str.replace(".", "", regex=False)).str.replace(",", ".", regex=False)
    else:
        series = series.str.replace(",", "", regex=False)
    return series.to_numpy(dtype=object)


def _parse_dates(texts: NDArray[np.object_]) -> tuple[NDArray[np.float64], Wrong]:
    """Parse dates: YYYY-MM-DD, also with midnight as the time, YYYY/MM/DD or YYYYMMDD.

    If no date of the column is written so, all of them may be written in another way, such as 31.12.2023. Exactly one
    way must explain all of them: 01/02/2023 alone is not clear.
    """
    series = pd.Series(texts, dtype=object).astype(str)
    dates = series.str.replace(f"{_MIDNIGHT}$", "", regex=True)
    compact = dates.str.fullmatch(r"\d{8}")
    dates = dates.mask(compact, dates.str[:4] + "-" + dates.str[4:6] + "-" + dates.str[6:])
    dates = dates.mask(dates.str.fullmatch(r"\d{4}/\d\d?/\d\d?"), dates.str.replace("/", "-"))
    values = _days(dates)
    if np.isnan(values).all():
        ways = [_days(dates, style) for style in _FORMATS]
        found = [days for days in ways if not np.isnan(days).any()]
        if found and all((days == found[0]).all() for days in found):
            values = found[0]
    unreadable = np.isnan(values)
    timed = unreadable & series.str.fullmatch(_TIME).to_numpy(bool)
    unclear = unreadable & series.str.fullmatch(_UNCLEAR).to_numpy(bool)
    outside = (values < _days([_EARLIEST])) | (values > _days([_LATEST]))
    return values, [
        (timed, "has a time of day", "sum the sales of each store and day, and write the day as YYYY-MM-DD"),
        (unclear, "not clear which number is the month", "write YYYY-MM-DD"),
        (unreadable & ~timed & ~unclear, "not a date", "write YYYY-MM-DD"),
        (outside, f"not between {_EARLIEST} and {_LATEST}", "correct the year"),
    ]


def _days(texts: Iterable[str], style: str = "%Y-%m-%d") -> NDArray[np.float64]:
    """Return dates in one style, like 2015-07-31, as days since 1970-01-01; NaN for other texts."""
    dates = pd.to_datetime(pd.Series(list(texts), dtype=object), format=style, errors="coerce")
    days = dates.to_numpy("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64))
