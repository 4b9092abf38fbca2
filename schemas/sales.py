"""The sales contract: what a client asks of ``/predictions/sales`` and what it gets."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import from_json

from schemas.problems import MAX_ERRORS, FieldError, Problem, ProblemError, invalid, shown

MAX_ITEMS = 1000
MAX_DAYS = 366
MAX_ECHO = 60  # characters

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


class Item(Known):
    """One store and day."""

    store: Store
    date: Date


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


class Range(Span):
    """One store and several days in a row. What is known holds for all days, or is a list with a value for each."""

    open: Flag | _ByDay[Flag] | None = None
    promo: Flag | _ByDay[Flag] | None = None
    state_holiday: Holiday | _ByDay[Holiday] | None = None
    school_holiday: Flag | _ByDay[Flag] | None = None
    weather: Weather | _ByDay[Weather] | None = None


NAMES = {"": (*Item.model_fields,), "weather": (*Weather.model_fields,)}
_RANGES_NAMES = NAMES | {"": (*Range.model_fields,)}


# Answers are made by the thousand each second and are ours: they are dataclasses, which nobody validates.


@dataclass
class ForecastWarning:
    """What a client should know about a forecast before it relies on it."""

    code: Literal["filled", "unseen", "out_of_range", "unused", "beyond_horizon", "training_period"]
    field: Annotated[str, Field(description="the model's column or the request's field concerned")]
    detail: str


@dataclass
class ItemForecast:
    """One item's forecast among many."""

    store: int
    date: dt.date
    sales: Annotated[float, Field(ge=0, description="forecast of the day, in the currency of the training tables")]
    assumed: Annotated[list[str], Field(description="what neither client nor tables state, so that it was assumed")]
    warnings: list[ForecastWarning]


@dataclass
class ItemProblem:
    """One item's error among many; the others have their forecasts."""

    store: Annotated[Any, Field(description="the store as it was sent")]
    date: Annotated[Any, Field(description="the date as it was sent")]
    problem: Problem


@dataclass
class _Model:
    model: Annotated[str, Field(description="the model's name")]
    version: Annotated[str, Field(description="the model's version")]
    cutoff: Annotated[dt.date, Field(description="the last day whose sales the model knows")]

    def to_json(self) -> bytes:
        """The body that the client gets."""
        return WRITERS[type(self)].dump_json(self)


@dataclass
class Forecast(_Model, ItemForecast):
    """The answer to one store and day."""


@dataclass
class _Items:
    items: list[ItemForecast | ItemProblem]


@dataclass
class Forecasts(_Items, _Model):
    """The answer to items or a range: in the order asked, a forecast or a problem each."""


WRITERS: dict[type[_Model], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in (Forecast, Forecasts)}


@dataclass(frozen=True)
class Bad:
    """An item that can't be asked: where it stands, what it named, and what is wrong with it."""

    store: Any
    date: Any
    problem: Problem


@dataclass(frozen=True)
class ForecastRequest:
    """A request that was read: its items in order, the bad ones with their problems.

    Attributes:
        items: at least one of them is good.
        single: whether the answer is one forecast rather than a list.
        span: whether the items are the days of a range.
    """

    items: tuple[Item | Bad, ...]
    single: bool
    span: bool = False

    def path(self, place: int, field: Literal["store", "date"]) -> str:
        """The JSON pointer to where the request states an item's store or date."""
        if self.span:
            return "/store" if field == "store" else "/days" if place else "/start"
        return f"/{field}" if self.single else f"/items/{place}/{field}"


def parse_request(body: bytes | bytearray | Mapping[str, Any] | Any) -> ForecastRequest:
    """Read a request in any of its three forms.

    Args:
        body: JSON, or what a JSON parser made of it.

    Raises:
        ProblemError: if it is not JSON or not of such a form, or if none of its items can be asked.
    """
    if isinstance(body, (bytes, bytearray)):
        try:
            body = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise ProblemError(Problem.of("malformed-request", f"the body is not JSON: {error}")) from None
    if not isinstance(body, Mapping):
        raise ProblemError(
            Problem.of(
                "malformed-request",
                f"the body is a JSON {_json_type(body)}; send an object with store and date, with items, "
                "or with store, start and days",
            )
        )
    if "items" in body:
        return _many(body)
    if "start" in body or "days" in body:
        return _range(body)
    try:
        return ForecastRequest((Item.model_validate(body),), single=True)
    except ValidationError as error:
        raise ProblemError(invalid(error, names=NAMES)) from None


