"""Forecasts in Triton."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from handlers.triton.tensors import Arrays, Tensor, problem_text, texts
from sales.forecaster import Forecaster
from schemas.json_text import parse_json
from schemas.problems import ProblemError
from schemas.sales.answer import ForecastWarning, ItemForecast, ItemProblem
from schemas.sales.parse import parse_each
from schemas.sales.request import MAX_ITEMS

NOT_STATED = -1  # a flag that the client does not state
NO_SALES = -1.0  # of an item with a problem; forecasts are never negative, and JSON has no NaN

_WARNINGS = TypeAdapter(list[ForecastWarning])


class SalesModel:
    """Forecaster of a sales bundle. A request is one plan: its facts hold for all of its items, and no other request's.

    Attributes:
        max_items: the limit of our own API.
        batches: True, because the network computes several requests sooner together.
    """

    max_items, batches = MAX_ITEMS, True
    outputs: Sequence[Tensor] = (
        Tensor("sales", "FP64"),
        Tensor("assumed", "BYTES"),
        Tensor("warnings", "BYTES"),
        Tensor("problem", "BYTES"),
    )

    def __init__(self, bundle: Path) -> None:
        self.model = Forecaster.load(bundle)
        numbers = isinstance(self.model.model.panel.store_ids[0], int)
        self.inputs: Sequence[Tensor] = (
            Tensor("store", "INT64" if numbers else "BYTES"),
            Tensor("date", "BYTES"),
            *(Tensor(name, "INT8" if read is _flag else "BYTES", optional=True) for name, read in _FACTS.items()),
        )

    def answer(self, requests: Sequence[Arrays]) -> list[Arrays]:
        """Answer requests with one run of the network."""
        results = self.model.results([parse_each(_items(inputs)) for inputs in requests])
        return [_outputs(items) for items in results]


def _items(inputs: Arrays) -> list[dict[str, Any]]:
    """Return the items of a request as a JSON parser makes them, without the facts that are not stated."""
    columns = {name: [_FACTS.get(name, _plain)(value) for value in inputs[name].tolist()] for name in inputs}
    rows = zip(*columns.values(), strict=True)
    return [{name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows]


def _outputs(items: Sequence[ItemForecast | ItemProblem]) -> Arrays:
    forecasts = [item if isinstance(item, ItemForecast) else None for item in items]
    return {
        "sales": np.array([forecast.sales if forecast else NO_SALES for forecast in forecasts], np.float64),
        "assumed": texts(",".join(forecast.assumed) if forecast else "" for forecast in forecasts),
        "warnings": texts(_WARNINGS.dump_json(forecast.warnings) if forecast else "[]" for forecast in forecasts),
        "problem": texts(problem_text(item.problem if isinstance(item, ItemProblem) else None) for item in items),
    }


def _plain(value: int | bytes) -> int | str:
    """Return a store's id or a date. An id that is no text in UTF-8 is an unknown store's."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _flag(value: int) -> bool | int | None:
    """Return a flag; the request's validation rejects other numbers than 0 and 1."""
    return None if value == NOT_STATED else {0: False, 1: True}.get(value, value)


def _text(value: bytes) -> str | None:
    return value.decode("utf-8", "replace") or None


def _object(value: bytes) -> Any:
    """Return a JSON object; the request's validation rejects a text that is none."""
    try:
        return parse_json(value) if value else None
    except ProblemError:
        return value.decode("utf-8", "replace")


_FACTS: dict[str, Callable[[Any], Any]] = {
    "open": _flag,
    "promo": _flag,
    "school_holiday": _flag,
    "state_holiday": _text,
    "weather": _object,
    "columns": _object,
}
