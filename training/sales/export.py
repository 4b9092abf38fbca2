"""Parts of a sales bundle that are computed with the trained network: the ONNX file and the golden rows."""

from typing import Any

import numpy as np
import torch

from runtime.bundle import Golden
from sales.calendar import STATE_HOLIDAYS
from sales.forecaster import Forecaster, Model
from sales.preprocess import Prepared
from schemas.sales.answer import Forecast
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item
from training.export import to_onnx
from training.sales.batchnorm_folding import FoldedNet
from training.sales.fit import Fitted

GOLDEN_ROWS = 48


def exported_network(fitted: Fitted) -> bytes:
    """Return the network as an ONNX file, its batch norms folded into the linear layers."""
    cats = torch.zeros((2, len(fitted.spec.emb_szs)), dtype=torch.int32, device=fitted.device)
    conts = torch.zeros((2, fitted.spec.n_cont), device=fitted.device)
    return to_onnx(FoldedNet(fitted.net), (cats, conts), Prepared._fields)


def golden_rows(fitted: Fitted, name: str) -> Golden:
    """Return requests for days from all over the calendar, with the forecasts that torch computes for them.

    Every fourth request states another promotion than the tables do, and every sixteenth other holidays.
    """
    calendar, rng = fitted.panel.calendar, np.random.default_rng(0)
    horizon = fitted.options.horizon
    forecaster = Forecaster(
        Model(name, "training", fitted.panel, fitted.features, fitted.preprocessor, fitted.run, horizon)
    )
    rows: Golden = []
    for number in range(GOLDEN_ROWS):
        store = int(rng.integers(len(calendar.stores)))
        first = fitted.panel.cutoff + 1 if number % 2 else 0
        day = int(rng.integers(first, min(fitted.panel.cutoff + horizon + 1, calendar.days)))
        row: dict[str, Any] = {"store": fitted.panel.store_ids[store], "date": calendar.date(day).isoformat()}
        if number % 4 == 3:
            row |= {"promo": not calendar.promo[store, day], "open": True}
        if number % 16 == 7:
            row |= {"state_holiday": STATE_HOLIDAYS[1], "school_holiday": not calendar.school_holiday[store, day]}
        (answer,) = forecaster.predict([ForecastRequest((Item.model_validate(row),), single=True)])
        assert isinstance(answer, Forecast)  # the rows are made from the calendar
        rows.append({**row, "sales": answer.sales})
    return rows
