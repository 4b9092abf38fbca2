"""Tables of any chain: one file or a folder, few columns, and inputs that are wrong in the usual ways."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.sales.data.own_tables import FIRST, assert_same, chain, problems, write
from training.sales.data.panel import NO_STATE, panel_from_tables
from training.sales.data.tables import EVERYWHERE, read_tables

HEADER = "store,date,sales\n"


def test_three_columns_are_enough(tmp_path: Path) -> None:
    frame = chain()
    tables = read_tables(write(tmp_path, sales=frame))
    assert tables.train["Store"].tolist() == frame["store"].tolist()
    assert tables.train["Sales"].tolist() == frame["sales"].tolist()
    assert (tables.train["Date"] == frame["date"]).all()
    assert (tables.train["Open"] == 1).all()
    assert (tables.train[["Promo", "SchoolHoliday"]] == 0).all(axis=None)
    assert (tables.train["StateHoliday"] == "0").all()
    assert tables.store["Store"].tolist() == [1, 2, 3, 4, 5]
    assert {*tables.store_states["State"]} == {EVERYWHERE}
    assert tables.test.empty
    assert tables.weather.empty
    assert not tables.synthetic


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV"])
def test_one_file_equals_a_folder_with_sales(tmp_path: Path, suffix: str) -> None:
    frame = chain()
    folder = write(tmp_path / "folder", sales=frame)
    file = tmp_path / f"turnover of 2023{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(file)
    else:
        frame.to_csv(file, index=False)
    assert_same(read_tables(file), read_tables(folder))


def test_parquet_types_are_read_like_texts(tmp_path: Path) -> None:
    frame = chain().assign(promo=lambda days: days["store"] == 2, state_holiday="0", customers=7)
    expected = read_tables(write(tmp_path / "folder", sales=frame))
    changed = frame.assign(
        store=frame["store"].astype("Int64"),
        date=frame["date"].dt.date,
        promo=frame["promo"].astype("boolean"),
        state_holiday=0,
        customers=frame["customers"].astype("float32"),
    )
    changed.set_index(["store", "date"]).to_parquet(tmp_path / "sales.parquet")
    assert_same(read_tables(tmp_path / "sales.parquet"), expected)
    frame.assign(date=frame["date"].dt.tz_localize("Europe/Berlin")).to_parquet(tmp_path / "zone.parquet")
    assert_same(read_tables(tmp_path / "zone.parquet"), expected)


def test_wrong_values_of_parquet_are_quoted_with_their_rows(tmp_path: Path) -> None:
    frame = chain().assign(sales=lambda days: days["sales"].mask(days.index == 3, -1))
    frame.to_parquet(tmp_path / "sales.parquet")
    (problem,) = problems(tmp_path / "sales.parquet")
    assert (problem.table, problem.column) == ("sales.parquet", "sales")
    assert problem.cause == "negative (row 4: '-1')"


@pytest.mark.parametrize(
    "header",
    ["STORE,Date,Sales", "shop,day,revenue", "unique_id,ds,y", "Store ID,Time-Stamp,UNITS_SOLD", "branch,datetime,qty"],
)
def test_columns_have_other_names_too(tmp_path: Path, header: str) -> None:
    frame = chain()
    expected = read_tables(write(tmp_path / "plain", sales=frame))
    renamed = frame.set_axis(header.replace("Time-Stamp", "timestamp").split(","), axis=1)
    assert_same(read_tables(write(tmp_path / "renamed", sales=renamed)), expected)


def test_a_name_wins_over_an_alias(tmp_path: Path) -> None:
    frame = chain().assign(day="Monday", revenue=1.0)
    tables = read_tables(write(tmp_path, sales=frame))
    assert tables.train["Sales"].tolist() == frame["sales"].tolist()
    assert tables.sources["train"].unused == ("day", "revenue")


def test_two_columns_for_one_name_are_a_problem_that_names_both(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, sales="shop,date,revenue,units\n1,2023-01-02,5,2\n"))
    assert (problem.column, problem.cause) == ("revenue, units", "each of these columns fits sales")
    assert problem.remedy == "keep one of them, or rename one to sales"
    (problem,) = problems(write(tmp_path, sales="store,date,Sales,sales\n1,2023-01-02,5,2\n"))
    assert problem.column == "Sales, sales"


def test_all_optional_tables_are_used(tmp_path: Path) -> None:
    sales = chain().assign(promo=lambda days: (days["store"] == 1).astype(int), visitors=3)
    stores = pd.DataFrame({"store": range(1, 7), "region": ["N", "N", "S", "S", "S", None], "type": list("aabbba")})
    last = FIRST + 60
    plan = pd.DataFrame({"store": [1, 1, 6], "date": [last, last + 1, last], "promo": [1, None, 0], "open": [1, 0, 1]})
    weather = pd.DataFrame({"region": ["N", "S"], "date": FIRST, "temperature": [1.5, 2.5], "rain": [0, 4]})
    tables = read_tables(write(tmp_path, sales=sales, stores=stores, plan=plan, weather=weather))
    assert tables.store["StoreType"].tolist() == list("aabbba")
    assert tables.store["CompetitionDistance"].isna().all()
    assert tables.store_states["State"].tolist() == ["N", "N", "S", "S", "S"]
    np.testing.assert_array_equal(tables.test["Promo"], [1, np.nan, 0])
    assert (tables.test["SchoolHoliday"] == 0).all()  # this chain has none
    assert tables.train["Customers"].tolist() == [3] * len(sales)
    panel = panel_from_tables(tables)
    assert panel.levels["State"] == ("N", "S", NO_STATE)
    assert panel.state.tolist() == [0, 0, 1, 1, 1, 2]
    np.testing.assert_array_equal(panel.weather[:, 0, [1, 9]], [[1.5, 0], [2.5, 4], [np.nan, np.nan]])


def test_a_store_without_a_state_has_unknown_weather(tmp_path: Path) -> None:
    """Its state had the code -1, which took the weather of the last state."""
    stores = pd.DataFrame({"store": range(1, 6), "state": ["N", "N", "S", "S", None]})
    weather = pd.DataFrame({"state": ["N", "S"], "date": FIRST, "temperature": [1.5, 2.5]})
    panel = panel_from_tables(read_tables(write(tmp_path, sales=chain(), stores=stores, weather=weather)))
    assert (panel.state >= 0).all()
    assert np.isnan(panel.weather[panel.state[4]]).all()


def test_the_weather_of_one_place_holds_for_all_stores(tmp_path: Path) -> None:
    weather = pd.DataFrame({"date": [FIRST, FIRST + 1], "mean_temperature": [3, 4]})
    for place in ({}, {"city": "Riga"}):
        panel = panel_from_tables(read_tables(write(tmp_path, sales=chain(), weather=weather.assign(**place))))
        np.testing.assert_array_equal(panel.weather[panel.state, 1, 1], [4] * 5)


def test_a_fact_that_the_plan_lacks_is_assumed(tmp_path: Path) -> None:
    """Its value is not stated, although the row is there. A fact that the sales lack too is not assumed."""
    sales = chain().assign(promo=1)
    plan = pd.DataFrame({"store": [1], "date": [FIRST + 60]})
    tables = read_tables(write(tmp_path, sales=sales, plan=plan))
    assert tables.test[["Open", "Promo"]].isna().all(axis=None)
    assumed = panel_from_tables(tables).calendar.assumed
    assert [int(assumed[0, 60]) >> bit & 1 for bit in range(4)] == [1, 1, 0, 0]  # open, promo, state, school holiday
    assert assumed[0, 0] == 0


# Opening of stores without a column "open".


def test_open_days_alone_make_the_others_closed(tmp_path: Path) -> None:
    panel = panel_from_tables(read_tables(write(tmp_path, sales=chain())))
    weekday = (panel.date + 3) % 7
    np.testing.assert_array_equal(panel.calendar.open[:, weekday == 6], 0)
    np.testing.assert_array_equal(panel.calendar.open[:, weekday < 6], 1)


def test_one_open_sunday_does_not_open_all_sundays(tmp_path: Path) -> None:
    """Among open days alone, the only row on a weekday counted as the rule."""
    frame = chain(days=60, sundays=True)
    once = frame[(frame["date"].dt.day_of_week < 6) | ((frame["store"] == 2) & (frame["date"] == FIRST + 27))]
    panel = panel_from_tables(read_tables(write(tmp_path, sales=once)))
    assert not panel.calendar.open[:, 60:][:, (panel.date[60:] + 3) % 7 == 6].any()


def test_a_store_that_never_opens_on_sundays_stays_closed_where_most_others_open(tmp_path: Path) -> None:
    frame = chain(days=60, sundays=True)
    frame = frame[(frame["date"].dt.day_of_week < 6) | (frame["store"] != 2)]
    panel = panel_from_tables(read_tables(write(tmp_path, sales=frame)))
    sundays = panel.calendar.open[:, 60:][:, (panel.date[60:] + 3) % 7 == 6]
    assert sundays.all(axis=1).tolist() == [True, False, True, True, True]
    assert not sundays[1].any()


def test_a_store_that_sells_on_few_days_is_open_on_its_weekdays(tmp_path: Path) -> None:
    """Tables that list days with sales alone look as if the store were closed on most days."""
    frame = chain(days=360)
    few = frame[(frame["store"] != 2) | (np.random.default_rng(0).random(len(frame)) < 0.4)]
    panel = panel_from_tables(read_tables(write(tmp_path, sales=few)))
    np.testing.assert_array_equal(panel.calendar.open[1, 360:], (panel.date[360:] + 3) % 7 < 6)


def test_listed_days_without_sales_are_closed_unless_open_says_otherwise(tmp_path: Path) -> None:
    frame = chain(sundays=True)
    frame["sales"] = frame["sales"].mask(frame["date"].dt.day_of_week == 6, 0)
    tables = read_tables(write(tmp_path, sales=frame))
    np.testing.assert_array_equal(tables.train["Open"], frame["sales"] > 0)
    panel = panel_from_tables(tables)
    assert not panel.calendar.open[:, (panel.date + 3) % 7 == 6].any()
    stated = read_tables(write(tmp_path, sales=frame.assign(is_open=1)))
    assert (stated.train["Open"] == 1).all()
    assert panel_from_tables(stated).calendar.open.all()


# Ugly inputs.


@pytest.mark.parametrize("scale", [1e-4, 1e12])
def test_sales_of_any_size_are_kept(tmp_path: Path, scale: float) -> None:
    frame = chain().assign(sales=lambda days: days["sales"] * scale)
    panel = panel_from_tables(read_tables(write(tmp_path, sales=frame)))
    assert np.nansum(panel.sales, dtype=np.float64) == pytest.approx(frame["sales"].sum(), rel=1e-6)


@pytest.mark.parametrize(
    "date",
    [
        *("2023-01-02 00:00:00", "2023-01-02T00:00:00Z", "2023-01-02T00:00", "2023-01-02 00:00:00.000+01:00"),
        *("20230102", "2023/01/02", "2023-1-2"),
    ],
)
def test_unambiguous_dates_are_read(tmp_path: Path, date: str) -> None:
    tables = read_tables(write(tmp_path, sales=f"{HEADER}1,{date},5\n"))
    assert tables.train["Date"].astype(str).tolist() == ["2023-01-02"]


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    text = chain().to_csv(index=False)
    expected = read_tables(write(tmp_path / "plain", sales=text))
    assert_same(read_tables(write(tmp_path / "marked", sales="\ufeff" + text)), expected)


@pytest.mark.parametrize(
    ("text", "column", "cause", "remedy"),
    [
        ("", "-", "the file or its first line is empty", "columns' names"),
        (HEADER, "-", "there are no rows below the header", "add them"),
        ("store,sales\n1,5\n", "Date", "the column is missing", "add it; the file has store, sales"),
        (f"{HEADER}1,2023-01-02,-5\n", "sales", "negative (line 2: '-5')", "correct the value or remove the row"),
        (f"{HEADER}1,2023-01-02,0\n", "sales", "0 in every row", "add days with sales"),
        (f"{HEADER}1,2023-01-02,inf\n", "sales", "infinite", "finite number"),
        (f"{HEADER}1,2023-01-02,\n", "sales", "empty (line 2)", "fill it in"),
        (f"{HEADER}1,2023-01-02,5\n1,2023-01-02,5\n", "store, date", "is there already (line 3", "keep one row"),
        (f"{HEADER}1,02/03/2023,5\n", "date", "not clear which number is the month (line 2", "write YYYY-MM-DD"),
        (f"{HEADER}1,Monday,5\n", "date", "not a date", "write YYYY-MM-DD"),
        (f"{HEADER}1,2023-01-02 09:00:00,5\n1,2023-01-02 10:00:00,6\n", "date", "has a time of day", "sum the sales"),
        (f"{HEADER}1,2023-01-02,5\n2,2023-01-02,5\nl3,2023-01-02,5\n", "store", "not a whole number", "number it"),
        (f"{HEADER}Riga,2023-01-02,5\n,2023-01-03,5\n", "store", "empty (line 3)", "fill it in"),
        ("store,date,sales,open\n1,2023-01-02,5,0\n", "open, sales", "closed, yet it has sales", "set Open"),
    ],
)
def test_a_wrong_input_is_one_problem_with_a_remedy(
    tmp_path: Path, text: str, column: str, cause: str, remedy: str
) -> None:
    (problem,) = problems(write(tmp_path, sales=text))
    assert problem.table == "sales.csv"
    assert problem.column == column
    assert cause in problem.cause
    assert remedy in problem.remedy


def test_all_problems_of_one_file_come_at_once(tmp_path: Path) -> None:
    text = (
        f"{HEADER}1,2023-01-02,-5\n1,2023-01-03 14:00,5\nx,2023-01-04,5\n2,1/2/2023,5\n3,2023-01-05,5\n3,2023-01-05,5\n"
    )
    found = [(problem.column, problem.rows) for problem in problems(write(tmp_path, sales=text))]
    assert found == [("store", 1), ("date", 1), ("date", 1), ("sales", 1), ("store, date", 1)]


def test_references_between_own_tables_are_checked(tmp_path: Path) -> None:
    stores = pd.DataFrame({"store": range(1, 5), "state": ["N", "N", "S", "S"]})
    weather = pd.DataFrame({"state": ["N"], "date": FIRST, "rain": 0})
    plan = pd.DataFrame({"store": [1], "date": [FIRST]})
    found = problems(write(tmp_path, sales=chain(), stores=stores, weather=weather, plan=plan))
    assert [(problem.table, problem.column) for problem in found] == [
        ("sales.csv", "store"),
        ("plan.csv", "store, date"),
        ("stores.csv", "state"),
    ]
    assert "not in stores.csv" in found[0].cause
    assert "is in sales.csv too" in found[1].cause
    assert "no weather for this state" in found[2].cause


def test_weather_of_several_places_needs_the_places_of_the_stores(tmp_path: Path) -> None:
    weather = pd.DataFrame({"city": ["Riga", "Cesis"], "date": FIRST, "rain": 0})
    (problem,) = problems(write(tmp_path, sales=chain(), weather=weather))
    assert problem.remedy == "add stores.csv with the columns store and state"
    stores = pd.DataFrame({"store": range(1, 6), "state": ["N", "N", "S", "S", "S"]})
    weather = pd.DataFrame({"date": [FIRST], "rain": 0})
    (problem,) = problems(write(tmp_path, sales=chain(), stores=stores, weather=weather))
    assert "the stores are in 2 states" in problem.cause


# Files.


@pytest.mark.parametrize(
    ("files", "cause", "remedy"),
    [
        ((), "no CSV or Parquet file", "add sales.csv: store, date, sales"),
        (("turnover.csv",), "no sales.csv or sales.parquet", "rename the file with the sales to sales.csv, or name it"),
        (("sales.csv", "sales.parquet"), "two files of one table", "keep one"),
        (("sales.csv", "train.csv"), "two files of one table", "keep one"),
        (("sales.xlsx",), "no CSV or Parquet file", "add sales.csv"),
    ],
)
def test_files_that_fit_no_layout_are_one_problem(
    tmp_path: Path, files: tuple[str, ...], cause: str, remedy: str
) -> None:
    for file in files:
        (tmp_path / file).write_text(HEADER)
    (problem,) = problems(tmp_path)
    assert cause in problem.cause
    assert remedy in problem.remedy


def test_a_file_of_another_format_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "sales.xlsx").write_text("")
    (problem,) = problems(tmp_path / "sales.xlsx")
    assert (problem.cause, problem.remedy) == ("neither .csv nor .parquet", "save it as CSV or Parquet")
    (tmp_path / "sales.parquet").write_text(HEADER)
    (problem,) = problems(tmp_path / "sales.parquet")
    assert problem.cause.startswith("not Parquet")
