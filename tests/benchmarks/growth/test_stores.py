"""benchmarks.growth.stores: a model of repeated stores forecasts what the original one does for stores it never saw."""

import datetime as dt
from pathlib import Path

import numpy as np

from benchmarks.growth.stores import with_stores
from sales import bundle as bundles
from sales.forecaster import Forecaster
from sales.network import onnx_network
from schemas.sales.answer import Forecast
from schemas.sales.parse import parse_request

ROOT = Path(__file__).parents[3]


def test_repeated_stores_have_the_facts_of_their_originals() -> None:
    bundle = bundles.load(ROOT / "model_store" / "demo")
    n_stores = len(bundle.panel.store_ids)
    many = with_stores(bundle, 3 * n_stores)
    assert many.panel.store_ids == tuple(range(1, 3 * n_stores + 1))
    assert np.array_equal(many.panel.sales[2 * n_stores :], bundle.panel.sales, equal_nan=True)
    forecaster = Forecaster.of(many, onnx_network(bundle, "cpu", 1))
    day = str(forecaster.cutoff + dt.timedelta(days=3))
    requests = [parse_request({"store": store, "date": day}) for store in (n_stores + 2, 2 * n_stores + 2)]
    first, second = forecaster.predict(requests)
    assert isinstance(first, Forecast)
    assert isinstance(second, Forecast)
    assert first.sales == second.sales > 0
