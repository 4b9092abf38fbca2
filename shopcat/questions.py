"""Questions about sales, which the local model and the client of a service share: their forms, and the methods."""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, TypeVar, Unpack, overload

from schemas.sales.answer import Comparison, Forecast, ItemComparison, ItemForecast, ItemProblem, Total
from schemas.sales.explanation import Explanation, ItemExplanation
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


class SalesMethods(ABC):
    """Methods of everything that answers questions about sales."""

    @abstractmethod
    def _ask(
        self, items: Any, question: Item, options: Item, *, shared: Item | None = None, explain: bool = False
    ) -> Any:
        """Return the answer to a question in any of its forms.

        Args:
            items: list of mappings, a frame, or None.
            question: keyword arguments that name the day or the days, if there are no items.
            options: objective, and levels or quantiles.
            shared: fields of every item.
            explain: ask for explanations.
        """

    @overload
    def forecast(self, *, store: int | str, date: Date, **facts: Any) -> Forecast: ...

    @overload
    def forecast(
        self, *, store: int | str, start: Date, days: int, **facts: Any
    ) -> Days[ItemForecast | ItemProblem]: ...

    @overload
    def forecast(self, items: FrameT, **options: Unpack[Options]) -> FrameT: ...

    @overload
    def forecast(self, items: Iterable[Item], **options: Unpack[Options]) -> list[ItemForecast | ItemProblem]: ...

    def forecast(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **facts: Any,
    ) -> Any:
        """Return the sales forecast of a day, of consecutive days, of a list of items or of a frame's rows.

        ::

            forecast = model.forecast(store=1, date="2015-08-01", promo=True)
            forecast.sales, forecast.assumed, forecast.warnings

            frame.join(model.forecast(frame))

        Args:
            items: list of mappings, or a pandas frame.
            store: id of the store.
            date: the day.
            start: first day of a range.
            days: number of days in the range.
            levels: levels of the wanted intervals in percent, from 1 to 98.
            quantiles: probabilities of the wanted quantiles, from 0.01 to 0.99; not together with levels.
            objective: measure that the forecasts are best for; None for the model's.
            facts: known facts of the day or of all days, such as ``promo=True``; a range also takes lists by day.

        Returns:
            The forecast of one day; for several, a list of forecasts and problems, in order. For a frame, a frame with
            the same index and the columns ``sales``, ``assumed``, ``warnings`` and ``problem``; with levels also
            ``low_80`` and ``high_80``, with quantiles ``quantile_0.9``, and so on.

        Raises:
            RequestError: if the day cannot be forecast: an unknown store, a date outside the calendar, a wrong field.
                For several days, only if none of them can be forecast.
            ServiceError: if a service is asked and has no answer.
        """
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return self._ask(items, day(store, date, start, days) | facts, options)

    @overload
    def what_if(self, *, store: int | str, date: Date, facts: Item | None = ..., **changes: Any) -> Comparison: ...

    @overload
    def what_if(
        self, *, store: int | str, start: Date, days: int, facts: Item | None = ..., **changes: Any
    ) -> Days[ItemComparison | ItemProblem]: ...

    @overload
    def what_if(self, items: FrameT, **changes: Any) -> FrameT: ...

    @overload
    def what_if(self, items: Iterable[Item], **changes: Any) -> list[ItemComparison | ItemProblem]: ...

    def what_if(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        facts: Item | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **changes: Any,
    ) -> Any:
        """Return each forecast beside the forecast with changed facts.

        ::

            comparison = model.what_if(store=1, date="2015-08-01", promo=True)
            comparison.sales, comparison.what_if.sales, comparison.what_if.ratio

        Args:
            items: list of mappings, or a pandas frame; the changes apply to each.
            store: id of the store.
            date: the day.
            start: first day of a range.
            days: number of days in the range.
            facts: known facts that both forecasts share, such as ``{"open": True}``.
            levels: as in `forecast`; both forecasts have the intervals. The same holds for quantiles and objective.
            quantiles: as in `forecast`.
            objective: as in `forecast`.
            changes: changed facts, such as ``promo=True``; a range also takes lists by day, with None for no change.

        Returns:
            The comparison of one day; for several, a list of comparisons and problems, in order. For a frame, a frame
            with the same index and the columns ``sales``, ``what_if``, ``difference``, ``ratio``, ``assumed``,
            ``warnings`` and ``problem``.

        Raises:
            RequestError: as `forecast` does, and if there is no change.
        """
        shared = {**(facts or {}), "what_if": changes}
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return self._ask(items, day(store, date, start, days), options, shared=shared)

    @overload
    def explain(self, *, store: int | str, date: Date, **facts: Any) -> Explanation: ...

    @overload
    def explain(
        self, *, store: int | str, start: Date, days: int, **facts: Any
    ) -> list[ItemExplanation | ItemProblem]: ...

    @overload
    def explain(self, items: FrameT, **options: Unpack[Options]) -> FrameT: ...

    @overload
    def explain(self, items: Iterable[Item], **options: Unpack[Options]) -> list[ItemExplanation | ItemProblem]: ...

    def explain(
        self,
        items: FrameT | Iterable[Item] | None = None,
        *,
        store: int | str | None = None,
        date: Date | None = None,
        start: Date | None = None,
        days: int | None = None,
        levels: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        objective: Objective | None = None,
        **facts: Any,
    ) -> Any:
        """Return each forecast with the contribution of every input, relative to an ordinary day.

        The arguments are those of `forecast`.

        ::

            explanation = model.explain(store=1, date="2015-08-01")
            for group in explanation.groups:
                print(group.group, group.multiplier)

        Returns:
            The explanation of one day; for several, a list of explanations and problems, in order. For a frame, a frame
            with the same index and the columns ``sales``, ``baseline``, the multiplier of each group, ``assumed``,
            ``warnings`` and ``problem``.

        Raises:
            RequestError: as `forecast` does, and for a range of more than 50 days.
        """
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return self._ask(items, day(store, date, start, days) | facts, options, explain=True)
