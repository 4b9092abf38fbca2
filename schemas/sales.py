"""The sales contract: what a client asks of ``/predictions/sales`` and ``/explanations/sales``, and what it gets.

What it gets of the latter is in `schemas.explanations`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import from_json
from typing_extensions import TypedDict  # the standard library's before Python 3.12 is not read by pydantic

from schemas.problems import MAX_ERRORS, FieldError, Problem, ProblemError, invalid, shown

MAX_ITEMS = 1000
MAX_DAYS = 366
MAX_EXPLAINED = 50  # items; an explanation takes some milliseconds, a forecast a hundredth of that
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


_CHANGES = ConfigDict(extra="forbid", json_schema_extra={"minProperties": 1})
_NO_CHANGE = f"names nothing to change; name one or more of {', '.join(Known.model_fields)}"


def _names_something(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    if not changes:
        raise ValueError(_NO_CHANGE)
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


NAMES = {"": (*Item.model_fields,), "weather": (*Weather.model_fields,), "what_if": (*Known.model_fields,)}
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
class Change:
    """A forecast if things were otherwise, beside the forecast as asked."""

    sales: Annotated[float, Field(ge=0, description="what it would be")]
    difference: Annotated[float, Field(description="that less the forecast as asked")]
    ratio: Annotated[float | None, Field(ge=0, description="that over the forecast as asked; null if that is 0")]
    assumed: Annotated[list[str], Field(description="what neither client nor tables state, so that it was assumed")]
    warnings: list[ForecastWarning]


@dataclass
class ItemComparison(ItemForecast):
    """One item's forecast, and what it would be with every ``what_if`` of the request, also of other items."""

    what_if: Change


@dataclass
class About:
    """What every answer says of the model."""

    model: Annotated[str, Field(description="the model's name")]
    version: Annotated[str, Field(description="the model's version")]
    cutoff: Annotated[dt.date, Field(description="the last day whose sales the model knows")]

    def to_json(self) -> bytes:
        """The body that the client gets."""
        kind: Any = type(self)
        return writer(kind).dump_json(self)


@cache
def writer(kind: Any) -> TypeAdapter[Any]:
    """What writes and reads the JSON of a kind of answer."""
    return TypeAdapter(kind)


@dataclass
class Forecast(About, ItemForecast):
    """The answer to one store and day."""


@dataclass
class _Items:
    items: list[ItemForecast | ItemProblem]


@dataclass
class Forecasts(_Items, About):
    """The answer to items or a range: in the order asked, a forecast or a problem each."""


@dataclass
class Comparison(About, ItemComparison):
    """The answer to one store and day with a ``what_if``."""


@dataclass
class _ComparedItems:
    items: list[ItemComparison | ItemProblem]


@dataclass
class Comparisons(_ComparedItems, About):
    """The answer to items or a range with a ``what_if``: in the order asked, a comparison or a problem each."""


@dataclass(frozen=True)
class Bad:
    """An item that can't be asked: where it stands, what it named, and what is wrong with it."""

    store: Any
    date: Any
    problem: Problem


class ForecastRequest(NamedTuple):
    """A request that was read: its items in order, the bad ones with their problems.

    Attributes:
        items: at least one of them is good.
        single: whether the answer is one forecast rather than a list.
        span: whether the items are the days of a range.
        what_if: the same request with every ``what_if`` come true, if it has any.
        explain: whether the forecasts are to be explained.
    """

    items: tuple[Item | Bad, ...]
    single: bool
    span: bool = False
    what_if: "ForecastRequest | None" = None
    explain: bool = False

    def path(self, place: int, field: Literal["store", "date"]) -> str:
        """The JSON pointer to where the request states an item's store or date."""
        if self.span:
            return "/store" if field == "store" else "/days" if place else "/start"
        return f"/{field}" if self.single else f"/items/{place}/{field}"


