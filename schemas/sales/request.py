"""Requests for ``/predictions/sales`` and ``/explanations/sales``: a store's day, a list of days, or a range.

`schemas.sales.parse` reads them; `schemas.sales.range` expands a range into its days.
"""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict  # pydantic cannot read the standard library's before Python 3.12

from schemas.sales.options import OPTION_NAMES, AnswerOptions

MAX_ITEMS = 1000
MAX_DAYS = 366
MAX_STORE_ID = 100  # characters

StateHoliday = Literal["0", "a", "b", "c"]


def _iso_date(value: Any) -> Any:
    """Accept only ISO strings as dates: pydantic alone would take a number, even in quotes, as seconds since 1970."""
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        return value
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise ValueError("a date is a string like 2015-08-01")


def _holiday_code(value: Any) -> Any:
    """Accept the number 0 as "no holiday": many rows of Kaggle's tables have it."""
    return "0" if type(value) is int and value == 0 else value


def _store_id(value: Any) -> Any:
    """Accept whole numbers and short texts as ids of stores: pydantic alone would take true and 1.0 too."""
    if (type(value) is int and 0 <= value < 2**31) or (isinstance(value, str) and 0 < len(value) <= MAX_STORE_ID):
        return value
    raise ValueError(f"must be a whole number from 0 to {2**31 - 1}, or a text of 1 to {MAX_STORE_ID} characters")


def _own_value(value: Any) -> Any:
    """Accept finite numbers, short texts, true and false as values of the user's columns."""
    if isinstance(value, bool) or (isinstance(value, int | float) and math.isfinite(value)):
        return value
    if isinstance(value, str) and len(value) <= MAX_STORE_ID:
        return value
    raise ValueError(f"must be a number, a text of up to {MAX_STORE_ID} characters, true or false")


StoreId = int | str  # of one model, all are numbers or all are texts
Store = Annotated[
    StoreId,
    BeforeValidator(_store_id),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
                {"type": "string", "minLength": 1, "maxLength": MAX_STORE_ID},
            ]
        }
    ),
    Field(description="Id of the store, a number or a text as in the training tables."),
]
Day = Annotated[dt.date, BeforeValidator(_iso_date)]
Date = Annotated[Day, Field(description="Day to forecast, YYYY-MM-DD.")]
StartDate = Annotated[Day, Field(description="First day of the range, YYYY-MM-DD.")]
Holiday = Annotated[
    StateHoliday,
    BeforeValidator(_holiday_code),
    # Two schemas, because generators of clients can't make a type of an enumeration of texts and numbers.
    WithJsonSchema({"anyOf": [{"type": "string", "enum": [*get_args(StateHoliday)]}, {"type": "integer", "const": 0}]}),
]
Flag = Annotated[bool, Field(strict=True)]  # pydantic alone would take 1 and "yes" too


class Weather(BaseModel):
    """Weather of the day, in the units of the weather table."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)

    max_temperature: float | None = Field(default=None, ge=-100, le=100, description="Highest temperature, degrees C.")
    mean_temperature: float | None = Field(default=None, ge=-100, le=100, description="Mean temperature, degrees C.")
    min_temperature: float | None = Field(default=None, ge=-100, le=100, description="Lowest temperature, degrees C.")
    max_humidity: float | None = Field(default=None, ge=0, le=100, description="Highest relative humidity, percent.")
    mean_humidity: float | None = Field(default=None, ge=0, le=100, description="Mean relative humidity, percent.")
    min_humidity: float | None = Field(default=None, ge=0, le=100, description="Lowest relative humidity, percent.")
    max_wind_speed: float | None = Field(default=None, ge=0, le=500, description="Highest wind speed, km/h.")
    mean_wind_speed: float | None = Field(default=None, ge=0, le=500, description="Mean wind speed, km/h.")
    cloud_cover: float | None = Field(
        default=None, ge=0, le=9, description="Cloud cover, eighths of the sky; 9 if fog hides the sky."
    )
    precipitation: float | None = Field(default=None, ge=0, le=1000, description="Rain and snow, mm.")
    events: str | None = Field(default=None, max_length=60, description="Weather events, such as Rain or Fog-Rain.")


_OPEN = "True if the store is open. The forecast of a closed store is 0."
_PROMO = "True if the store runs a promotion."
_STATE_HOLIDAY = "Holiday: `0` none, `a` public holiday, `b` Easter, `c` Christmas. The 0 may be a number."
_SCHOOL_HOLIDAY = "True if schools are closed."
_WEATHER = "Weather of the day."
_COLUMNS = 'Values of the user\'s own columns of the training tables, by their names, such as `{"price": 1.99}`.'
MAX_COLUMNS = 100  # of the user's own
_Name = Annotated[str, Field(strict=True, max_length=MAX_STORE_ID)]
OwnValue = Annotated[
    bool | float | str,
    BeforeValidator(_own_value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "maxLength": MAX_STORE_ID}, {"type": "boolean"}]}),
]
OwnColumns = Annotated[dict[_Name, OwnValue], Field(max_length=MAX_COLUMNS)]


class DayFacts(BaseModel):
    """Facts that a client may state about a day. The model takes others from its tables or assumes them."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    open: Flag | None = Field(default=None, description=_OPEN)
    promo: Flag | None = Field(default=None, description=_PROMO)
    state_holiday: Holiday | None = Field(default=None, description=_STATE_HOLIDAY, examples=["0"])
    school_holiday: Flag | None = Field(default=None, description=_SCHOOL_HOLIDAY)
    weather: Weather | None = Field(default=None, description=_WEATHER)
    columns: OwnColumns | None = Field(default=None, description=_COLUMNS)


