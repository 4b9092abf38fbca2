"""handlers.telemetry.sales: what is counted of forecasts, and written into the request log."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from handlers.telemetry.sales import ForecastObserver
from sales.forecaster import Forecaster, Reply
from schemas.sales.parse import parse_request

DAY = {"store": 1, "date": "2015-08-03"}


def reply(forecaster: Forecaster, body: dict[str, Any]) -> Reply:
    (answer,) = forecaster.predict([parse_request(body)])
    return answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("body", "objective", "uncertainty"),
    [
        (DAY, "median", "none"),
        ({**DAY, "levels": [80]}, "median", "intervals"),
        ({"items": [{"store": 999, "date": "2015-08-03"}, DAY], "levels": [80]}, "median", "intervals"),
        ({"store": 1, "start": "2015-08-03", "days": 2, "quantiles": [0.5], "objective": "mean"}, "mean", "quantiles"),
        ({**DAY, "objective": "rmspe", "what_if": {"promo": True}}, "rmspe", "none"),
    ],
)
def test_the_request_log_has_objective_and_uncertainty(
    forecaster: Forecaster, body: dict[str, Any], objective: str, uncertainty: str
) -> None:
    fields = ForecastObserver().log_fields(reply(forecaster, body))

    assert (fields["objective"], fields["uncertainty"]) == (objective, uncertainty)


def test_answers_are_counted_by_objective_and_uncertainty(forecaster: Forecaster) -> None:
    observer, bodies = ForecastObserver(), [DAY, {**DAY, "levels": [80], "objective": "mean"}]
    summary = observer.summarize([reply(forecaster, body) for body in bodies])

    observer.count("observed", [summary, summary])

    labels = {"model": "observed", "objective": "mean", "uncertainty": "intervals"}
    assert REGISTRY.get_sample_value("shopcat_forecast_answers_total", labels) == 2
    labels = {"model": "observed", "objective": "median", "uncertainty": "none"}
    assert REGISTRY.get_sample_value("shopcat_forecast_answers_total", labels) == 2
