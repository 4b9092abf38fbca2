"""Stores that have names are numbered from 1, and problems quote the names."""

from pathlib import Path

import pandas as pd
import pytest

from tests.training.sales.data.own_tables import FIRST, assert_same, chain, problems, write
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import read_tables


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with names in place of the stores' numbers."""
    return frame.assign(store=frame["store"].map(lambda store: f"City {store:03d}"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_stores_may_have_names(tmp_path: Path, suffix: str) -> None:
    frame = chain()
    expected = read_tables(write(tmp_path / "numbers", sales=frame))
    if suffix == ".csv":
        write(tmp_path, sales=named(frame))
    else:
        named(frame).to_parquet(tmp_path / "sales.parquet")
    tables = read_tables(tmp_path / f"sales{suffix}")
    assert_same(tables, expected)  # the stores are numbered from 1
    assert tables.store_ids == ("City 001", "City 002", "City 003", "City 004", "City 005")
    assert panel_from_tables(tables).store_ids == tables.store_ids
    assert panel_from_tables(expected).store_ids == (1, 2, 3, 4, 5)


def test_names_of_stores_join_tables_and_are_quoted_in_problems(tmp_path: Path) -> None:
    stores = pd.DataFrame({"store": ["A", "B", "7"], "state": ["N", "S", "S"]})
    sales = pd.DataFrame({"store": ["B", " A", "7"], "date": FIRST, "sales": [1, 2, 3]})
    panel = panel_from_tables(read_tables(write(tmp_path, sales=sales, stores=stores)))
    assert panel.store_ids == ("7", "A", "B")
    assert panel.state.tolist() == [1, 0, 1]
    assert panel.sales[:, 0].tolist() == [3, 2, 1]
    sales.loc[3] = ["C", FIRST, 4]
    sales.loc[4] = ["B", FIRST, 4]
    found = problems(write(tmp_path, sales=sales, stores=stores))
    assert [problem.cause for problem in found] == [
        "is there already (line 6: 'B, 2023-01-02')",
        "not in stores.csv (line 5: 'C')",
    ]


def test_events_of_named_stores_are_found(tmp_path: Path) -> None:
    events = pd.DataFrame({"event": ["fair"], "from": [FIRST], "to": [FIRST + 1], "store": ["City 004"]})
    panel = panel_from_tables(read_tables(write(tmp_path, sales=named(chain()), events=events)))
    assert panel.own_events.tolist() == [[1, 0, 1, 3, -1]]
