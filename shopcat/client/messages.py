"""Requests to the service, and its answers.

Each question is a generator: it yields requests, is sent the bodies of their answers, and returns the typed result. So
a synchronous and an asynchronous client can share it.
"""

from __future__ import annotations

import dataclasses
import io
import os
import re
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError
from pydantic_core import to_json

from schemas.pets.answer import Prediction
from schemas.problems import Problem
from schemas.sales.answer import (
    Comparison,
    Comparisons,
    Forecast,
    Forecasts,
    ItemComparison,
    ItemForecast,
    ItemProblem,
    WhatIfResult,
    json_adapter,
)
from schemas.sales.explanation import Explanation, Explanations
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.request import MAX_ITEMS
from shopcat import frames
from shopcat.errors import RequestError, ServiceError
from shopcat.frames import Result
from shopcat.questions import Days, Item, form_of
from shopcat.values import plain

Answer = TypeVar("Answer")
Exchange = Generator["Request", "Body", Answer]

_ITEM_PROBLEMS = ("unknown-store", "outside-calendar", "beyond-horizon")  # those that one item has, and not the options
_PHOTO_PROBLEMS = (
    "malformed-request",
    "not-an-image",
    "damaged-image",
    "image-too-large",
    "too-large",
    "fatal-request",
)
_MAX_PNG = 8_000_000  # bytes; the service accepts photos of 10 MB


class Request(NamedTuple):
    """A request to the service; all are POST."""

    path: str
    content: bytes
    content_type: str


class Body(NamedTuple):
    """Body of a good answer, and the id of its request."""

    content: bytes
    request_id: str


class Picture(Protocol):
    """Attributes of `PIL.Image.Image` that a client uses."""

    @property
    def mode(self) -> str:
        """Return the kind of pixels."""
        ...

    def save(self, fp: Any, format: str | None = None, **params: Any) -> None:
        """Write the picture in a format."""
        ...

    def convert(self, mode: str) -> Any:
        """Return the picture with pixels of another kind."""
        ...


Photo = str | os.PathLike[str] | bytes | Picture


def ask_sales(
    model: str,
    items: Any,
    question: Item,
    options: Item,
    *,
    shared: Item | None = None,
    explain: bool = False,
) -> Exchange[Any]:
    """Ask a sales model in any form: a day, a range, a list of items or a frame.

    Args:
        model: name of the model.
        items: list of mappings, a frame, or None.
        question: keyword arguments that name the day or the days, if there are no items.
        options: objective, and levels or quantiles.
        shared: fields of every item.
        explain: ask for explanations.
    """
    shared = shared or {}
    form = form_of(items, question)
    path = f"/{'explanations' if explain else 'predictions'}/{quote(model, safe='')}"
    if form == "question":
        answer_type = _answer_type(single="date" in question, what_if="what_if" in shared, explain=explain)
        answer = _read(answer_type, (yield _json(path, {**question, **shared, **options})))
        return answer if "date" in question else Days(answer.items, getattr(answer, "total", None))
    rows = frames.items_of(items) if form == "frame" else list(items)
    rows = [{**row, **shared} if isinstance(row, Mapping) else row for row in rows]
    what_if = "what_if" in shared or any(isinstance(row, Mapping) and row.get("what_if") is not None for row in rows)
    results = yield from _ask_items(path, rows, options, _answer_type(single=False, what_if=what_if, explain=explain))
    if what_if:
        results = [_compared(result) for result in results]
    if form == "items":
        return results
    return frames.to_frame(items, results, what_if=what_if, explain=explain)


def _answer_type(*, single: bool, what_if: bool, explain: bool) -> Any:
    """Return the type of an answer."""
    if explain:
        return Explanation if single else Explanations
    if what_if:
        return Comparison if single else Comparisons | Forecasts  # a batch may have no item with a what-if
    return Forecast if single else Forecasts


