"""Forms of a question about sales, which the local model and the clients of a service share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar

from schemas.sales.answer import Total
from schemas.sales.options import Objective
from shopcat.frames import Frame, is_frame

Date = str | dt.date
Item = Mapping[str, Any]

FrameT = TypeVar("FrameT", bound=Frame)
AnswerT = TypeVar("AnswerT")


class Options(TypedDict, total=False):
    """Keyword arguments that say which number is wanted, and how sure it is."""

    levels: Sequence[float] | None
    quantiles: Sequence[float] | None
    objective: Objective | None


class Days(list[AnswerT]):
    """Answers for consecutive days, in order.

    Attributes:
        total: total of the days; None in an explanation.
    """

    def __init__(self, answers: Iterable[AnswerT], total: Total | None) -> None:
        super().__init__(answers)
        self.total = total


def form_of(items: Any, question: Item) -> Literal["question", "frame", "items"]:
    """Return the form of a question.

    Args:
        items: list of mappings, a frame, or None.
        question: keyword arguments that name the day or the days, if there are no items.

    Raises:
        TypeError: if there are neither items nor a question, or both, or items of another type.
    """
    if items is None:
        if not question:
            raise TypeError("give a store and a date, or a list of mappings, or a pandas frame")
        return "question"
    if question:
        raise TypeError(f"give either items or {', '.join(question)}, not both")
    if is_frame(items):
        return "frame"
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise TypeError(f"items are a list of mappings or a pandas frame, not {type(items).__name__}")
    return "items"


def day(store: int | str | None, date: Date | None, start: Date | None, days: int | None) -> dict[str, Any]:
    """Return the given fields that name a day or a range."""
    return given(store=store, date=date, start=start, days=days)


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
