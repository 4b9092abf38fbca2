"""sales.tables.cells: columns of the days that are asked for equal those of all days."""

import numpy as np
import pytest

from sales.columns import events
from sales.columns.events import moving_days_before
from sales.features import Features
from sales.panel import Panel
from sales.tables import cells
from sales.tables.cells import CellTables
from tests.sales.forecasts import HORIZON
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    return panel_from_tables(demo_tables)


@pytest.fixture
def names(panel: Panel) -> list[str]:
    built = CellTables(panel, Features(panel, "production", horizon=HORIZON).feature_set.names, HORIZON)
    return sorted(built.names)


def columns_of(tables: CellTables, n_columns: int, store: np.ndarray, day: np.ndarray) -> np.ndarray:
    columns = np.full((len(store), n_columns), np.nan, np.float32)
    tables(columns, store, day)
    return columns


def count_days(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of days of each table that is computed from now on."""
    computed: list[int] = []
    cell_columns = events.cell_columns

    def counting(panel: Panel, day: np.ndarray, moving_days: dict[int, np.ndarray]) -> object:
        computed.append(len(day))
        return cell_columns(panel, day, moving_days)

    monkeypatch.setattr(events, "cell_columns", counting)
    return computed


def test_columns_of_few_rows_equal_those_of_all(
    panel: Panel, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows before, in and after the horizon: alone, in blocks of days, and all together."""
    rng = np.random.default_rng(0)
    n_stores, days = len(panel.store_ids), panel.calendar.days
    store, day = rng.integers(n_stores, size=300), rng.integers(days, size=300)
    day[:100] = panel.cutoff + 1 + rng.integers(HORIZON, size=100)
    day[100:104] = (0, days - 1, panel.cutoff, panel.cutoff + HORIZON + 1)
    expected = columns_of(CellTables(panel, names, HORIZON), len(names), store, day)
    assert not np.isnan(expected).any()
    for few, calls in ((n_stores - 1, 10_000), (n_stores - 1, 0), (0, 0)):  # for the call, in blocks for few and all
        monkeypatch.setattr(cells, "_FEW", few)
        monkeypatch.setattr(cells, "_CALLS", calls)
        tables = CellTables(panel, names, HORIZON)
        alone = [columns_of(tables, len(names), store[[row]], day[[row]])[0] for row in range(len(store))]
        np.testing.assert_array_equal(alone, expected)
        some = np.flatnonzero((store < 5) & (day < 100))  # several stores and days in a call, fewer than half of all
        assert len(some) > 3
        np.testing.assert_array_equal(columns_of(tables, len(names), store[some], day[some]), expected[some])


def test_days_that_are_asked_for_again_are_computed_for_their_four_weeks_once(
    panel: Panel, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "_FEW", len(panel.store_ids) - 1)
    tables = CellTables(panel, names, HORIZON)
    computed = count_days(monkeypatch)
    for _ in range(8):
        columns_of(tables, len(names), np.array([1]), np.array([30]))
    assert computed == [1, 1, 1, 1, 28]
    columns_of(tables, len(names), np.array([0, 2]), np.array([28, 55]))
    assert computed == [1, 1, 1, 1, 28]  # the same four weeks


def test_a_model_that_forecasts_the_horizon_computes_no_other_days(
    panel: Panel, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = count_days(monkeypatch)
    tables = CellTables(panel, names, HORIZON)
    store, ahead = np.indices((len(panel.store_ids), HORIZON)).reshape(2, -1)
    columns_of(tables, len(names), store, panel.cutoff + 1 + ahead)
    assert computed == [HORIZON]
    past = np.linspace(0, panel.cutoff, HORIZON).astype(int)[ahead]
    columns_of(tables, len(names), store, past)
    columns_of(tables, len(names), store, past + 1)
    assert computed == [HORIZON, panel.calendar.days]  # all days, once


def test_effects_of_some_days_are_those_of_all(panel: Panel) -> None:
    moving, days = moving_days_before(panel), np.array([3, 380, 400, 401, panel.cutoff + 5])
    everything = events.cell_columns(panel, np.arange(panel.calendar.days), moving)
    for name, column in events.cell_columns(panel, days, moving).items():
        np.testing.assert_array_equal(column, everything[name][:, days])
