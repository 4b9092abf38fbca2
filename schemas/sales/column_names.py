"""Names of columns in tables, files and frames: aliases, public names, and the search in a header.

Training, ``shopcat forecast`` and `shopcat.Forecaster` find columns by the same names. Inside Shopcat a column has
Kaggle's name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

_PLACES = ("state", "region", "province", "place", "area", "city", "location")
_ALIASES: Mapping[str, Sequence[str]] = {
    "Store": (
        *("shop", "store_id", "shop_id", "store_nbr", "store_number", "store_code", "branch", "branch_id", "outlet"),
        *("outlet_id", "location_id", "restaurant_id", "site_id", "unique_id", "series_id", "air_store_id"),
    ),
    "Date": ("ds", "day", "timestamp", "datetime", "visit_date", "business_date"),
    "Sales": (*("y", "target", "revenue", "turnover", "units", "units_sold", "quantity", "qty", "amount", "demand"),),
    "Customers": ("visitors", "transactions", "footfall"),
    "Open": ("is_open", "opened"),
    "Promo": ("promotion", "is_promo", "on_promo", "on_promotion", "onpromotion"),
    "StateHoliday": ("public_holiday", "bank_holiday", "is_holiday"),
    "SchoolHoliday": ("school_holidays", "school_vacation"),
    "State": _PLACES[1:],
    "Name": ("event", "title"),
    "From": ("date", "ds", "day", "start", "begin", "first_day"),
    "To": ("until", "end", "last_day"),
    "StoreType": ("type", "format", "store_format"),
    "CompetitionDistance": ("competitor_distance",),
    "file": _PLACES,
    "Max_TemperatureC": ("max_temperature", "tmax"),
    "Mean_TemperatureC": ("mean_temperature", "temperature", "temp", "tavg"),
    "Min_TemperatureC": ("min_temperature", "tmin"),
    "Mean_Humidity": ("humidity",),
    "Max_Wind_SpeedKm_h": ("max_wind_speed",),
    "Mean_Wind_SpeedKm_h": ("mean_wind_speed", "wind_speed", "wind"),
    "CloudCover": ("clouds",),
    "Precipitationmm": ("precipitation", "rain", "prcp"),
}
"""Other names of columns. Case, blanks, underscores and hyphens do not count."""

IGNORED = {
    *("dayofweek", "dewpointc", "meandewpointc", "mindewpointc", "visibilitykm", "maxgustspeedkmh", "winddirdegrees"),
    *("maxsealevelpressurehpa", "meansealevelpressurehpa", "minsealevelpressurehpa"),
    *("maxvisibilitykm", "meanvisibilitykm", "minvisibilitykm"),
}
"""Columns of the fast.ai lesson's tables that no model uses; Shopcat does not report them as unused."""

_PUBLIC = {
    "file": "state",
    "Max_TemperatureC": "max_temperature",
    "Mean_TemperatureC": "mean_temperature",
    "Min_TemperatureC": "min_temperature",
    "Max_Wind_SpeedKm_h": "max_wind_speed",
    "Mean_Wind_SpeedKm_h": "mean_wind_speed",
    "Precipitationmm": "precipitation",
}


def public_name(column: str) -> str:
    """Return the name of a column for users, as requests have it.

    >>> public_name("StateHoliday")
    'state_holiday'
    """
    return _PUBLIC.get(column) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()


def plain_name(name: str) -> str:
    """Return a column's name without case and separators.

    >>> plain_name(" State_Holiday")
    'stateholiday'
    """
    return "".join(character for character in name.lower() if character.isalnum())


class Matched(NamedTuple):
    """Columns of a table that were found by their names.

    Attributes:
        headers: name in the file, by Kaggle's name.
        ambiguous: names in the file that fit a column equally well, by Kaggle's name.
        unused: names in the file that no column has.
    """

    headers: dict[str, str]
    ambiguous: dict[str, list[str]]
    unused: list[str]


def match_columns(header: Sequence[str], columns: Iterable[str]) -> Matched:
    """Find columns in the header of a file.

    A column's name wins over its aliases: in a file with ``date`` and ``day``, ``date`` is the date.

    Args:
        header: names in the file.
        columns: Kaggle's names of the columns to find.

    >>> match_columns(["shop", "day", "date", "colour"], ["Store", "Date"])
    Matched(headers={'Store': 'shop', 'Date': 'date'}, ambiguous={}, unused=['day', 'colour'])
    """
    headers: dict[str, str] = {}
    ambiguous: dict[str, list[str]] = {}
    plain = [plain_name(name) for name in header]
    for column in columns:
        names = [name for name, text in zip(header, plain, strict=True) if text == plain_name(column)]
        if not names:
            aliases = {plain_name(alias) for alias in _ALIASES.get(column, ())}
            names = [name for name, text in zip(header, plain, strict=True) if text in aliases]
        if len(names) > 1:
            ambiguous[column] = names
        elif names:
            headers[column] = names[0]
    used = {*headers.values(), *(name for names in ambiguous.values() for name in names)}
    unused = [name for name, text in zip(header, plain, strict=True) if name not in used and text not in IGNORED]
    return Matched(headers, ambiguous, unused)


def names_of(column: str) -> list[str]:
    """Return the names that a column goes by, without case and separators."""
    return [plain_name(name) for name in (column, *_ALIASES.get(column, ()))]


_DAY_COLUMNS = ("Store", "Date", "Open", "Promo", "StateHoliday", "SchoolHoliday")
_WEATHER_COLUMNS = (
    "Max_TemperatureC", "Mean_TemperatureC", "Min_TemperatureC", "Max_Humidity", "Mean_Humidity", "Min_Humidity",
    "Max_Wind_SpeedKm_h", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm", "Events",
)  # fmt: skip
REQUEST_COLUMNS: Mapping[str, str] = {public_name(column): column for column in (*_DAY_COLUMNS, *_WEATHER_COLUMNS)}
"""Kaggle's name of each field of an item, the fields of its weather included."""
WEATHER_FIELDS = tuple(map(public_name, _WEATHER_COLUMNS))
"""Fields of an item's weather."""
