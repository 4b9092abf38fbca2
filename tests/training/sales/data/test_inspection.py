"""An inspection says what was found, its use, what is absent and what that costs."""

from pathlib import Path

import pandas as pd

from tests.training.sales.data.own_tables import FIRST, chain, write
from training.sales.data.inspection import inspect_tables


def test_three_columns_are_described_with_the_cost_of_what_is_absent(tmp_path: Path) -> None:
    sales = chain().rename(columns={"store": "shop", "sales": "turnover"}).assign(colour="red")
    inspection = inspect_tables(write(tmp_path, sales=sales, notes="a,b\n1,2\n"))
    text = inspection.text()
    assert not inspection.problems
    for line in (
        f"{tmp_path}: a folder with the sales",
        "  files that are not used: notes.csv",
        "sales: sales.csv, 260 rows, 5 stores, 2023-01-02 to 2023-03-02",
        "  shop      store  identifies the store",
        "  turnover  sales  what is forecast",
        "  not used: colour; declare them in columns.toml to use their past",
        "  promo of sales           the model learns nothing about promotions",
        "  weather                  the model learns nothing about weather",
        "  40 of 300 days between a store's first and last have no row: closed or unknown",
        "  no store has a row on a Sunday, so all count as closed then",
        "  260 rows with sales to train on; the last day with sales is 2023-03-02",
        "  the sales span 60 days; the evaluation holds out 20 instead of 49",
        "  the sales span 60 days, less than a year, so the model can't learn the seasons",
    ):
        assert line in text.splitlines()
    assert "googletrend" not in text


def test_all_seven_files_of_the_lesson_lack_nothing(demo_folder: Path) -> None:
    inspection = inspect_tables(demo_folder)
    assert not inspection.problems
    assert "the fast.ai lesson's folder" in inspection.text()
    assert "plan: test.csv, " in inspection.text()
    assert "absent" not in inspection.text()
    assert "WARNING" not in inspection.text()


def test_problems_are_listed_and_the_rest_is_not(tmp_path: Path) -> None:
    inspection = inspect_tables(write(tmp_path, sales="store,date,sales\n1,2023-01-02,-5\n"))
    assert inspection.tables is None
    assert [problem.column for problem in inspection.problems] == ["sales"]
    assert inspection.text() == f"{tmp_path}: a folder with the sales"
    assert [problem.cause for problem in inspect_tables(tmp_path / "nowhere").problems] == ["no such folder or file"]


def test_sales_of_one_day_are_a_problem(tmp_path: Path) -> None:
    (problem,) = inspect_tables(write(tmp_path, sales=chain(days=1))).problems
    assert problem.cause == "all sales are of one day, and training holds out the last days"


def test_remarks_about_days_without_sales_and_constant_sales(tmp_path: Path) -> None:
    frame = chain().assign(sales=lambda days: (days["store"] > 1) * 100)
    text = inspect_tables(write(tmp_path / "derived", sales=frame)).text()
    assert "52 rows without sales: counted as closed; add the column open if the store was open" in text
    assert "all sales are 100, so every forecast of an open day will be that" in text
    text = inspect_tables(write(tmp_path / "stated", sales=frame.assign(open=1))).text()
    assert "not trained on: 52 open days without sales" in text


def test_late_stores_and_rows_after_the_last_sales_are_reported(tmp_path: Path) -> None:
    frame = chain()
    late = frame[(frame["store"] > 1) | (frame["date"] < FIRST + 50)]
    filled = pd.concat([late, pd.DataFrame({"store": [1], "date": [FIRST + 90], "sales": [0.0]})])
    text = inspect_tables(write(tmp_path, sales=filled)).text()
    assert "WARNING: 1 of 5 stores have no sales on the last days up to 2023-03-02" in text
    assert "WARNING: no store has sales after 2023-03-02, yet rows follow up to 2023-04-02" in text


def test_one_row_is_no_constant(tmp_path: Path) -> None:
    file = tmp_path / "sales.csv"
    file.write_text("store,date,sales\n1,2024-01-01,5\n")
    text = inspect_tables(file).text()
    assert "sales.csv, 1 row, 1 store, 2024-01-01" in text
    assert "1 row with sales to train on" in text
    assert "every forecast" not in text
    assert "1 rows" not in text
