"""Parse a request for ``/predictions/sales`` or ``/explanations/sales``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from schemas.json_text import parse_json
from schemas.problems import MAX_ERRORS, Problem, ProblemError, abbreviate, invalid_field, validation_problem
from schemas.sales.options import NO_OPTIONS, OPTION_NAMES, AnswerOptions, parse_options, split_options
from schemas.sales.range import expand_range
from schemas.sales.request import DAY_NAMES, ITEM_NAMES, MAX_ITEMS, Item

MAX_EXPLAINED = 50  # items; an explanation takes some milliseconds, a forecast a hundredth of that
MAX_ECHO = 60  # characters of a rejected item's store or date that its answer repeats


@dataclass(frozen=True)
class RejectedItem:
    """An invalid item of a list.

    Attributes:
        store: the store as it was sent.
        date: the date as it was sent.
        problem: the reason for the rejection.
    """

    store: Any
    date: Any
    problem: Problem


class ForecastRequest(NamedTuple):
    """A parsed request: its items in order, each valid or rejected.

    Attributes:
        items: items in request order; those that `parse_request` and `parse_items` return have at least one valid item.
        single: True if the answer is one forecast and not a list.
        is_range: True if the items are the days of a range.
        what_if: the same request with every ``what_if`` applied; None if it has none.
        explain: True if the answer explains the forecasts.
        options: objective of the forecasts, and their intervals or quantiles.
    """

    items: tuple[Item | RejectedItem, ...]
    single: bool
    is_range: bool = False
    what_if: "ForecastRequest | None" = None
    explain: bool = False
    options: AnswerOptions = NO_OPTIONS

    def path(self, place: int, field: Literal["store", "date", "columns"]) -> str:
        """Return the JSON pointer to an item's store, date or columns in the request."""
        if self.is_range:
            return f"/{field}" if field != "date" else "/days" if place else "/start"
        return f"/{field}" if self.single else f"/items/{place}/{field}"


def parse_request(body: bytes | bytearray | Mapping[str, Any] | Any, *, explain: bool = False) -> ForecastRequest:
    """Parse a request in any of its three forms: a store's day, a list of items, or a range.

    Args:
        body: JSON text, or the value that a JSON parser made of it.
        explain: True for an explanation, which has lower limits and no what-if.

    Raises:
        ProblemError: if the body is not JSON or has too many values, has none of the three forms, or has no valid item.
    """
    if isinstance(body, (bytes, bytearray)):
        body = parse_json(body)
    if not isinstance(body, Mapping):
        raise ProblemError(
            Problem.of(
                "malformed-request",
                f"the body is a JSON {_json_type(body)}; send an object with store and date, with items, "
                "or with store, start and days",
            )
        )
    options, body = split_options(body)
    if "items" in body:
        request = _some_valid(parse_each(_items(body), options))
    elif "start" in body or "days" in body:
        request = ForecastRequest(expand_range(body), single=False, is_range=True, options=options)
    else:
        try:
            item = Item.model_validate(body)
        except ValidationError as error:
            raise ProblemError(validation_problem(error, names=DAY_NAMES)) from None
        request = ForecastRequest((item,), single=True, options=options)
        if item.what_if is None and not explain:  # nearly every request
            return request
    request = _with_what_if(request)
    return _to_explain(request, MAX_EXPLAINED) if explain else request


def parse_items(
    items: Sequence[Any], *, explain: bool = False, options: Mapping[str, Any] = MappingProxyType({})
) -> ForecastRequest:
    """Parse a list of items without a limit on its length, for Python programs.

    Args:
        items: values such as a JSON parser makes of items.
        explain: True for an explanation, which has no what-if.
        options: objective of the forecasts, and their levels or quantiles.

    Raises:
        ProblemError: if no item is valid, an option is invalid, or ``explain`` is True and an item has a what-if.
    """
    request = _with_what_if(_some_valid(parse_each(items, parse_options(options) if options else NO_OPTIONS)))
    return _to_explain(request) if explain else request


