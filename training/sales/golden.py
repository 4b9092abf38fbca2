"""Golden rows of a sales bundle: requests, with the forecasts that serving must repeat."""

from typing import Any

import numpy as np

from runtime.bundle import Golden
from sales.calendar import STATE_HOLIDAYS
from sales.forecaster import Forecaster, Model
from schemas.sales.answer import Forecast
from schemas.sales.options import AnswerOptions
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item

GOLDEN_ROWS = 48


def golden_rows(model: Model) -> Golden:
    """Return requests for days from all over the calendar, with the median forecasts that the model computes for them.

    Every fourth request states another promotion than the tables do, and every sixteenth other holidays.
    """
    panel, calendar, rng = model.panel, model.panel.calendar, np.random.default_rng(0)
    forecaster = Forecaster(model)
    rows: Golden = []
    options = AnswerOptions(objective="median")
    for number in range(GOLDEN_ROWS):
        store = int(rng.integers(len(calendar.stores)))
        first = panel.cutoff + 1 if number % 2 else 0
        day = int(rng.integers(first, min(panel.cutoff + model.horizon + 1, calendar.days)))
        row: dict[str, Any] = {"store": panel.store_ids[store], "date": calendar.date(day).isoformat()}
        if number % 4 == 3:
            row |= {"promo": not calendar.promo[store, day], "open": True}
        if number % 16 == 7:
            row |= {"state_holiday": STATE_HOLIDAYS[1], "school_holiday": not calendar.school_holiday[store, day]}
        (answer,) = forecaster.predict([ForecastRequest((Item.model_validate(row),), single=True, options=options)])
        assert isinstance(answer, Forecast)  # the rows are made from the calendar
        rows.append({**row, "sales": answer.sales})
    return rows
