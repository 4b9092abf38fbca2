"""TorchServe's entry point for forecasts.

TorchServe takes the one class that is defined in this module, so there must be no second.
"""

import json
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from handlers.batch import Sent, answer_batch
from handlers.context import Context, WorkerContext
from handlers.telemetry import metrics
from handlers.worker import load_model, warm_up
from sales.forecaster import Forecaster, Reply
from schemas.sales.answer import ItemForecast
from schemas.sales.parse import ForecastRequest, parse_request


class SalesHandler:
    """A worker's forecaster."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the bundle of the archive. TorchServe calls it once, before the worker is ready."""
        self.forecaster, self.telemetry = load_model(
            context,
            lambda folder, device: Forecaster.load(folder, device=device),
            gist=_gist,
            count=_count,
            describe=_describe,
        )
        warm_up(context, self.forecaster, self.telemetry, self.handle, {"body": _first_request(self.forecaster)})

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch of requests."""
        return answer_batch(data, context, parse=read, run=self.forecaster.predict, telemetry=self.telemetry)


def read(sent: Sent) -> ForecastRequest:
    """A request, read; raises `ProblemError` if it can't be."""
    return parse_request(sent.body(), explain=sent.explain)


def _first_request(forecaster: Forecaster) -> bytes:
    """The first store's day after the last one known."""
    store = int(forecaster.model.panel.calendar.stores[0])
    return json.dumps({"store": store, "date": str(forecaster.cutoff + timedelta(days=1))}).encode()


def _forecasts(answers: Sequence[Reply]) -> list[ItemForecast]:
    """The forecasts of answers, without the problems among them."""
    return [
        forecast
        for answer in answers
        for forecast in ((answer,) if isinstance(answer, ItemForecast) else answer.items)
        if isinstance(forecast, ItemForecast)
    ]


def _gist(answers: Sequence[Reply]) -> tuple[Sequence[tuple[str, ...]], Sequence[tuple[str, str]]]:
    """What was assumed in each forecast, and the code and field of each warning."""
    forecasts = _forecasts(answers)
    warnings = [(warning.code, warning.field) for forecast in forecasts for warning in forecast.warnings]
    return [forecast.assumed for forecast in forecasts], warnings


def _count(model: str, gists: Sequence[tuple[Sequence[tuple[str, ...]], Sequence[tuple[str, str]]]]) -> None:
    """Count forecasts, and their inputs that were not simply given."""
    assumed = Tally(fields for of_batch, _ in gists for fields in of_batch)  # few are different
    metrics.FORECASTS.labels(model).inc(assumed.total())
    inputs = Tally(warning for _, of_batch in gists for warning in of_batch)
    for fields, count in assumed.items():
        inputs.update({("assumed", field): count for field in fields})
    metrics.add(metrics.INPUTS, model, inputs)


def _describe(answer: Reply) -> dict[str, Any]:
    """What the audit line has of an answer."""
    forecasts = _forecasts([answer])
    warnings = Tally(warning.code for forecast in forecasts for warning in forecast.warnings)
    return {"forecasts": len(forecasts), "warnings": dict(warnings)}
