"""Values of the tables' columns: texts and numbers of a file to dates, flags, codes and numbers."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sales.calendar import STATE_HOLIDAYS
from training.sales.data.columns import Column

Wrong = list[tuple[NDArray[np.bool_], str, str]]  # mask of the wrong values, cause, remedy
# Meaning of a text in each style of its column: -1 if the style can't explain it, otherwise the first style that gives
# it the same meaning.
Reading = tuple[int, ...]

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
# Styles of columns, of which the first one counts in case of doubt.
_DATES = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y.%m.%d",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
)
_PLAIN, _DECIMAL, _THOUSANDS = range(3)  # of numbers: as Python writes them, decimal commas, commas between thousands

_DECIMAL_COMMA = r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+"  # as in Germany: 1.234,5
_THOUSANDS_COMMA = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"  # as in the USA: 1,234.5
_GROUPED = r"[+-]?\d{1,3}(\.\d{3})+"  # no fraction where other numbers have decimal commas


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


def has_styles(column: Column) -> bool:
    """Return True if the other texts of a column may say what one of them means."""
    return column.kind == "date" or _is_numeric(column)


def readings(texts: NDArray[np.object_], column: Column) -> frozenset[Reading]:
    """Return the different meanings of a column's texts in its styles.

    Those of a column are the union of those of its parts. Texts that no style explains, and numbers that are the same
    in all styles, have none.

    Args:
        texts: ``[text]``, values as written, without blanks around them.
        column: values that the column may have.
    """
    if column.kind == "date":
        return _date_readings(texts)
    return _number_readings(texts) if _is_numeric(column) else frozenset()


def is_clear(found: Iterable[Reading]) -> bool:
    """Return True if texts mean the same in any column, given their readings: those of the first style."""
    return all(place <= 0 for reading in found for place in reading)


def style_of(found: Iterable[Reading]) -> int:
    """Return the style of a column, given its readings.

    It is the style that explains all texts. If there is none, or several that differ, it is the first one: 01/02/2023
    alone is not clear, nor is 1,234.
    """
    kinds = [*found]
    styles = [style for style in range(len(kinds[0]) if kinds else 0) if all(kind[style] >= 0 for kind in kinds)]
    is_certain = all(len({kind[style] for style in styles}) == 1 for kind in kinds)
    return styles[0] if styles and is_certain else 0


def parse_texts(texts: NDArray[np.object_], column: Column, style: int | None = None) -> tuple[NDArray[Any], Wrong]:
    """Parse the texts of a column; they have no blanks around them.

    Args:
        texts: ``[text]``, values as written.
        column: values that the column may have.
        style: style of the texts; None for that of a column which has these texts alone.

    Returns:
        The values, ``[text]``: numbers, flags, days since 1970 and holiday codes as floats, NaN where unreadable, and
        texts unchanged. Then masks ``[text]`` of the wrong values, each with cause and remedy.
    """
    if style is None:
        style = style_of(readings(texts, column))
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
            return _parse_dates(texts, style)
        case "week":
            values = _days(text.partition(" - ")[0] for text in texts)
            ends = _days(text.partition(" - ")[2] for text in texts)
            wrong = ~(ends - values == 6)  # NaN included
            return values, [(wrong, "not a week", "write its first and last day, as in 2012-12-02 - 2012-12-08")]
    if column.kind == "flag":
        texts = np.array([_FLAGS.get(text.lower(), text) for text in texts], dtype=object)
    texts = _plain_numbers(texts, style)
    values = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
    unreadable = (np.isnan(values), "not a number", "write digits, with a point for decimals")
    if column.kind == "id":
        unreadable = (np.isnan(values), "not a whole number, as most ids are", "number it, or name all stores by texts")
    return values, [unreadable, *wrong_numbers(values, column)]


def _is_numeric(column: Column) -> bool:
    return column.kind in ("id", "whole", "number", "flag")


def _number_readings(texts: NDArray[np.object_]) -> frozenset[Reading]:
    together = "\n".join(texts)
    found = set()
    if "." in together and re.search(f"(?m)^{_GROUPED}$", together):
        found.add((_PLAIN, _DECIMAL, _PLAIN))
    if "," in together:
        series = pd.Series(texts, dtype=object)
        series = series[series.str.contains(",", regex=False)]
        rules = ((_DECIMAL, _DECIMAL_COMMA), (_THOUSANDS, _THOUSANDS_COMMA))
        places = [np.where(series.str.fullmatch(rule), style, -1).tolist() for style, rule in rules]
        found |= {(-1, *pair) for pair in zip(*places, strict=True) if max(pair) >= 0}
    return frozenset(found)


def _plain_numbers(texts: NDArray[np.object_], style: int) -> NDArray[np.object_]:
    """Return numbers in a style as Python writes them, and other texts as they are."""
    if style == _PLAIN:
        return texts
    series = pd.Series(texts, dtype=object)
    if style == _DECIMAL:
        known = series.str.fullmatch(f"{_DECIMAL_COMMA}|{_GROUPED}")
        plain = series.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    else:
        known = series.str.fullmatch(_THOUSANDS_COMMA)
        plain = series.str.replace(",", "", regex=False)
    return series.where(~known, plain).to_numpy(dtype=object)


def _date_readings(texts: NDArray[np.object_]) -> frozenset[Reading]:
    dates = _dates(texts)
    usual = ~np.isnan(_days(dates))
    found: set[Reading] = {(0,) + (-1,) * (len(_DATES) - 1)} if usual.any() else set()
    if usual.all():
        return frozenset(found)
    days = np.array([_days(dates[~usual], style) for style in _DATES])
    first = (days[:, np.newaxis] == days).argmax(axis=0)  # [style, text]; no style that can't explain it is equal
    others = np.unique(np.where(np.isnan(days), -1, first), axis=1).T.tolist()
    return frozenset(found | {tuple(places) for places in others if max(places) >= 0})


def _dates(texts: NDArray[np.object_]) -> pd.Series:
    """Return dates without midnight as their time, and YYYY/MM/DD and YYYYMMDD as YYYY-MM-DD."""
    dates = pd.Series(texts, dtype=object).str.replace(f"{_MIDNIGHT}$", "", regex=True)
    compact = dates.str.fullmatch(r"\d{8}")
    dates = dates.mask(compact, dates.str[:4] + "-" + dates.str[4:6] + "-" + dates.str[6:])
    return dates.mask(dates.str.fullmatch(r"\d{4}/\d\d?/\d\d?"), dates.str.replace("/", "-"))


def _parse_dates(texts: NDArray[np.object_], style: int) -> tuple[NDArray[np.float64], Wrong]:
    series, values = pd.Series(texts, dtype=object), _days(_dates(texts), _DATES[style])
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


def _days(texts: Iterable[str], style: str = _DATES[0]) -> NDArray[np.float64]:
    """Return dates in one style, like 2015-07-31, as days since 1970-01-01; NaN for other texts."""
    dates = pd.to_datetime(pd.Series(list(texts), dtype=object), format=style, errors="coerce")
    days = dates.to_numpy("datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(np.int64))
