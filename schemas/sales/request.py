"""What a client may ask of ``/predictions/sales`` and ``/explanations/sales``: a store's day, several, or a range.

`schemas.sales` reads it, `schemas.sales.range` what is a range.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict  # the standard library's before Python 3.12 is not read by pydantic

MAX_ITEMS = 1000
MAX_DAYS = 366

StateHoliday = Literal["0", "a", "b", "c"]


def _iso_date(value: Any) -> Any:
    """Dates are ISO strings; pydantic alone would take numbers, also in quotes, for seconds since 1970."""
    if isinstance(value, str) and len(value) == 10 and value[4] == value[7] == "-":
        return value
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    raise ValueError("a date is a string like 2015-08-01")


def _holiday_code(value: Any) -> Any:
    """The number 0 means no holiday, as many of Kaggle's own rows have it."""
    return "0" if type(value) is int and value == 0 else value


Store = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1, description="the store's number")]
Date = Annotated[dt.date, BeforeValidator(_iso_date), Field(description="the day to forecast, YYYY-MM-DD")]
Holiday = Annotated[
    StateHoliday, BeforeValidator(_holiday_code), WithJsonSchema({"enum": [*get_args(StateHoliday), 0]})
]
Flag = Annotated[bool, Field(strict=True)]  # pydantic alone would take 1 and "yes" too


class Weather(BaseModel):
    """The day's weather as the client knows it, in the units of the weather table."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, strict=True)

    max_temperature: float | None = Field(default=None, ge=-100, le=100, description="highest temperature, degrees C")
    mean_temperature: float | None = Field(default=None, ge=-100, le=100, description="mean temperature, degrees C")
    min_temperature: float | None = Field(default=None, ge=-100, le=100, description="lowest temperature, degrees C")
    max_humidity: float | None = Field(default=None, ge=0, le=100, description="highest relative humidity, percent")
    mean_humidity: float | None = Field(default=None, ge=0, le=100, description="mean relative humidity, percent")
    min_humidity: float | None = Field(default=None, ge=0, le=100, description="lowest relative humidity, percent")
    max_wind_speed: float | None = Field(default=None, ge=0, le=500, description="highest wind speed, km/h")
    mean_wind_speed: float | None = Field(default=None, ge=0, le=500, description="mean wind speed, km/h")
    cloud_cover: float | None = Field(default=None, ge=0, le=9, description="cloud cover, eighths; 9 is hidden by fog")
    precipitation: float | None = Field(default=None, ge=0, le=1000, description="rain and snow, mm")
    events: str | None = Field(default=None, max_length=60, description="events, e.g. Rain or Fog-Rain")


class Known(BaseModel):
    """What a client may know of a day. What it leaves out is taken from the tables, or assumed and said so."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    open: Flag | None = Field(default=None, description="whether the store is open; a closed store sells 0")
    promo: Flag | None = Field(default=None, description="whether the store runs a promotion")
    state_holiday: Holiday | None = Field(
        default=None, description="0 none, a public holiday, b Easter, c Christmas; 0 may be a number", examples=["0"]
    )
    school_holiday: Flag | None = Field(default=None, description="whether schools are closed")
    weather: Weather | None = None


_CHANGES = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})
NO_CHANGE = f"names nothing to change; name one or more of {', '.join(Known.model_fields)}"


def _names_something(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    if not changes:
        raise ValueError(NO_CHANGE)
    return changes


class WhatIf(TypedDict, total=False):
    """What of a day would be otherwise: one or more of the fields that a client may state of it."""

    __pydantic_config__ = _CHANGES  # type: ignore[misc]

    open: Flag
    promo: Flag
    state_holiday: Holiday
    school_holiday: Flag
    weather: Weather


class StoreDay(Known):
    """One store and day."""

    store: Store
    date: Date


class Item(StoreDay):
    """One store and day, and what would be otherwise."""

    what_if: Annotated[WhatIf, AfterValidator(_names_something)] | None = Field(
        default=None,
        description="what would be otherwise; the answer then has the forecast as asked, and what it would be. What "
        "one request changes of a store's days is one plan",
    )

    def changed(self) -> "Item":
        """The item with its ``what_if`` come true."""
        changes: dict[str, Any] = dict(self.what_if or {})
        if self.weather is not None and "weather" in changes:
            changes["weather"] = self.weather.model_copy(update={k: v for k, v in changes["weather"] if v is not None})
        return self.model_copy(update=changes | {"what_if": None})


class Many(BaseModel):
    """Up to 1,000 items. What they state of a store's days is taken together, as that store's plan."""

    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1, max_length=MAX_ITEMS)


class Span(BaseModel):
    """One store and several days in a row."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    store: Store
    start: Date
    days: int = Field(strict=True, ge=1, le=MAX_DAYS, description="how many days, the first included")


_Of = TypeVar("_Of")
_ByDay = Annotated[
    list[_Of | None], Field(min_length=1, max_length=MAX_DAYS, description="as many values as there are days")
]


class WhatIfRange(TypedDict, total=False):
    """What of the days of a range would be otherwise, for all days or in lists; null in a list is as asked."""

    __pydantic_config__ = _CHANGES  # type: ignore[misc]

    open: Flag | _ByDay[Flag]
    promo: Flag | _ByDay[Flag]
    state_holiday: Holiday | _ByDay[Holiday]
    school_holiday: Flag | _ByDay[Flag]
    weather: Weather | _ByDay[Weather]


class PlainRange(Span):
    """One store and several days in a row. What is known holds for all days, or is a list with a value for each."""

    open: Flag | _ByDay[Flag] | None = None
    promo: Flag | _ByDay[Flag] | None = None
    state_holiday: Holiday | _ByDay[Holiday] | None = None
    school_holiday: Flag | _ByDay[Flag] | None = None
    weather: Weather | _ByDay[Weather] | None = None


class Range(PlainRange):
    """The same, and what would be otherwise."""

    what_if: Annotated[WhatIfRange, AfterValidator(_names_something)] | None = None


# The fields that there are, by the field that they are in, or "".
ITEM_NAMES = {"": (*Item.model_fields,), "weather": (*Weather.model_fields,), "what_if": (*Known.model_fields,)}
RANGE_NAMES = ITEM_NAMES | {"": (*Range.model_fields,)}
