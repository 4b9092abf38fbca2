"""Parse requests for ``/feedback/NAME``: JSON, or a table as CSV."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from schemas.feedback.request import (
    MAX_ENTRIES,
    PET_NAMES,
    RECEIPT_NAMES,
    STORE_NAMES,
    PetTruth,
    ReceiptSales,
    StoreSales,
)
from schemas.json_text import parse_json
from schemas.problems import Problem, ProblemError, invalid_field, validation_problem

CSV = "text/csv"

Parsed = TypeVar("Parsed", bound=BaseModel)


@dataclass(frozen=True)
class Invalid:
    """An entry of a request that can't be read.

    Attributes:
        problem: the reason.
    """

    problem: Problem


def parse_sales(body: bytes, content_type: str) -> list[ReceiptSales | StoreSales | Invalid]:
    """Parse true sales.

    Raises:
        ProblemError: if the body has no list of entries, or too long a one.
    """

    def model(entry: Mapping[str, Any]) -> tuple[type[BaseModel], Sequence[str]]:
        if "receipt" in entry or not {"store", "date"} & entry.keys():
            return ReceiptSales, RECEIPT_NAMES
        return StoreSales, STORE_NAMES

    return _parse(body, content_type, model, _sales_of_row)


def parse_pets(body: bytes, content_type: str) -> list[PetTruth | Invalid]:
    """Parse truths about photos.

    Raises:
        ProblemError: if the body has no list of entries, or too long a one.
    """
    return _parse(body, content_type, lambda _: (PetTruth, PET_NAMES), _truth_of_row)


def _parse(
    body: bytes,
    content_type: str,
    model: Callable[[Mapping[str, Any]], tuple[type[BaseModel], Sequence[str]]],
    of_row: Callable[[Mapping[str, str]], Mapping[str, Any]],
) -> list[Any]:
    """Parse each entry on its own, so that an invalid one does not affect the others."""
    is_table = content_type.partition(";")[0].strip().lower() == CSV
    entries = [of_row(row) for row in _rows(body)] if is_table else _entries(body)
    if not 1 <= len(entries) <= MAX_ENTRIES:
        detail = f"there are {len(entries):,} values; send 1 to {MAX_ENTRIES:,} at a time"
        raise invalid_field("items", detail=detail)
    parsed: list[Any] = []
    for place, entry in enumerate(entries):
        kind, names = model(entry if isinstance(entry, Mapping) else {})
        try:
            parsed.append(kind.model_validate(entry))
        except ValidationError as error:
            parsed.append(Invalid(validation_problem(error, names={"": names}, at=("items", place))))
    return parsed


def _entries(body: bytes) -> Sequence[Any]:
    content = parse_json(body)
    if not isinstance(content, dict) or [*content] != ["items"] or not isinstance(content["items"], list):
        detail = 'send a JSON object with a list of true values: {"items": [...]}; or a table as text/csv'
        raise ProblemError(Problem.of("malformed-request", detail))
    return content["items"]


def _rows(body: bytes) -> list[dict[str, str]]:
    """Return the rows of a table, with the names of its columns in lower case. Empty cells and lines are left out."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ProblemError(Problem.of("malformed-request", "the table is not UTF-8; save it as CSV UTF-8")) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # spreadsheets of some countries write semicolons
    try:
        lines = [line for line in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if any(line)]
    except csv.Error as error:
        raise ProblemError(Problem.of("malformed-request", f"the table is no valid CSV: {error}")) from None
    if not lines:
        raise ProblemError(Problem.of("malformed-request", "the table is empty; send a line of names, then the rows"))
    names = [name.strip().lower() for name in lines[0]]
    return [{name: cell.strip() for name, cell in zip(names, line, strict=False) if cell.strip()} for line in lines[1:]]


def _sales_of_row(row: Mapping[str, str]) -> Mapping[str, Any]:
    entry: dict[str, Any] = dict(row)
    for name in ("item", "sales"):
        if name in entry:
            entry[name] = _number(entry[name])
    return entry


def _truth_of_row(row: Mapping[str, str]) -> Mapping[str, Any]:
    entry: dict[str, Any] = dict(row)
    for name in ("other_breed", "not_a_pet", "unknown"):
        text = entry.get(name, "").lower()
        if text in ("true", "false", "1", "0"):
            entry[name] = text in ("true", "1")
    return entry


def _number(text: str) -> Any:
    """Return the number that a cell has; the text itself if it has none, so that the error shows it."""
    try:
        return from_json(text)
    except ValueError:
        return text