def _many(body: Mapping[str, Any]) -> ForecastRequest:
    """The items, each checked on its own, so that a bad one harms no other."""
    others = [name for name in body if name != "items"]
    items = body["items"]
    if others:
        raise _wrong(others[0], body[others[0]], "not allowed beside items; say it in each item")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        count = f"has {len(items):,}" if isinstance(items, list) else f"is a JSON {_json_type(items)}"
        raise _wrong("items", None, f"items {count}; send a list of 1 to {MAX_ITEMS:,} items")
    parsed: list[Item | Bad] = []
    for place, item in enumerate(items):
        try:
            parsed.append(Item.model_validate(item))
        except ValidationError as error:
            named = item if isinstance(item, Mapping) else {}
            store, date = _echoed(named.get("store")), _echoed(named.get("date"))
            parsed.append(Bad(store, date, invalid(error, names=NAMES, at=("items", place))))
    bad = [item.problem for item in parsed if isinstance(item, Bad)]
    if len(bad) == len(parsed):
        raise ProblemError(all_bad(bad))
    return ForecastRequest(tuple(parsed), single=False)


def all_bad(problems: Sequence[Problem]) -> Problem:
    """One problem for a request in which nothing is good: the items' own kind if they agree."""
    if len(problems) == 1:
        return problems[0]
    first = problems[0]
    errors = list({error.path: error for problem in problems for error in problem.errors}.values())[:MAX_ERRORS]
    detail = f"none of the {len(problems):,} items can be forecast; the first: {first.detail}"
    if any(problem.type != first.type for problem in problems):
        return Problem.of("invalid-request", detail, errors)
    return first.model_copy(update={"detail": detail, "errors": errors})


def _range(body: Mapping[str, Any]) -> ForecastRequest:
    """A range as the items that it stands for."""
    try:
        asked = Span.model_validate({name: body[name] for name in body if name not in Known.model_fields})
    except ValidationError as error:
        raise ProblemError(invalid(error, names=_RANGES_NAMES)) from None
    if asked.start > dt.date.max - dt.timedelta(days=asked.days):
        raise _wrong("start", asked.start, "too late for a calendar")
    known = {name: _by_day(name, body.get(name), asked.days) for name in Known.model_fields}
    items = tuple(
        Item.model_construct(
            store=asked.store, date=asked.start + dt.timedelta(days=day), **{name: known[name][day] for name in known}
        )
        for day in range(asked.days)
    )
    return ForecastRequest(items, single=False, span=True)


def _by_day(name: str, value: Any, days: int) -> Sequence[Any]:
    """What is known of each day of a range: one value for all days, or a list with one for each."""
    if not isinstance(value, list):
        return [_known(name, value)] * days
    if len(value) != days:
        raise _wrong(
            name, None, f"the list has {len(value):,} values and the range {days:,} days; send one for each day"
        )
    return [_known(name, each, day) for day, each in enumerate(value)]


def _known(name: str, value: Any, *day: int) -> Any:
    """One value of what is known, checked; ``day`` is its place in a list."""
    try:
        return getattr(Known.model_validate({name: value}), name)
    except ValidationError as error:
        raise ProblemError(invalid(error, names=NAMES, after=day)) from None


def _echoed(value: Any) -> Any:
    """A value that an answer repeats, itself if it is short."""
    plain = value is None or isinstance(value, bool | float | str) or (type(value) is int and abs(value) < 2**63)
    return value if plain and (not isinstance(value, str) or len(value) <= MAX_ECHO) else shown(value)


def _wrong(field: str, value: Any, detail: str) -> ProblemError:
    """An invalid request for one field's sake."""
    sent = None if value is None else shown(value)
    error = FieldError(path=f"/{field}", value=sent, detail=detail)
    return ProblemError(
        Problem.of("invalid-request", f"/{field}: {detail}" + (f" (sent: {sent})" if sent else ""), [error])
    )


def _json_type(value: Any) -> str:
    """What JSON calls a value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null" if value is None else "value")