def _with_what_if(request: ForecastRequest) -> ForecastRequest:
    """Return the request; if an item has a what-if, with the changed request as its ``what_if``."""
    if not any(isinstance(item, Item) and item.what_if is not None for item in request.items):
        return request
    changed = tuple(item.with_what_if() if isinstance(item, Item) else item for item in request.items)
    return request._replace(what_if=request._replace(items=changed))


def _to_explain(request: ForecastRequest, max_items: int | None = None) -> ForecastRequest:
    """Return the request as one for explanations.

    Raises:
        ProblemError: if the request has a what-if or too many items.
    """
    if request.what_if is not None:
        place = next(n for n, item in enumerate(request.items) if isinstance(item, Item) and item.what_if is not None)
        within = () if request.single or request.is_range else ("items", place)
        detail = "not allowed in an explanation; send it to /predictions/sales, or state the changed facts themselves"
        raise invalid_field(*within, "what_if", detail=detail)
    if max_items is not None and len(request.items) > max_items:
        field = "days" if request.is_range else "items"
        detail = f"at most {max_items} can be explained in one request"
        raise invalid_field(field, value=len(request.items), detail=detail)
    return request._replace(explain=True)


def _items(body: Mapping[str, Any]) -> list[Any]:
    """Return the items of a body whose only field is ``items``."""
    other_names = [name for name in body if name != "items"]
    items = body["items"]
    if other_names:
        detail = f"not allowed beside items; put it into each item. Beside items are only {', '.join(OPTION_NAMES)}"
        raise invalid_field(other_names[0], value=body[other_names[0]], detail=detail)
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        count = f"has {len(items):,}" if isinstance(items, list) else f"is a JSON {_json_type(items)}"
        raise invalid_field("items", detail=f"items {count}; send a list of 1 to {MAX_ITEMS:,} items")
    return items


def parse_each(items: Sequence[Any], options: AnswerOptions = NO_OPTIONS) -> ForecastRequest:
    """Parse each item on its own, so that an invalid item does not affect the others; all may be invalid."""
    parsed: list[Item | RejectedItem] = []
    for place, item in enumerate(items):
        try:
            parsed.append(Item.model_validate(item))
        except ValidationError as error:
            fields = item if isinstance(item, Mapping) else {}
            store, date = _echo(fields.get("store")), _echo(fields.get("date"))
            problem = validation_problem(error, names=ITEM_NAMES, at=("items", place))
            parsed.append(RejectedItem(store, date, problem))
    return ForecastRequest(tuple(parsed), single=False, options=options)


def _some_valid(request: ForecastRequest) -> ForecastRequest:
    """Return a request; raise `ProblemError` if none of its items is valid."""
    problems = [item.problem for item in request.items if isinstance(item, RejectedItem)]
    if len(problems) == len(request.items):
        raise ProblemError(combine_problems(problems))
    return request


def combine_problems(problems: Sequence[Problem]) -> Problem:
    """Return one problem for a request without any valid item; it has the items' kind of problem if they agree."""
    if len(problems) == 1:
        return problems[0]
    first = problems[0]
    errors = list({error.path: error for problem in problems for error in problem.errors}.values())[:MAX_ERRORS]
    detail = f"none of the {len(problems):,} items can be forecast; the first: {first.detail}"
    if any(problem.type != first.type for problem in problems):
        return Problem.of("invalid-request", detail, errors)
    return first.model_copy(update={"detail": detail, "errors": errors})


def _echo(value: Any) -> Any:
    """Return a value as an answer repeats it: unchanged if it is short, else abbreviated."""
    plain = value is None or isinstance(value, bool | float | str) or (type(value) is int and abs(value) < 2**63)
    return value if plain and (not isinstance(value, str) or len(value) <= MAX_ECHO) else abbreviate(value)


def _json_type(value: Any) -> str:
    """Return JSON's name for a value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null" if value is None else "value")