def _ask_items(path: str, rows: Sequence[Any], options: Item, answer_type: Any) -> Exchange[list[Any]]:
    """Return the answer or the problem of each item, in order, from as few requests as the limits allow.

    The service answers a request without a valid item with one problem. If another request had a valid item, the client
    sends both together, so that every invalid item gets its problem.
    """
    results: dict[int, Any] = {}
    pending: deque[Sequence[int]] = deque(batches(rows, MAX_EXPLAINED if answer_type is Explanations else MAX_ITEMS))
    rejected: list[Sequence[int]] = []
    first_error: RequestError | None = None
    valid: int | None = None

    def ask(places: Sequence[int]) -> Exchange[list[Any]]:
        try:
            body = yield _json(path, {"items": [rows[place] for place in places], **options})
        except RequestError as error:
            raise RequestError(_renumbered(error.problem, places), error.request_id) from None
        answers = _read(answer_type, body).items
        return [
            dataclasses.replace(answer, problem=_renumbered(answer.problem, places))
            if isinstance(answer, ItemProblem)
            else answer
            for answer in answers
        ]

    while pending:
        places = pending.popleft()
        try:
            answers = yield from ask(places)
        except RequestError as error:
            if error.kind == "too-large" and len(places) > 1:
                pending.extendleft(_halves(rows, places))
            elif not _is_of_items(error):
                raise
            else:
                rejected.append(places)
                first_error = first_error or error
            continue
        results.update(zip(places, answers, strict=True))
        valid = next((at for at in places if not isinstance(results[at], ItemProblem)), valid)
    if first_error is not None and valid is None:
        raise first_error
    for places in rejected:
        answers = yield from ask([*places, valid])  # type: ignore[list-item]
        results.update(zip(places, answers[:-1], strict=True))
    return [results[place] for place in range(len(rows))]


def batches(rows: Sequence[Any], limit: int) -> list[list[int]]:
    """Return the places of the items of each request.

    The items of a store stay together, because facts about one store form one plan. A store with more items than a
    request may have is divided by date.

    >>> rows = [{"store": 1}, {"store": 2}, {"store": 1}, {"store": 3}]
    >>> batches(rows, 4), batches(rows, 3)
    ([[0, 1, 2, 3]], [[0, 2], [1, 3]])
    """
    if len(rows) <= limit:
        return [[*range(len(rows))]] if rows else []
    # One place stays free for the valid item that goes with a rejected batch.
    return _divided(_by_store(rows, range(len(rows))), limit - 1)


def _halves(rows: Sequence[Any], places: Sequence[int]) -> list[list[int]]:
    """Return the places of a request in at least two parts, with the items of a store together if there are several."""
    stores = _by_store(rows, places)
    size = len(places) // 2
    return _divided(stores, size if len(stores) == 1 else max(size, *map(len, stores)))


def _by_store(rows: Sequence[Any], places: Sequence[int]) -> list[list[int]]:
    """Group places by store; the places of a store are in the order of the dates."""
    stores: dict[str, list[int]] = {}
    for place in sorted(places, key=lambda place: str(_field(rows[place], "date"))):
        stores.setdefault(repr(_field(rows[place], "store")), []).append(place)
    return [*stores.values()]


def _field(row: Any, name: str) -> Any:
    """Return a field of an item, or None if the item is no mapping, which the service then says."""
    return row.get(name) if isinstance(row, Mapping) else None


