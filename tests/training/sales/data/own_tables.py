"""Tables of a made-up chain with three columns, their files, and what reading them gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from training.sales.data.columns import COLUMNS
from training.sales.data.problems import TableProblem, TablesError
from training.sales.data.tables import Tables, read_tables

FIRST = np.datetime64("2023-01-02")  # a Monday


def chain(*, stores: int = 5, days: int = 60, sundays: bool = False) -> pd.DataFrame:
    """Return store, date and sales of a chain: 1,000 times the store's number, more on Saturdays, with noise."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        [(store + 1, FIRST + day) for day in range(days) for store in range(stores) if sundays or day % 7 < 6],
        columns=["store", "date"],
    )
    factor = np.where(frame["date"].dt.day_of_week == 5, 1.3, 1.0) * np.exp(0.1 * rng.standard_normal(len(frame)))
    return frame.assign(sales=(1000 * frame["store"] * factor).round(2))


def write(folder: Path, **tables: pd.DataFrame | str | bytes) -> Path:
    """Write CSV files by their stems, from frames or texts, and return the folder."""
    folder.mkdir(exist_ok=True)
    for stem, table in tables.items():
        text = table.to_csv(index=False) if isinstance(table, pd.DataFrame) else table
        (folder / f"{stem}.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def assert_same(one: Tables, other: Tables) -> None:
    """Assert that all tables are equal."""
    for table in COLUMNS:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def problems(path: Path) -> list[TableProblem]:
    """Return the problems of tables that can't be read."""
    with pytest.raises(TablesError) as caught:
        read_tables(path)
    return caught.value.problems
