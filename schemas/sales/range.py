"""A range of a store's days, read as the items that it stands for."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.problems import ProblemError, invalid, wrong_field
from schemas.sales.request import ITEM_NAMES, NO_CHANGE, RANGE_NAMES, Item, Known, Span

_BY_DAY = {*Known.model_fields, "what_if"}  # what is said of all days at once, or of each
_ITEMS = TypeAdapter(tuple[Item, ...])


def days_of(body: Mapping[str, Any]) -> tuple[Item, ...]:
    """The items that a range stands for, one for each day.

    Args:
        body: the request, as a JSON parser made it.

    Raises:
        ProblemError: if it is no range.
    """
    try:
        asked = Span.model_validate({name: body[name] for name in body if name not in _BY_DAY})
    except ValidationError as error:
        raise ProblemError(invalid(error, names=RANGE_NAMES)) from None
    if asked.start > dt.date.max - dt.timedelta(days=asked.days):
        raise wrong_field("start", value=asked.start, detail="too late for a calendar")
    first = asked.start.toordinal()
    days = [{"store": asked.store, "date": dt.date.fromordinal(first + day)} for day in range(asked.days)]
    for name in Known.model_fields:
        if body.get(name) is not None:
            for day, value in zip(days, _by_day(name, body[name], asked.days), strict=True):
                day[name] = value
    # Good already, but pydantic makes all at once in a quarter of the time that Item.model_construct takes.
    items = _ITEMS.validate_python(days)
    if body.get("what_if") is None:
        return items
    changes = _what_if_by_day(body["what_if"], asked.days)
    return tuple(item.model_copy(update={"what_if": each}) for item, each in zip(items, changes, strict=True))


def _what_if_by_day(changes: Any, days: int) -> Sequence[dict[str, Any]]:
    """What would be otherwise on each day of a range."""
    if not isinstance(changes, Mapping):
        raise wrong_field("what_if", value=changes, detail="must be a JSON object")
    if not changes:
        raise wrong_field("what_if", value=changes, detail=NO_CHANGE)
    by_day: list[dict[str, Any]] = [{} for _ in range(days)]
    for name, value in changes.items():
        if value is None:  # which would say that it is not known
            raise wrong_field("what_if", name, detail="must be a value, or a list with one for each day, not null")
        for day, each in enumerate(_by_day(name, value, days, within=("what_if",))):
            if each is not None:
                by_day[day][name] = each
    return by_day


def _by_day(name: str, value: Any, days: int, *, within: Sequence[str] = ()) -> Sequence[Any]:
    """What is known of each day of a range: one value for all days, or a list with one for each."""
    if not isinstance(value, list):
        return [_known(name, value, within)] * days
    if len(value) != days:
        detail = f"the list has {len(value):,} values and the range {days:,} days; send one for each day"
        raise wrong_field(*within, name, detail=detail)
    return [_known(name, each, within, day) for day, each in enumerate(value)]


def _known(name: str, value: Any, within: Sequence[str], *day: int) -> Any:
    """One value of what is known, checked; ``within`` is the object that it is in, ``day`` its place in a list."""
    try:
        return getattr(Known.model_validate({name: value}), name)
    except ValidationError as error:
        raise ProblemError(invalid(error, names=ITEM_NAMES, at=within, after=day)) from None
