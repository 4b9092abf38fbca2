"""Forecasters with a stand-in for the network."""

import pytest

from sales.forecaster import Forecaster
from tests.sales.forecasts import model_of
from training.sales.data.tables import Tables


@pytest.fixture(scope="module")
def parity(demo_tables: Tables) -> Forecaster:
    return Forecaster(model_of(demo_tables, "parity"))


@pytest.fixture(scope="module", params=["production", "parity"])
def sensitive_forecaster(request: pytest.FixtureRequest, demo_tables: Tables) -> Forecaster:
    """A forecaster with real features and preprocessing, and a network that depends on all columns."""
    return Forecaster(model_of(demo_tables, request.param))
