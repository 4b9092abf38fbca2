"""Parse a request for ``/predictions/sales`` or ``/explanations/sales``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.problems import MAX_ERRORS, Problem, ProblemError, invalid, shown, wrong_field
from schemas.sales.range import days_of
from schemas.sales.request import ITEM_NAMES, MAX_ITEMS, Item

MAX_EXPLAINED = 50  # items; an explanation takes some milliseconds, a forecast a hundredth of that
MAX_ECHO = 60  # characters


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
        request = ForecastRequest(days_of(body), single=False, span=True)
    else:
        try:
            item = Item.model_validate(body)
        except ValidationError as error:
            raise ProblemError(invalid(error, names=ITEM_NAMES)) from None
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
        place = next(n for n, item in enumerate(request.items) if isinstance(item, Item) and item.what_if is not None)
        within = () if request.single or request.span else ("items", place)
        detail = "compared at /predictions/sales; to explain the changed day, state it instead"
        raise wrong_field(*within, "what_if", detail=detail)
    if len(request.items) > MAX_EXPLAINED:
        field = "days" if request.span else "items"
        detail = f"at most {MAX_EXPLAINED} can be explained at once; ask for fewer"
        raise wrong_field(field, value=len(request.items), detail=detail)
    return request._replace(explain=True)


def _many(body: Mapping[str, Any]) -> ForecastRequest:
    """The items, each checked on its own, so that a bad one harms no other."""
    others = [name for name in body if name != "items"]
    items = body["items"]
    if others:
        raise wrong_field(others[0], value=body[others[0]], detail="not allowed beside items; say it in each item")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        count = f"has {len(items):,}" if isinstance(items, list) else f"is a JSON {_json_type(items)}"
        raise wrong_field("items", detail=f"items {count}; send a list of 1 to {MAX_ITEMS:,} items")
    parsed: list[Item | Bad] = []
    for place, item in enumerate(items):
        try:
            parsed.append(Item.model_validate(item))
        except ValidationError as error:
            named = item if isinstance(item, Mapping) else {}
            store, date = _echoed(named.get("store")), _echoed(named.get("date"))
            parsed.append(Bad(store, date, invalid(error, names=ITEM_NAMES, at=("items", place))))
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


def _echoed(value: Any) -> Any:
    """A value that an answer repeats, itself if it is short."""
    plain = value is None or isinstance(value, bool | float | str) or (type(value) is int and abs(value) < 2**63)
    return value if plain and (not isinstance(value, str) or len(value) <= MAX_ECHO) else shown(value)


def _json_type(value: Any) -> str:
    """What JSON calls a value's type."""
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    return names.get(type(value), "null" if value is None else "value")