_WHAT_IF = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})
EMPTY_WHAT_IF = f"is empty; name one or more facts to change: {', '.join(DayFacts.model_fields)}"


def _not_empty(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    if not changes:
        raise ValueError(EMPTY_WHAT_IF)
    return changes


class WhatIf(TypedDict, total=False):
    """Changed facts of a day, one or more."""

    __pydantic_config__ = _WHAT_IF  # type: ignore[misc]

    open: Annotated[Flag, Field(description=_OPEN)]
    promo: Annotated[Flag, Field(description=_PROMO)]
    state_holiday: Annotated[Holiday, Field(description=_STATE_HOLIDAY)]
    school_holiday: Annotated[Flag, Field(description=_SCHOOL_HOLIDAY)]
    weather: Annotated[Weather, Field(description=_WEATHER)]
    columns: Annotated[OwnColumns, Field(description=_COLUMNS)]


class StoreDay(DayFacts):
    """One store and day."""

    store: Store
    date: Date


class Item(StoreDay):
    """One store and day, optionally with a what-if."""

    what_if: Annotated[WhatIf, AfterValidator(_not_empty)] | None = Field(
        default=None,
        description="Changed facts of the day. The answer then has the forecast without and with the change. The "
        "what_ifs of all items are applied together.",
    )

    def with_what_if(self) -> "Item":
        """Return the item with its ``what_if`` applied."""
        changes: dict[str, Any] = dict(self.what_if or {})
        if self.weather is not None and "weather" in changes:
            changes["weather"] = self.weather.model_copy(update={k: v for k, v in changes["weather"] if v is not None})
        if self.columns and "columns" in changes:
            changes["columns"] = {**self.columns, **changes["columns"]}
        return self.model_copy(update=changes | {"what_if": None})


class DayRequest(AnswerOptions, Item):
    """One store and day, optionally with a what-if."""


class ItemList(AnswerOptions):
    """Up to 1,000 items. Facts about one store form one plan: a fact of one day can change other days' forecasts."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS, description="Stores and days to forecast.")


class DateRange(BaseModel):
    """One store and several consecutive days."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    store: Store
    start: StartDate
    days: int = Field(strict=True, ge=1, le=MAX_DAYS, description="Number of days, including the first.")


_Of = TypeVar("_Of")
_ByDay = Annotated[
    list[_Of | None], Field(min_length=1, max_length=MAX_DAYS, description="One value for each day of the range.")
]


class WhatIfRange(TypedDict, total=False):
    """Changed facts for the days of a range, one or more. A null in a list leaves that day unchanged."""

    __pydantic_config__ = _WHAT_IF  # type: ignore[misc]

    open: Annotated[Flag | _ByDay[Flag], Field(description=_OPEN)]
    promo: Annotated[Flag | _ByDay[Flag], Field(description=_PROMO)]
    state_holiday: Annotated[Holiday | _ByDay[Holiday], Field(description=_STATE_HOLIDAY)]
    school_holiday: Annotated[Flag | _ByDay[Flag], Field(description=_SCHOOL_HOLIDAY)]
    weather: Annotated[Weather | _ByDay[Weather], Field(description=_WEATHER)]
    columns: Annotated[OwnColumns | _ByDay[OwnColumns], Field(description=_COLUMNS)]


class PlainRange(AnswerOptions, DateRange):
    """One store and several consecutive days. A fact holds for all days, or is a list with one value a day."""

    open: Flag | _ByDay[Flag] | None = Field(default=None, description=_OPEN)
    promo: Flag | _ByDay[Flag] | None = Field(default=None, description=_PROMO)
    state_holiday: Holiday | _ByDay[Holiday] | None = Field(default=None, description=_STATE_HOLIDAY)
    school_holiday: Flag | _ByDay[Flag] | None = Field(default=None, description=_SCHOOL_HOLIDAY)
    weather: Weather | _ByDay[Weather] | None = Field(default=None, description=_WEATHER)
    columns: OwnColumns | _ByDay[OwnColumns] | None = Field(default=None, description=_COLUMNS)


class Range(PlainRange):
    """One store and several consecutive days, optionally with a what-if."""

    what_if: Annotated[WhatIfRange, AfterValidator(_not_empty)] | None = Field(
        default=None,
        description="Changed facts of the days. The answer then has each forecast without and with the changes.",
    )


# Valid field names by parent field ("" for the top level).
ITEM_NAMES = {"": (*Item.model_fields,), "weather": (*Weather.model_fields,), "what_if": (*DayFacts.model_fields,)}
DAY_NAMES = ITEM_NAMES | {"": (*Item.model_fields, *OPTION_NAMES)}
RANGE_NAMES = ITEM_NAMES | {"": (*(name for name in Range.model_fields if name not in OPTION_NAMES), *OPTION_NAMES)}
