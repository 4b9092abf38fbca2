"""Metrics and log fields of forecasts."""

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import Counter

from handlers.telemetry.metrics import add
from sales.forecaster import Reply
from schemas.sales.answer import ItemForecast

FORECASTS = Counter("shopcat_forecasts", "Forecasts of one store and day.", ("model",))
INPUTS = Counter(
    "shopcat_inputs",
    "Inputs of forecasts that were assumed or have a warning, such as filled, unseen or out_of_range.",
    ("model", "kind", "field"),
)


ANSWERS = Counter(
    "shopcat_forecast_answers",
    "Answers with forecasts, by objective, and by what says how sure they are: intervals, quantiles or none.",
    ("model", "objective", "uncertainty"),
)


class ForecastSummary(NamedTuple):
    """Quality of the inputs of a batch's forecasts.

    Attributes:
        assumed: names of the assumed fields of each forecast.
        warnings: code and field of each warning of all forecasts.
        answers: objective of each answer, and what says how sure its forecasts are.
    """

    assumed: Sequence[tuple[str, ...]]
    warnings: Sequence[tuple[str, str]]
    answers: Sequence[tuple[str, str]] = ()


class ForecastObserver:
    """Observer of forecasts, comparisons and explanations."""

    def summarize(self, answers: Sequence[Reply]) -> ForecastSummary:
        """Return which inputs were assumed or had a warning."""
        forecasts = _forecasts(answers)
        warnings = [(warning.code, warning.field) for forecast in forecasts for warning in forecast.warnings]
        kinds = [(answer.objective, _uncertainty(answer)) for answer in answers]
        return ForecastSummary([forecast.assumed for forecast in forecasts], warnings, kinds)

    def count(self, model: str, summaries: Sequence[ForecastSummary]) -> None:
        """Count forecasts, assumed fields and warnings, and answers by objective."""
        assumed = Tally(fields for summary in summaries for fields in summary.assumed)  # few distinct values
        FORECASTS.labels(model).inc(assumed.total())
        inputs = Tally(warning for summary in summaries for warning in summary.warnings)
        for fields, count in assumed.items():
            inputs.update({("assumed", field): count for field in fields})
        add(INPUTS, model, inputs)
        add(ANSWERS, model, Tally(kind for summary in summaries for kind in summary.answers))

    def log_fields(self, answer: Reply) -> dict[str, Any]:
        """Return the number of forecasts and of each warning, the objective, and what says how sure they are."""
        forecasts = _forecasts([answer])
        warnings = Tally(warning.code for forecast in forecasts for warning in forecast.warnings)
        return {
            "forecasts": len(forecasts),
            "warnings": dict(warnings),
            "objective": answer.objective,
            "uncertainty": _uncertainty(answer),
        }


def _uncertainty(answer: Reply) -> str:
    """Return what says how sure an answer's forecasts are: ``intervals``, ``quantiles`` or ``none``."""
    items = (answer,) if isinstance(answer, ItemForecast) else answer.items
    first = next((item for item in items if isinstance(item, ItemForecast)), None)
    if first is None or (first.intervals is None and first.quantiles is None):
        return "none"
    return "quantiles" if first.intervals is None else "intervals"


def _forecasts(answers: Sequence[Reply]) -> list[ItemForecast]:
    """Return the forecasts in the answers, without the problems among them."""
    return [
        forecast
        for answer in answers
        for forecast in ((answer,) if isinstance(answer, ItemForecast) else answer.items)
        if isinstance(forecast, ItemForecast)
    ]
