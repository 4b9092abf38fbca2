"""Expand a range of a store's days into items, one for each day."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.problems import ProblemError, invalid_field, validation_problem
from schemas.sales.request import EMPTY_WHAT_IF, ITEM_NAMES, RANGE_NAMES, DateRange, DayFacts, Item

_FACT_NAMES = {*DayFacts.model_fields, "what_if"}  # fields with one value for all days, or a list with one a day
_ITEMS = TypeAdapter(tuple[Item, ...])


def expand_range(body: Mapping[str, Any]) -> tuple[Item, ...]:
    """Return the items of a range, one for each day.

    Args:
        body: the request's JSON, parsed.

    Raises:
        ProblemError: if the request is not a valid range.
    """
    try:
        date_range = DateRange.model_validate({name: body[name] for name in body if name not in _FACT_NAMES})
    except ValidationError as error:
        raise ProblemError(validation_problem(error, names=RANGE_NAMES)) from None
    n_days = date_range.days
    if date_range.start > dt.date.max - dt.timedelta(days=n_days):
        raise invalid_field("start", value=date_range.start, detail="too late: the calendar ends with the year 9999")
    first = date_range.start.toordinal()
    days = [{"store": date_range.store, "date": dt.date.fromordinal(first + day)} for day in range(n_days)]
    for name in DayFacts.model_fields:
        if body.get(name) is not None:
            for day, value in zip(days, _values_by_day(name, body[name], n_days), strict=True):
                day[name] = value
    # All values are valid already, but pydantic builds them all at once in a quarter of Item.model_construct's time.
    items = _ITEMS.validate_python(days)
    if body.get("what_if") is None:
        return items
    what_ifs = _what_if_by_day(body["what_if"], n_days)
    return tuple(item.model_copy(update={"what_if": what_if}) for item, what_if in zip(items, what_ifs, strict=True))


def _what_if_by_day(changes: Any, n_days: int) -> Sequence[dict[str, Any]]:
    """Return the changed facts of each day of a range."""
    if not isinstance(changes, Mapping):
        raise invalid_field("what_if", value=changes, detail="must be a JSON object")
    if not changes:
        raise invalid_field("what_if", value=changes, detail=EMPTY_WHAT_IF)
    by_day: list[dict[str, Any]] = [{} for _ in range(n_days)]
    for name, value in changes.items():
        if value is None:  # in a what-if, null would mean "unknown", which changes nothing
            raise invalid_field("what_if", name, detail="must be a value, or a list with one for each day, not null")
        for day, day_value in enumerate(_values_by_day(name, value, n_days, within=("what_if",))):
            if day_value is not None:
                by_day[day][name] = day_value
    return by_day


def _values_by_day(name: str, value: Any, n_days: int, *, within: Sequence[str] = ()) -> Sequence[Any]:
    """Return the values of a fact, one for each day of the range. A single value holds for all days."""
    if not isinstance(value, list):
        return [_checked(name, value, within)] * n_days
    if len(value) != n_days:
        detail = f"the list has {len(value):,} values and the range {n_days:,} days; send one for each day"
        raise invalid_field(*within, name, detail=detail)
    return [_checked(name, day_value, within, day) for day, day_value in enumerate(value)]


def _checked(name: str, value: Any, within: Sequence[str], *day: int) -> Any:
    """Validate one value of a fact.

    Args:
        name: name of the fact.
        value: the value sent.
        within: path of the object that contains the fact.
        day: index of the value, if it was sent in a list.
    """
    try:
        return getattr(DayFacts.model_validate({name: value}), name)
    except ValidationError as error:
        raise ProblemError(validation_problem(error, names=ITEM_NAMES, at=within, after=day)) from None