def _divided(stores: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Return parts of at most ``size`` places. Only a store with more is divided."""
    parts: list[list[int]] = [[]]
    for places in stores:
        for start in range(0, len(places), size):
            piece = places[start : start + size]
            if len(parts[-1]) + len(piece) > size:
                parts.append([])
            parts[-1] += piece
    return [part for part in parts if part]


def _is_of_items(error: RequestError) -> bool:
    """Return whether a problem is about items, and not about the options or the whole request."""
    return error.kind in _ITEM_PROBLEMS or (
        bool(error.errors) and all(field.path.startswith("/items/") for field in error.errors)
    )


def _renumbered(problem: Problem, places: Sequence[int]) -> Problem:
    """Return a problem whose paths count the caller's items, and not those of one request."""

    def renumber(text: str) -> str:
        return re.sub(r"^/items/(\d+)", lambda found: f"/items/{places[int(found[1])]}", text)

    errors = [field.model_copy(update={"path": renumber(field.path)}) for field in problem.errors]
    return problem.model_copy(update={"errors": errors, "detail": renumber(problem.detail)})


def _compared(result: Result) -> Result:
    """Return a forecast of a request without a what-if as a comparison with itself; others as they are."""
    if isinstance(result, ItemComparison | ItemProblem):
        return result
    fields = {field.name: getattr(result, field.name) for field in dataclasses.fields(ItemForecast)}
    common = {name: fields[name] for name in ("sales", "intervals", "quantiles", "assumed", "warnings")}
    same = WhatIfResult(**common, difference=0.0, ratio=1.0 if result.sales else None)
    return ItemComparison(**fields, what_if=same)


def ask_photo(model: str, photo: Photo, options: Mapping[str, object]) -> Exchange[Prediction]:
    """Ask a pets model for the breed of one photo.

    Args:
        model: name of the model.
        photo: path or bytes of a file, or a Pillow image.
        options: options of the request, without those left out.
    """
    query = urlencode({name: str(value) for name, value in options.items()})
    path = f"/predictions/{quote(model, safe='')}?{query}"
    # The content type leaves the image format to the service.
    answer: Prediction = _read(Prediction, (yield Request(path, _content(photo), "application/octet-stream")))
    return answer


def ask_photos(
    model: str, photos: Sequence[Photo], options: Mapping[str, object]
) -> Exchange[list[Prediction | Problem]]:
    """Ask a pets model for the breed or the problem of each photo, in order."""
    answers: list[Prediction | Problem] = []
    for photo in photos:
        try:
            answers.append((yield from ask_photo(model, photo, options)))
        except RequestError as error:
            if error.kind not in _PHOTO_PROBLEMS:  # a wrong option is wrong for all photos
                raise
            answers.append(error.problem)
    return answers


def _content(photo: Photo) -> bytes:
    """Return the bytes of a photo's file. A Pillow image becomes a PNG, or a JPEG if it is large."""
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, str | os.PathLike):
        return Path(photo).read_bytes()
    if not (hasattr(photo, "save") and hasattr(photo, "convert")):
        raise TypeError(f"a photo is a path, bytes or a Pillow image, not {type(photo).__name__}")
    file = io.BytesIO()
    photo.save(file, format="PNG", compress_level=1)
    if len(file.getbuffer()) > _MAX_PNG:
        file = io.BytesIO()
        photo.convert("RGB").save(file, format="JPEG", quality=95)
    return file.getvalue()


def _json(path: str, content: Mapping[str, Any]) -> Request:
    return Request(path, to_json(plain(content)), "application/json")


def _read(answer_type: Any, body: Body) -> Any:
    """Return an answer as its type.

    Raises:
        ServiceError: if the answer is another one.
    """
    try:
        return json_adapter(answer_type).validate_json(body.content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        message = (
            f"the answer is no {getattr(answer_type, '__name__', answer_type)} of this version of shopcat: "
            f"{place}: {first['msg']}; check base_url and the name of the model, and update shopcat"
        )
        raise ServiceError(message, kind="unexpected-answer", request_id=body.request_id, status=200) from error


def photo_options(
    heatmap: str, class_: str | None, versus: str | None, look: str, top_k: int, overlay: str
) -> dict[str, object]:
    """Return the options of a photo without those left out."""
    options = {"heatmap": heatmap, "class": class_, "versus": versus, "look": look, "top_k": top_k, "overlay": overlay}
    return {name: value for name, value in options.items() if value is not None}


def is_one_photo(photo: Photo | Sequence[Photo]) -> bool:
    """Return whether a value is one photo, and not several."""
    return isinstance(photo, str | bytes | os.PathLike) or hasattr(photo, "save")
