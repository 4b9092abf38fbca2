"""Claims of the receipts of forecasts."""

from __future__ import annotations

import time

import numpy as np

from runtime.receipts import new_id
from sales.forecaster import Forecaster, Reply
from sales.panel import MISSING, Panel
from schemas.feedback.claims import PROBABILITIES, SalesClaims, Slice
from schemas.sales.answer import ItemForecast


def sales_claims(forecaster: Forecaster, answer: Reply) -> SalesClaims:
    """Return the claims about an answer that a forecaster has just given."""
    items = [answer] if isinstance(answer, ItemForecast) else answer.items
    places = [place for place, item in enumerate(items) if isinstance(item, ItemForecast)]
    forecasts = [item for item in items if isinstance(item, ItemForecast)]
    cutoff = answer.cutoff
    store = np.array([forecaster.stores[forecast.store] for forecast in forecasts], np.int64)
    day = np.array([(forecast.date - cutoff).days for forecast in forecasts], np.int64)
    sales = np.array([forecast.sales for forecast in forecasts])
    slices: list[Slice] = []
    columns: list[tuple[int | str | None, int, float, int]] = [(None, 0, 0.0, 0)] * len(items)
    for place, forecast, index in zip(places, forecasts, store.tolist(), strict=True):
        of_store = store_slice(forecaster.model.panel, index)
        if of_store not in slices:
            slices.append(of_store)
        days_after = (forecast.date - cutoff).days
        columns[place] = forecast.store, days_after, forecast.sales, slices.index(of_store)
    found = forecaster.uncertainty.quantiles_of(sales, answer.objective, store, day - 1, PROBABILITIES)
    quantiles: list[list[float]] = []
    if found is not None:
        quantiles = [[0.0] * len(PROBABILITIES)] * len(items)
        for place, amounts in zip(places, found.tolist(), strict=True):
            quantiles[place] = [float(f"{amount:.5g}") for amount in amounts]
    return SalesClaims(
        id=new_id(),
        time=int(time.time()),
        model=answer.model,
        version=answer.version,
        cutoff=cutoff,
        objective=answer.objective,
        stores=[column[0] for column in columns],
        days=[column[1] for column in columns],
        sales=[column[2] for column in columns],
        quantiles=quantiles,
        slices=slices,
        slice=[column[3] for column in columns],
    )


def store_slice(panel: Panel, store: int) -> Slice:
    """Return the groups that a store belongs to, by name: its type, its assortment and its state, as far as known."""
    groups = {
        "store_type": ("StoreType", panel.store_type),
        "assortment": ("Assortment", panel.assortment),
        "state": ("State", panel.state),
    }
    return {
        name: str(panel.levels[column][code])
        for name, (column, codes) in groups.items()
        if (code := int(codes[store])) != MISSING
    }
