"""Helpers of the forecaster's tests: a model that depends on all columns, requests and facts of the calendar."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sales.calendar import EPOCH
from sales.columns.column import Mode
from sales.features import Features
from sales.forecaster import Answer, Forecaster, Model
from sales.preprocess import Preprocessor, Run
from schemas.sales.answer import Forecast, Forecasts, ItemForecast
from schemas.sales.parse import parse_request
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

CUTOFF, PLANNED = dt.date(2015, 7, 31), dt.date(2015, 9, 17)  # of the demo tables
HORIZON = 49  # days
SATURDAY, MONDAY = dt.date(2015, 8, 22), dt.date(2015, 8, 24)
Json = dict[str, Any]


def sensitive_network(preprocessor: Preprocessor) -> Run:
    """Return a stand-in for the network whose output depends on every column, and exactly on its own row."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(0, 0.1, codes) for codes in preprocessor.n_codes]
    weights = rng.normal(0, 0.05, len(preprocessor.cont_names))

    def run(cats: NDArray[np.int64], conts: NDArray[np.float32]) -> NDArray[np.float32]:
        looked_up = sum(table[codes] for table, codes in zip(tables, cats.T, strict=True))
        y: NDArray[np.float32] = (8 + looked_up + (conts * weights).sum(axis=1)).astype(np.float32)
        return y

    return run


def model_of(tables: Tables, mode: Mode) -> Model:
    panel = panel_from_tables(tables)
    features = Features(panel, mode, horizon=HORIZON)
    store, day = np.nonzero(~np.isnan(panel.sales))
    columns = features.build(store, day)
    names = features.feature_set
    preprocessor = Preprocessor.fit(columns, names.cat_names, names.cont_names)
    return Model("sales", "1", panel, features, preprocessor, sensitive_network(preprocessor), horizon=HORIZON)


def ask(forecaster: Forecaster, *requests: Json) -> list[Answer]:
    return forecaster.predict([parse_request(json.dumps(request, default=str).encode()) for request in requests])


def sales(answer: Answer) -> list[float]:
    """Return the sales of an answer that has only forecasts."""
    if isinstance(answer, Forecast):
        return [answer.sales]
    assert isinstance(answer, Forecasts), answer
    forecasts = [item for item in answer.items if isinstance(item, ItemForecast)]
    assert len(forecasts) == len(answer.items)
    return [forecast.sales for forecast in forecasts]


def sales_of(forecaster: Forecaster, items: Sequence[Json]) -> list[float]:
    (answer,) = ask(forecaster, {"items": items})
    return sales(answer)


def calendar_facts(forecaster: Forecaster, store: int, date: dt.date) -> Json:
    """Return the calendar's facts of a day, as a client states them."""
    calendar = forecaster.model.panel.calendar
    at = np.searchsorted(calendar.stores, store), int((np.datetime64(date) - EPOCH).astype(int)) - calendar.first_day
    return {
        **{name: bool(getattr(calendar, name)[at]) for name in ("open", "promo", "school_holiday")},
        "state_holiday": "0abc"[calendar.state_holiday[at]],
    }


def opposite_facts(forecaster: Forecaster, store: int, date: dt.date, *fields: str) -> Json:
    """Return the opposite of the calendar's facts of a day."""
    turned = {"0": "a"}
    now = calendar_facts(forecaster, store, date)
    return {name: turned.get(now[name], "0") if name == "state_holiday" else not now[name] for name in fields}


def days_from(start: dt.date, count: int) -> list[dt.date]:
    return [start + dt.timedelta(days=day) for day in range(count)]
