"""Columns of the user's own, compared with slow implementations."""

from dataclasses import replace

import numpy as np
import pytest

from sales.columns import own
from sales.columns.own import OwnColumn, OwnHistory, OwnStatements
from sales.panel import Panel
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables

COLUMNS = (
    OwnColumn("area", "cont", "store", known_ahead=True),
    OwnColumn("brand", "cat", "store", known_ahead=True),
    OwnColumn("index", "cont", "day", known_ahead=False),
    OwnColumn("season", "cat", "day", known_ahead=True),
    OwnColumn("price", "cont", "cell", known_ahead=True),
    OwnColumn("visits", "cont", "cell", known_ahead=False),
    OwnColumn("shelf", "cat", "cell", known_ahead=False),
)


@pytest.fixture(scope="module")
def panel(demo_tables: Tables) -> Panel:
    """The demonstration's panel with a column of each kind, with gaps."""
    base = panel_from_tables(demo_tables)
    rng = np.random.default_rng(0)
    stores, days = base.calendar.open.shape

    def drawn(*shape: int, codes: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        grid = rng.integers(0, codes, shape).astype(np.float32) if codes else rng.normal(size=shape).astype(np.float32)
        grid[rng.random(shape) < 0.3] = np.nan
        grid[..., base.cutoff + 10 :] = np.nan
        return grid

    words = {"own.brand": ("A", "B"), "own.season": ("dry", "wet"), "own.shelf": ("low", "top", "wall")}
    return replace(
        base,
        levels={**base.levels, **own.levels_of(COLUMNS), **words},
        own_store=np.stack([rng.normal(size=stores), rng.integers(0, 2, stores)]).astype(np.float32),
        own_day=np.stack([drawn(days), drawn(days, codes=2)]),
        own_cell=np.stack([drawn(stores, days), drawn(stores, days), drawn(stores, days, codes=3)]),
    )


def test_declarations_survive_the_levels(panel: Panel) -> None:
    assert own.own_columns(panel) == COLUMNS
    assert own.own_columns(replace(panel, levels={})) == ()
    names = own.feature_set(panel)
    assert names.cat_names == ("own.brand", "own.season", "own.shelf")
    assert names.cont_names == ("own.area", "own.index", "own.price", "own.visits")


def test_columns_known_ahead_continue_with_their_last_value(panel: Panel) -> None:
    tables = own.tables(panel)
    assert {name: {*table} for name, table in tables.items()} == {
        "store": {"own.area", "own.brand"},
        "day": {"own.season"},
        "cell": {"own.price"},
    }
    np.testing.assert_array_equal(tables["store"]["own.area"], panel.own_store[0])
    price, season = tables["cell"]["own.price"], tables["day"]["own.season"]
    stated_price, stated_season = panel.own_cell[0], panel.own_day[1]
    for store in range(3):
        last = np.nan
        for day in range(panel.calendar.days):
            value = stated_price[store, day]
            last = last if np.isnan(value) else value
            np.testing.assert_array_equal(price[store, day], last if day > panel.cutoff else value)
    known = [code for code in stated_season if not np.isnan(code)]
    assert season[-1] == known[-1]
    past = slice(0, panel.cutoff + 1)
    np.testing.assert_array_equal(season[past], np.where(np.isnan(stated_season[past]), -1, stated_season[past]))


def test_columns_not_known_ahead_equal_slow_means_and_last_words(panel: Panel) -> None:
    history = OwnHistory(panel)
    assert history.names == ("own.index", "own.visits", "own.shelf")
    rng = np.random.default_rng(1)
    store = rng.integers(0, len(panel.sales), 300)
    origin = np.concatenate([[-5, -1, 0, 1, panel.cutoff], rng.integers(0, panel.cutoff + 1, 295)])
    columns = history.columns(store, origin)
    for row, (s, o) in enumerate(zip(store.tolist(), origin.tolist(), strict=True)):
        for name, grid in (("own.index", panel.own_day[0]), ("own.visits", panel.own_cell[1][s])):
            seen = [float(grid[day]) for day in range(max(o - 27, 0), o + 1) if not np.isnan(grid[day])]
            expected = sum(seen) / len(seen) if seen else np.nan
            np.testing.assert_allclose(columns[name][row], expected, rtol=1e-4, atol=1e-6)
        words = [int(code) for code in panel.own_cell[2][s][: max(o + 1, 0)] if not np.isnan(code)]
        assert columns["own.shelf"][row] == (words[-1] if words else -1)


def test_values_after_the_cutoff_change_no_history(panel: Panel) -> None:
    later = panel.own_cell.copy()
    later[1:, :, panel.cutoff + 1 :] = 0
    store, origin = np.arange(len(panel.sales)), np.full(len(panel.sales), panel.cutoff)
    for name, column in OwnHistory(panel).columns(store, origin).items():
        np.testing.assert_array_equal(OwnHistory(replace(panel, own_cell=later)).columns(store, origin)[name], column)


def test_days_without_a_value_known_ahead_are_assumed(panel: Panel) -> None:
    names = own.feature_set(panel).names
    assumed = own.assumed(panel, names)
    missing = np.isnan(panel.own_cell[0]) | np.isnan(panel.own_day[1])
    missing[:, : panel.cutoff + 1] = False
    np.testing.assert_array_equal(assumed, missing)
    assert not own.assumed(panel, ("own.area", "own.visits")).any()
    np.testing.assert_array_equal(
        own.assumed(panel, ("own.season",))[3, panel.cutoff + 1 :], np.isnan(panel.own_day[1, panel.cutoff + 1 :])
    )


def test_statements_are_read_by_kind(panel: Panel) -> None:
    statements = OwnStatements(panel, own.feature_set(panel).names)
    assert statements.known_ahead == {"season", "price"}
    assert statements.read({"price": 2, "season": "wet"}) == {"own.price": 2.0, "own.season": 1}
    assert statements.read({"season": "monsoon", "visits": 3, "colour": "red"}) == {"own.season": 2}
    assert np.isnan(statements.read({"price": "dear"})["own.price"])
    assert OwnStatements(panel, ("own.area",)).read({"price": 2}) == {}


def test_stated_values_are_those_of_the_tables(panel: Panel) -> None:
    day = panel.cutoff + 3
    for store in range(len(panel.sales)):
        price, season = panel.own_cell[0, store, day], panel.own_day[1, day]
        expected = {} if np.isnan(season) else {"season": ("dry", "wet")[int(season)]}
        expected |= {} if np.isnan(price) else {"price": float(price)}
        assert own.stated(panel, store, day) == expected
