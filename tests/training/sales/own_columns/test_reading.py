"""Columns of the user's own: which columns of the tables count, their kinds and values, and wrong declarations."""

from pathlib import Path

import numpy as np
import pandas as pd

from sales.columns.own import OwnColumn, own_columns
from sales.panel import Panel
from tests.training.sales.data.own_tables import FIRST, chain, problems, write
from training.sales.data.inspection import inspect_tables
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables, read_tables
from training.sales.fits.windows import tables_until

STORES = pd.DataFrame({"store": range(1, 6), "Floor Area": [90, 120, None, 75.5, 300], "chain": list("AABBC")})


def with_price() -> pd.DataFrame:
    """Return sales with a price, a category and an uncommented column, by store and day."""
    frame = chain(days=30)
    day = frame["date"].dt.day
    return frame.assign(
        price=1 + frame["store"] / 10 + day / 100, shelf=np.where(day % 2, "top", "low"), cost=7.5 + day
    )


def plan_of(days: int = 10) -> pd.DataFrame:
    frame = chain(stores=5, days=30 + days, sundays=True)
    later = frame[frame["date"] >= pd.Timestamp(FIRST + 30)]
    return later[["store", "date"]].assign(PRICE=9.5)


def declare(folder: Path, text: str) -> None:
    (folder / "columns.toml").write_text(text)


def grids(panel: Panel) -> dict[str, tuple[int, ...]]:
    return {name: getattr(panel, f"own_{name}").shape for name in ("store", "day", "cell")}


def test_columns_of_stores_and_those_of_sales_and_plan_are_used(tmp_path: Path) -> None:
    """A column of the sales alone is not used: nobody knows its future values."""
    folder = write(tmp_path, sales=with_price(), plan=plan_of(), stores=STORES)
    tables = read_tables(folder)
    assert [table.column for table in tables.own_columns] == [
        OwnColumn("price", "cont", "cell", known_ahead=True),
        OwnColumn("Floor Area", "cont", "store", known_ahead=True),
        OwnColumn("chain", "cat", "store", known_ahead=True),
    ]
    assert tables.sources["train"].unused == ("shelf", "cost")
    assert tables.sources["store"].unused == ()
    panel = panel_from_tables(tables)
    assert own_columns(panel) == tuple(table.column for table in tables.own_columns)
    days = panel.calendar.days
    assert grids(panel) == {"store": (2, 5), "day": (0, days), "cell": (1, 5, days)}
    np.testing.assert_array_equal(panel.own_store[0], np.float32([90, 120, np.nan, 75.5, 300]))
    assert panel.levels["own.chain"] == ("A", "B", "C")
    assert panel.own_store[1].tolist() == [0, 0, 1, 1, 2]
    for row in with_price().head(50).to_dict("records"):
        day = (row["date"] - pd.Timestamp(FIRST)).days
        assert panel.own_cell[0, row["store"] - 1, day] == np.float32(row["price"])
    assert (panel.own_cell[0, :, 30:40] == 9.5).all()
    assert np.isnan(panel.own_cell[0, :, 40:]).all()
    copy = Panel.of({name: np.array(array) for name, array in panel.arrays().items()}, panel.levels)
    np.testing.assert_array_equal(copy.own_cell, panel.own_cell)


def test_declared_columns_are_used_as_declared(tmp_path: Path) -> None:
    folder = write(tmp_path, sales=with_price(), stores=STORES)
    declare(
        folder,
        '[shelf]\nknown_ahead = true\nwords = ["low", "middle", "top"]\n'
        '[cost]\nby = "day"\n[price]\nkind = "category"\n[chain]\nuse = false\n',
    )
    tables = read_tables(folder)
    assert {table.column.name: table.column[1:] for table in tables.own_columns} == {
        "price": ("cat", "cell", False),
        "shelf": ("cat", "cell", True),
        "cost": ("cont", "day", False),
        "Floor Area": ("cont", "store", True),
    }
    panel = panel_from_tables(tables)
    assert panel.levels["own.shelf"] == ("low", "middle", "top")
    assert panel.own_day[0, :3].tolist() == [9.5, 10.5, 11.5]
    assert tables.sources["store"].unused == ("chain",)


