"""Sales forecasts, without a server."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

from runtime.device import pick_device
from sales.forecaster import Forecaster as Predictor
from schemas.problems import Problem, ProblemError
from schemas.sales.answer import Comparison, Forecast, ItemComparison, ItemForecast, ItemProblem
from schemas.sales.explanation import Explanation, ItemExplanation
from schemas.sales.options import Objective
from schemas.sales.parse import ForecastRequest, parse_items, parse_request
from shopcat import frames
from shopcat.errors import RequestError
from shopcat.frames import Frame, Result
from shopcat.questions import Date, Days, FrameT, Item, Options, day, form_of, given
from shopcat.values import plain


class Forecaster:
    """Forecaster of a sales bundle.

    Each method accepts four forms of request:

    - ``store=1, date="2015-08-01"``: one day. The result is one answer.
    - ``store=1, start="2015-08-01", days=7``: consecutive days. The result is a list of answers.
    - a list of mappings with ``store``, ``date`` and facts. The result is a list of answers.
    - a pandas frame with these as columns. The result is a frame with the same index.

    Facts are what the caller knows about a day: ``open``, ``promo``, ``state_holiday``, ``school_holiday``,
    ``weather``, and ``columns`` with values of your own columns by name. The model takes all others from its tables or
    assumes them, and the answer lists the assumed ones. The facts of one call are one plan: a promotion on Monday
    changes the forecast of the Saturday before.

    A frame has the columns ``store`` and ``date``, and may have a column for each fact and each field of the weather.
    It may have the names that training accepts, such as ``StateHoliday``. Your own columns of the training tables can't
    be stated in a frame, only in mappings. Other columns and empty cells are ignored.

    ``levels`` asks for intervals, such as ``levels=[80, 90]`` in percent, and ``quantiles`` for quantiles, such as
    ``quantiles=[0.1, 0.5, 0.9]``. ``objective`` is ``"median"``, ``"mean"`` or ``"rmspe"``: the measure that the
    forecasts are best for. The list of answers for consecutive days also has their ``total``.

    In a list or a frame, an item without an answer has its problem in its place. If no item has an answer, the method
    raises `RequestError`.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str | None = None, *, threads: int = 1) -> Forecaster:
        """Load a sales bundle and verify it, as `shopcat.load` does."""
        return cls(Predictor.load(Path(path), device=pick_device(device), threads=threads))

    def __repr__(self) -> str:
        return f"<shopcat.Forecaster {self.name} {self.version}: {len(self.stores)} stores, sales to {self.cutoff}>"

    @property
    def name(self) -> str:
        """Return the model's name."""
        return self._predictor.name

    @property
    def version(self) -> str:
        """Return the bundle's version."""
        return self._predictor.version

    @property
    def cutoff(self) -> dt.date:
        """Return the last day whose sales the model knows."""
        return self._predictor.cutoff

    @property
    def horizon(self) -> int:
        """Return the number of days after the cutoff for which the model was made."""
        return self._predictor.model.horizon

    @property
    def first_date(self) -> dt.date:
        """Return the first day that the model can forecast."""
        return self._predictor.model.panel.calendar.date(0)

    @property
    def last_date(self) -> dt.date:
        """Return the last day that the model can forecast."""
        return self._predictor.model.panel.calendar.date(self._predictor.last_day)

    @property
    def stores(self) -> tuple[int | str, ...]:
        """Return the ids of the stores that the model knows."""
        return self._predictor.model.panel.store_ids

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
        """
        options = given(levels=levels, quantiles=quantiles, objective=objective)
        return self._answer(items, day(store, date, start, days) | facts, frames.forecasts, options)

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
        return self._answer(items, day(store, date, start, days), frames.comparisons, options, shared=shared)

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
        return self._answer(items, day(store, date, start, days) | facts, frames.explanations, options, explain=True)

    def _answer(
        self,
        items: Any,
        question: Item,
        to_frame: Callable[[Frame, Sequence[Result]], Any],
        options: Item,
        *,
        shared: Item | None = None,
        explain: bool = False,
    ) -> Any:
        """Return the answer to a question in any of its forms.

        Args:
            items: list of mappings, a frame, or None.
            question: keyword arguments that name the day or the days, if there are no items.
            to_frame: function that makes the answer to a frame.
            options: objective, and levels or quantiles.
            shared: fields of every item.
            explain: ask for explanations.
        """
        shared = shared or {}
        form = form_of(items, question)
        if form == "question":
            answer = self._predict(lambda: parse_request(plain({**question, **shared, **options}), explain=explain))
            return answer if "date" in question else Days(answer.items, getattr(answer, "total", None))
        if form == "frame":
            model = self._predictor.model
            rows = frames.items_of(
                items, model.features.own.known_ahead, open_days_only=model.panel.lists_open_days_only
            )
            return to_frame(items, self._answer_items(rows, shared, options, explain))
        return self._answer_items(list(items), shared, options, explain)

    def _answer_items(self, items: Sequence[Any], shared: Item, options: Item, explain: bool) -> list[Any]:
        """Return the answer or the problem of each item, in order; an empty list for no items."""
        if not items:
            return []
        rows = [plain({**item, **shared} if isinstance(item, Mapping) else item) for item in items]
        return list(self._predict(lambda: parse_items(rows, explain=explain, options=plain(options))).items)

    def _predict(self, parse: Callable[[], ForecastRequest]) -> Any:
        """Return the predictor's answer to a request."""
        try:
            (answer,) = self._predictor.predict([parse()])
        except ProblemError as error:
            answer = error.problem
        if isinstance(answer, Problem):
            raise RequestError(answer)
        return answer
