"""Sales forecasts, without a server."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runtime.device import pick_device
from sales.forecaster import Forecaster as Predictor
from schemas.problems import Problem, ProblemError
from schemas.sales.options import no_receipts
from schemas.sales.parse import ForecastRequest, parse_items, parse_request
from shopcat import frames
from shopcat.errors import RequestError
from shopcat.questions import Days, Item, SalesMethods, form_of
from shopcat.values import plain


class Forecaster(SalesMethods):
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

    def _ask(
        self, items: Any, question: Item, options: Item, *, shared: Item | None = None, explain: bool = False
    ) -> Any:
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
            results = self._answer_items(rows, shared, options, explain)
            return frames.to_frame(items, results, what_if="what_if" in shared, explain=explain)
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
            request = parse()
            if request.options.receipt:
                raise no_receipts()
            (answer,) = self._predictor.predict([request])
        except ProblemError as error:
            answer = error.problem
        if isinstance(answer, Problem):
            raise RequestError(answer)
        return answer