def test_values_after_a_cutoff_are_known_only_ahead(tmp_path: Path) -> None:
    folder = write(tmp_path, sales=with_price())
    declare(folder, "[price]\nknown_ahead = true\n[cost]\n")
    cutoff = FIRST + 20
    panel = panel_from_tables(tables_until(read_tables(folder), cutoff, cutoff + 5), cutoff=cutoff)
    price, cost = panel.own_cell
    assert [np.isnan(grid[0, 15:28]).tolist() for grid in (price, cost)] == [
        [False] * 5 + [True] + [False] * 5 + [True] * 2,  # day 20 is a Sunday
        [False] * 5 + [True] * 8,
    ]


def test_comments_and_names_are_no_categories(tmp_path: Path) -> None:
    """A text with a different word in each row would be known by heart."""
    stores = pd.DataFrame({"store": range(1, 81), "manager": [f"Person {index}" for index in range(80)]})
    tables = read_tables(write(tmp_path, sales=chain(stores=80, days=20), stores=stores))
    assert tables.own_columns == ()
    assert tables.sources["store"].unused == ("manager",)


def test_wrong_declarations_and_values_are_named_at_once(tmp_path: Path) -> None:
    sales = with_price().assign(price=lambda days: days["price"].astype(object).mask(days.index == 3, "dear"))
    folder = write(tmp_path, sales=sales)
    declare(
        folder,
        '[price]\nkind = "number"\n[shelf]\nwords = ["top"]\n[prize]\n[cost]\nby = "week"\nahead = true\nuse = 1\n',
    )
    found = [(problem.table, problem.column, problem.cause) for problem in problems(folder)]
    assert ("sales.csv", "price", "not a number (line 5: 'dear')") in found
    assert ("columns.toml", "prize", "no table has this column") in found
    assert ("columns.toml", "cost", "by is 'week'") in found
    assert ("columns.toml", "cost", "unknown option 'ahead'") in found
    assert ("columns.toml", "cost", "use is 1") in found
    (words,) = [cause for table, column, cause in found if (table, column) == ("sales.csv", "shelf")]
    assert words.startswith("not one of the words in columns.toml (line")
    assert len(found) == 6
    declare(folder, "price = 3\n")
    assert [problem.cause for problem in problems(folder)] == ["not a table of options"]
    declare(folder, "[price\n")
    assert problems(folder)[0].cause.startswith("not TOML")


def test_parquet_has_the_same_columns(tmp_path: Path) -> None:
    write(tmp_path / "csv", sales=with_price(), stores=STORES)
    declare(tmp_path / "csv", "[price]\n[shelf]\n")
    declare(write(tmp_path / "parquet"), "[price]\n[shelf]\n")
    with_price().to_parquet(tmp_path / "parquet" / "sales.parquet")
    STORES.to_parquet(tmp_path / "parquet" / "stores.parquet")
    one, other = (panel_from_tables(read_tables(tmp_path / kind)) for kind in ("csv", "parquet"))
    assert one.levels == other.levels
    for name in ("own_store", "own_day", "own_cell"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_lessons_tables_have_no_own_columns(demo_tables: Tables) -> None:
    assert demo_tables.own_columns == ()


def test_an_inspection_tells_what_each_column_becomes(tmp_path: Path) -> None:
    folder = write(tmp_path, sales=with_price(), plan=plan_of(), stores=STORES)
    declare(folder, "[shelf]\n")
    lines = [" ".join(line.split()) for line in inspect_tables(folder).text().splitlines()]
    ahead = "known ahead: from the plan or the request; the last value where neither states it"
    assert f"price number by store and day {ahead}" in lines
    shelf = "shelf category of 2 words by store and day not known ahead: the mean of 28 days before a forecast, or the "
    assert f"{shelf}last word" in lines
    assert "Floor Area number by store attribute of the store" in lines
    assert "not used: cost; declare them in columns.toml to use their past" in lines