def parse_request(body: bytes | bytearray | Mapping[str, Any] | Any, *, explain: bool = False) -> ForecastRequest:
    """Read a request in any of its three forms.

    Args:
        body: JSON, or what a JSON parser made of it.
        explain: whether it asks for explanations, which has limits of its own.

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
        request = _many(body)
    elif "start" in body or "days" in body:
        request = _range(body)
    else:
        try:
            item = Item.model_validate(body)
        except ValidationError as error:
            raise ProblemError(invalid(error, names=NAMES)) from None
        request = ForecastRequest((item,), single=True)
        if item.what_if is None and not explain:  # nearly every request
            return request
    if any(isinstance(item, Item) and item.what_if is not None for item in request.items):
        changed = tuple(item.changed() if isinstance(item, Item) else item for item in request.items)
        request = request._replace(what_if=request._replace(items=changed))
    return _to_explain(request) if explain else request


def _to_explain(request: ForecastRequest) -> ForecastRequest:
    """The same request for explanations, if it may ask for them."""
    if request.what_if is not None:
        place = next(n for n, item in enumerate(request.items) if isinstance(item, Item) and item.what_if)
        field = f"items/{place}/what_if" if not (request.single or request.span) else "what_if"
        raise _wrong(field, None, "compared at /predictions/sales; to explain the changed day, state it instead")
    if len(request.items) > MAX_EXPLAINED:
        field = "days" if request.span else "items"
        raise _wrong(field, len(request.items), f"at most {MAX_EXPLAINED} can be explained at once; ask for fewer")
    return request._replace(explain=True)


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
        asked = Span.model_validate({name: body[name] for name in body if name not in {*Known.model_fields, "what_if"}})
    except ValidationError as error:
        raise ProblemError(invalid(error, names=_RANGES_NAMES)) from None
    if asked.start > dt.date.max - dt.timedelta(days=asked.days):
        raise _wrong("start", asked.start, "too late for a calendar")
    known = {name: _by_day(name, body.get(name), asked.days) for name in Known.model_fields}
    what_if = _what_if_by_day(body.get("what_if"), asked.days)
    items = tuple(
        Item.model_construct(
            store=asked.store,
            date=asked.start + dt.timedelta(days=day),
            what_if=what_if[day],
            **{name: known[name][day] for name in known},
        )
        for day in range(asked.days)
    )
    return ForecastRequest(items, single=False, span=True)


def _what_if_by_day(changes: Any, days: int) -> Sequence[dict[str, Any] | None]:
    """What would be otherwise on each day of a range."""
    if changes is None:
        return [None] * days
    if not isinstance(changes, Mapping):
        raise _wrong("what_if", changes, "must be a JSON object")
    if not changes:
        raise _wrong("what_if", changes, _NO_CHANGE)
    by_day: list[dict[str, Any]] = [{} for _ in range(days)]
    for name, value in changes.items():
        if value is None:  # which would say that it is not known
            raise _wrong(f"what_if/{name}", "null", "must be a value, or a list with one for each day")
        for day, each in enumerate(_by_day(name, value, days, within=("what_if",))):
            if each is not None:
                by_day[day][name] = each
    return by_day


def _by_day(name: str, value: Any, days: int, *, within: Sequence[str] = ()) -> Sequence[Any]:
    """What is known of each day of a range: one value for all days, or a list with one for each."""
    if not isinstance(value, list):
        return [_known(name, value, within)] * days
    if len(value) != days:
        field = "/".join([*within, name])
        raise _wrong(
            field, None, f"the list has {len(value):,} values and the range {days:,} days; send one for each day"
        )
    return [_known(name, each, within, day) for day, each in enumerate(value)]


def _known(name: str, value: Any, within: Sequence[str], *day: int) -> Any:
    """One value of what is known, checked; ``within`` is the object that it is in, ``day`` its place in a list."""
    try:
        return getattr(Known.model_validate({name: value}), name)
    except ValidationError as error:
        raise ProblemError(invalid(error, names=NAMES, at=within, after=day)) from None


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
