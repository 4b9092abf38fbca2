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


@pytest.mark.parametrize("few", [0, 64])
def test_columns_of_few_rows_equal_those_of_all(
    panel: Panel, names: list[str], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows before, in and after the horizon, each alone and all together."""
    rng = np.random.default_rng(0)
    n_stores, days = len(panel.store_ids), panel.calendar.days
    store, day = rng.integers(n_stores, size=300), rng.integers(days, size=300)
    day[:100] = panel.cutoff + 1 + rng.integers(HORIZON, size=100)
    day[100:104] = (0, days - 1, panel.cutoff, panel.cutoff + HORIZON + 1)
    monkeypatch.setattr(cells, "_FEW", -1)
    expected = columns_of(CellTables(panel, names, HORIZON), len(names), store, day)
    assert not np.isnan(expected).any()
    monkeypatch.setattr(cells, "_FEW", n_stores - 1 if few else -1)
    tables = CellTables(panel, names, HORIZON)
    alone = [columns_of(tables, len(names), store[[row]], day[[row]])[0] for row in range(len(store))]
    np.testing.assert_array_equal(alone, expected)
    some = np.flatnonzero(store < 5)  # several stores and days in a call, fewer than all
    np.testing.assert_array_equal(
        columns_of(CellTables(panel, names, HORIZON), len(names), store[some], day[some]), expected[some]
    )


def test_a_model_that_forecasts_the_horizon_computes_no_other_days(
    panel: Panel, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []
    cell_columns = events.cell_columns

    def counting(panel: Panel, day: np.ndarray, moving_days: dict[int, np.ndarray]) -> object:
        computed.append(len(day))
        return cell_columns(panel, day, moving_days)

    monkeypatch.setattr(events, "cell_columns", counting)
    tables = CellTables(panel, names, HORIZON)
    store, ahead = np.indices((len(panel.store_ids), HORIZON)).reshape(2, -1)
    columns_of(tables, len(names), store, panel.cutoff + 1 + ahead)
    assert computed == [HORIZON]
    columns_of(tables, len(names), store, ahead)
    columns_of(tables, len(names), store, ahead + 1)
    assert computed == [HORIZON, panel.calendar.days]  # all days, once


def test_effects_of_some_days_are_those_of_all(panel: Panel) -> None:
    moving, days = moving_days_before(panel), np.array([3, 380, 400, 401, panel.cutoff + 5])
    everything = events.cell_columns(panel, np.arange(panel.calendar.days), moving)
    for name, column in events.cell_columns(panel, days, moving).items():
        np.testing.assert_array_equal(column, everything[name][:, days])
