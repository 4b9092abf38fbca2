"""The fast.ai lesson's seven tables: Kaggle's quoting is read, and all problems are reported at once.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sales.calendar import STATE_HOLIDAYS
from training.sales.data.columns import COLUMNS
from training.sales.data.problems import TableProblem, TablesError
from training.sales.data.table_checks import COUNTRY
from training.sales.data.tables import ModeError, Tables, read_tables

WEATHER_HEADER = (
    "file,Date,Max_TemperatureC,Mean_TemperatureC,Min_TemperatureC,Max_Humidity,Mean_Humidity,Min_Humidity,"
    "Max_Wind_SpeedKm_h,Mean_Wind_SpeedKm_h,CloudCover,Events"
)
FILES = {
    "train": """\
"Store","DayOfWeek","Date","Sales","Customers","Open","Promo","StateHoliday","SchoolHoliday"
1,5,2015-01-02,5263,555,1,1,"0","1"
2,5,2015-01-02,6064,625,1,1,0,"0"
1,4,2015-01-01,0,0,0,1,"a","1"
2,4,2015-01-01,0,0,0,1,"a","0"
""",
    "test": """\
"Id","Store","DayOfWeek","Date","Open","Promo","StateHoliday","SchoolHoliday"
7,1,6,2015-01-03,1,0,"0","1"
8,2,6,2015-01-03,,0,"c","0"
""",
    "store": """\
"Store","StoreType","Assortment","CompetitionDistance","CompetitionOpenSinceMonth","CompetitionOpenSinceYear","Promo2",\
"Promo2SinceWeek","Promo2SinceYear","PromoInterval"
1,"c","a",1270,9,2008,0,,,""
2,"a","a",,,,1,13,2010,"Mar,Jun,Sept,Dec"
""",
    "store_states": 'Store,State\n1,HE\n2,"HB,NI"\n',
    "state_names": 'StateName,State\nHessen,HE\nNiedersachsen,"HB,NI"\nBremen,HB\n',
    "googletrend": """\
file,week,trend
Rossmann_DE,2014-12-28 - 2015-01-03,77
Rossmann_DE_HE,2014-12-28 - 2015-01-03,70
Rossmann_DE_NI,2014-12-28 - 2015-01-03,60
""",
    "weather": f"""\
{WEATHER_HEADER}
Hessen,2015-01-01,8,3,-2,93,80,51,23,6,6.0,Fog-Rain
Hessen,2015-01-02,8,3,-2,93,80,51,23,6,,
Niedersachsen,2015-01-01,8,3,-2,93,80,51,23,6,6.0,
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for table, text in FILES.items():
        (tmp_path / f"{table}.csv").write_text(text)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def problems(folder: Path) -> list[TableProblem]:
    with pytest.raises(TablesError) as caught:
        read_tables(folder)
    return caught.value.problems


def same(one: Tables, other: Tables) -> None:
    for table in COLUMNS:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def test_every_column_is_read(folder: Path) -> None:
    tables = read_tables(folder)
    train = tables.train
    assert train["Store"].tolist() == [1, 2, 1, 2]
    assert train["Date"].dtype == np.dtype("datetime64[s]")
    assert train["Date"].astype(str).tolist() == ["2015-01-02", "2015-01-02", "2015-01-01", "2015-01-01"]
    assert train["Sales"].tolist() == [5263, 6064, 0, 0]
    assert train["StateHoliday"].cat.codes.tolist() == [0, 0, 1, 1]  # "0" and a bare 0 are the same
    assert tuple(train["StateHoliday"].cat.categories) == STATE_HOLIDAYS
    assert train["SchoolHoliday"].tolist() == [1, 0, 1, 0]
    assert {str(train[name].dtype) for name in ("Open", "Promo", "SchoolHoliday")} == {"int8"}
    np.testing.assert_array_equal(tables.test["Open"], [1, np.nan])
    assert tables.test["Id"].tolist() == [7, 8]
    assert tables.test["StateHoliday"].tolist() == ["0", "c"]
    np.testing.assert_array_equal(tables.store["CompetitionDistance"], [1270, np.nan])
    assert tables.store["PromoInterval"].isna().tolist() == [True, False]
    assert tables.store_states["State"].tolist() == ["HE", "HB,NI"]
    assert tables.weather["State"].tolist() == ["HE", "HE", "HB,NI"]
    assert tables.weather["Events"].isna().tolist() == [False, True, True]
    assert tables.googletrend["State"].tolist() == [COUNTRY, "HE", "HB,NI"]
    assert tables.googletrend["Date"].astype(str).tolist() == ["2014-12-28"] * 3


def test_a_state_that_is_really_called_ni_keeps_its_trend(folder: Path) -> None:
    for table in ("state_names", "store_states"):
        edit(folder / f"{table}.csv", '"HB,NI"', "NI")
    assert read_tables(folder).googletrend["State"].tolist() == [COUNTRY, "HE", "NI"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(lambda text: text.rstrip("\n").encode(), id="no newline at the end"),
        pytest.param(lambda text: text.replace("\n", "\n\n").encode()[:-1], id="blank lines"),
        pytest.param(lambda text: text.replace(",,", ",NA,").encode(), id="NA for empty"),
        pytest.param(lambda text: text.replace("\n", ",more\n").encode(), id="a column that nobody knows"),
    ],
)
def test_harmless_differences_do_not_matter(folder: Path, change: Callable[[str], bytes]) -> None:
    expected = read_tables(folder)
    for table, text in FILES.items():
        if table in ("train", "test"):
            (folder / f"{table}.csv").write_bytes(change(text))
    same(read_tables(folder), expected)


def test_the_order_of_rows_and_columns_does_not_matter(folder: Path) -> None:
    expected = read_tables(folder)
    order = random.Random(3)
    tables = [table for table in COLUMNS if (folder / f"{table}.csv").exists()]
    for table in tables:
        frame = pd.read_csv(folder / f"{table}.csv", dtype=str, keep_default_na=False)
        frame = frame[order.sample(list(frame), frame.shape[1])].iloc[::-1]
        frame.to_csv(folder / f"{table}.csv", index=False)
    mixed = read_tables(folder)
    turned = {table: getattr(mixed, table).iloc[::-1].reset_index(drop=True) for table in COLUMNS}
    same(Tables(**turned), expected)


def test_pandas_own_flags_and_whole_floats_are_read(folder: Path) -> None:
    expected = read_tables(folder)
    frame = pd.read_csv(folder / "test.csv")
    frame["SchoolHoliday"] = frame["SchoolHoliday"] == 1
    frame["Store"] = frame["Store"].astype(float)
    frame.to_csv(folder / "test.csv", index=False)
    assert "True" in (folder / "test.csv").read_text()
    same(read_tables(folder), expected)


def test_gaps_written_by_other_programs_are_gaps(folder: Path) -> None:
    expected = read_tables(folder)
    edit(folder / "store.csv", '2,"a","a",,,,1', "2,a,a,NA,None,nan,1")
    edit(folder / "store.csv", ',,,""', ",NULL,NaN,NA")
    edit(folder / "weather.csv", "6,,\n", "6,nan,nan\n")
    same(read_tables(folder), expected)


def test_a_state_may_be_called_na(folder: Path) -> None:
    for table in ("state_names", "store_states"):
        edit(folder / f"{table}.csv", "HE", "NA")
    edit(folder / "googletrend.csv", "DE_HE", "DE_NA")
    assert read_tables(folder).weather["State"].tolist() == ["NA", "NA", "HB,NI"]


def test_states_may_be_numbers_with_leading_zeros(folder: Path) -> None:
    for code, number in (("HE", "06"), ('"HB,NI"', "03")):
        for table in ("state_names", "store_states"):
            edit(folder / f"{table}.csv", code, number)
    edit(folder / "state_names.csv", ",HB", ",04")
    edit(folder / "googletrend.csv", "DE_HE", "DE_06")
    edit(folder / "googletrend.csv", "DE_NI", "DE_03")
    tables = read_tables(folder)
    assert tables.store_states["State"].tolist() == ["06", "03"]
    assert tables.googletrend["State"].tolist() == [COUNTRY, "06", "03"]


@pytest.mark.parametrize("date", ["inf", "42004.5"])
def test_a_column_of_numbers_instead_of_dates_is_quoted_as_it_is(folder: Path, date: str) -> None:
    for old in ("2015-01-03", "2015-01-03"):
        edit(folder / "test.csv", old, date)
    (problem,) = problems(folder)
    assert (problem.column, problem.rows) == ("Date", 2)
    assert problem.cause == f"not a date (line 2: '{date}', ...)"


def test_optional_columns_may_be_missing(folder: Path) -> None:
    for table, name in (("train", "Customers"), ("test", "Id")):
        pd.read_csv(folder / f"{table}.csv").drop(columns=name).to_csv(folder / f"{table}.csv", index=False)
    tables = read_tables(folder)
    assert "Customers" not in tables.train
    assert tables.test["Id"].tolist() == [1, 2]


# table, what stands there, what is put there; then column, rows, cause and remedy (in part) of the only problem
ONE_PROBLEM = [
    (
        "train",
        "1,4,2015-01-01,",
        "1,4,2015-01-02,",
        "Store, Date",
        1,
        "there already (line 4: '1, 2015-01-02')",
        "one row",
    ),
    ("test", "8,2,6", "8,1,6", "Store, Date", 1, "there already (line 3: '1, 2015-01-03')", "one row"),
    ("test", "8,2,6", "7,2,6", "Id", 1, "there already (line 3: '7')", "one row"),
    ("test", "1,6,2015-01-03", "1,6,2015-01-01", "Store, Date", 1, "in train.csv too (line 2", "later days"),
    ("train", "5263", "-1", "Sales", 1, "negative (line 2: '-1", "correct"),
    ("train", "5263", '"5,263"', "Sales", 1, "not a number (line 2: '5,263')", "digits"),
    ("train", "5263", "", "Sales", 1, "empty (line 2)", "fill"),
    ("train", "5263", "inf", "Sales", 1, "infinite (line 2: 'inf')", "finite"),
    ("train", "4,2015-01-01", "4,01.01.2015", "Date", 1, "not a date (line 4: '01.01.2015')", "YYYY-MM-DD"),
    ("train", "4,2015-01-01", "4,2015-02-30", "Date", 1, "not a date (line 4: '2015-02-30')", "YYYY-MM-DD"),
    ("train", "4,2015-01-01", "4,1015-01-01", "Date", 1, "not between", "year"),
    ("train", "4,2015-01-01", "4,", "Date", 1, "empty (line 4)", "fill"),
    ("train", '1,1,"0","1"', '1,2,"0","1"', "Promo", 1, "neither 0 nor 1 (line 2: '2", "0 or 1"),
    ("train", '1,1,"0","1"', '1,1,"0","yes"', "SchoolHoliday", 1, "not a number (line 2: 'yes')", "digits"),
    ("train", '1,1,"0","1"', '1,1,"d","1"', "StateHoliday", 1, "not a holiday code (line 2: 'd')", "a (public)"),
    ("train", '1,1,"0","1"', '1,1,,"1"', "StateHoliday", 1, "empty (line 2)", "fill"),
    (
        "train",
        '555,1,1,"0"',
        '555,0,1,"0"',
        "Open, Sales",
        1,
        "closed, yet it has sales (line 2: '0, 5263')",
        "set Open",
    ),
    ("train", '555,1,1,"0"', '555,,1,"0"', "Open", 1, "empty (line 2)", "fill"),
    ("train", '"Sales"', '"Slaes"', "Sales", 0, "missing", "rename 'Slaes' to 'sales'"),
    ("train", '"Sales"', '"Income"', "Sales", 0, "missing", "the file has Store, DayOfWeek, Date"),
    ("train", '"Customers"', '"Sales"', "Sales", 0, "twice", "keep one"),
    ("store", '2,"a"', '1,"b","b",,,,0,,,""\n2,"a"', "Store", 1, "there already (line 3: '1')", "one row"),
    ("store", "1270", "near", "CompetitionDistance", 1, "not a number (line 2: 'near')", "digits"),
    ("store", ",9,2008", ",13,2008", "CompetitionOpenSinceMonth", 1, "above 12 (line 2: '13", "correct"),
    ("store", ",9,2008", ",9.5,2008", "CompetitionOpenSinceMonth", 1, "not a whole number (line 2: '9.5')", "whole"),
    ("store", ",9,2008", ",9,8", "CompetitionOpenSinceYear", 1, "below 1800 (line 2: '8", "correct"),
    ("store", "Sept", "September", "PromoInterval", 1, "not a list of months (line 3", "Jan,Apr,Jul,Oct"),
    ("store", "13,2010", "53,2010", "Promo2SinceWeek, Promo2SinceYear", 1, "52 weeks (line 3: '53, 2010')", "correct"),
    ("store_states", "1,HE", "1,", "State", 1, "empty (line 2)", "fill"),
    ("state_names", "Bremen,HB", "Hessen,HB", "StateName", 1, "there already (line 4: 'Hessen')", "one row"),
    (
        "googletrend",
        "HE,2014-12-28 - 2015-01-03",
        "HE,2014-12",
        "week",
        1,
        "not a week (line 3: '2014-12')",
        "last day",
    ),
    ("googletrend", "2015-01-03,70", "2015-01-04,70", "week", 1, "not a week (line 3", "last day"),
    ("googletrend", "DE_HE", "DE", "file, Date", 1, "there already (line 3: 'Rossmann_DE, 2014-12-28')", "one row"),
    ("googletrend", "DE_HE", "DE_XX", "State", 1, "not in state_names.csv (line 3: 'XX')", "add it to state_names"),
    ("googletrend", "Rossmann_DE,", "Rossmann_DE_HB,", "file", 0, "no trend of the whole country", "add its weeks"),
    ("weather", "Hessen,2015-01-02", "Hessen,2015-01-01", "file, Date", 1, "there already (line 3", "one row"),
    (
        "weather",
        "Hessen,2015-01-02",
        "Hesse,2015-01-02",
        "file",
        1,
        "not in state_names.csv (line 3: 'Hesse')",
        "add it",
    ),
    ("weather", "93,80,51", "93,?,51", "Mean_Humidity", 1, "not a number (line 2: '?')", "digits"),
    ("weather", "93,80,51", "93,800,51", "Mean_Humidity", 1, "above 100 (line 2: '800", "correct"),
    ("store_states", "1,HE", "1,HB", "State", 1, "no weather for this state (line 2: 'HB')", "weather.csv"),
    ("store_states", "1,HE", "1,XX", "State", 1, "not in state_names.csv (line 2: 'XX')", "state_names.csv"),
]


@pytest.mark.parametrize(("table", "old", "new", "column", "rows", "cause", "remedy"), ONE_PROBLEM)
def test_one_mistake_is_one_problem(
    folder: Path, table: str, old: str, new: str, column: str, rows: int, cause: str, remedy: str
) -> None:
    edit(folder / f"{table}.csv", old, new)
    (problem,) = problems(folder)
    assert (problem.table, problem.column, problem.rows) == (f"{table}.csv", column, rows)
    assert cause in problem.cause
    assert remedy in problem.remedy


@pytest.mark.parametrize("table", ["train", "test"])
@pytest.mark.parametrize("other", ["store", "store_states"])
def test_a_store_without_a_description_is_a_problem(folder: Path, table: str, other: str) -> None:
    file = folder / f"{other}.csv"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith("2,")))
    found = {problem.table: problem for problem in problems(folder)}
    assert set(found) == {"train.csv", "test.csv"}
    assert f"not in {other}.csv (line 3: '2'" in found[f"{table}.csv"].cause
    assert found["train.csv"].rows == 2


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (FILES["store"].split("\n")[0].encode(), "no rows"),
        (FILES["store"].replace('"c"', '"c\xfc"').encode("latin-1"), "not UTF-8"),
        (FILES["store"].encode("utf-16"), "not UTF-8"),
        (FILES["store"].replace('2,"a","a"', '2,"a","a",1,1').encode(), "in line 3, saw 12"),
        (FILES["store"].replace('0,,,""', '0,,,"",x').encode(), "line 2 has more fields"),
        (FILES["store"].replace('Dec"', "Dec").encode(), "not CSV"),
    ],
)
def test_a_file_that_is_no_table_is_one_problem(folder: Path, content: bytes, cause: str) -> None:
    file = folder / "store.csv"
    file.write_bytes(content)
    (problem,) = problems(folder)
    assert (problem.table, problem.column, problem.rows) == ("store.csv", "-", 0)
    assert cause in problem.cause
    assert problem.remedy


def test_a_folder_in_the_place_of_a_file_is_a_problem(folder: Path) -> None:
    (folder / "store.csv").unlink()
    (folder / "store.csv").mkdir()
    (problem,) = problems(folder)
    assert "can't be read" in problem.cause


def test_without_sales_there_is_one_problem(folder: Path) -> None:
    (folder / "train.csv").unlink()
    (problem,) = problems(folder)
    assert (problem.table, problem.column) == ("train.csv", "-")
    assert problem.remedy == "add it, with the columns store, date, sales"


def test_all_tables_but_the_sales_may_be_absent(folder: Path) -> None:
    expected = read_tables(folder)
    for table in ("test", "store", "store_states", "state_names", "googletrend", "weather"):
        (folder / f"{table}.csv").unlink()
    tables = read_tables(folder)
    pd.testing.assert_frame_equal(tables.train, expected.train)
    assert tables.store["Store"].tolist() == tables.store_states["Store"].tolist() == [1, 2]
    assert {len(frame) for frame in (tables.test, tables.state_names, tables.googletrend, tables.weather)} == {0}
    for table in COLUMNS:  # an absent table has the columns of a table that is there
        assert {*getattr(tables, table)} == {*getattr(expected, table)}, table


@pytest.mark.parametrize("absent", ["test", "store_states", "state_names", "googletrend", "weather"])
def test_parity_mode_needs_the_tables_of_the_lesson(folder: Path, absent: str) -> None:
    read_tables(folder).check_mode("parity")
    (folder / f"{absent}.csv").unlink()
    if absent in ("state_names", "store_states"):  # weather can't be joined then
        (folder / "weather.csv").unlink()
    tables = read_tables(folder)
    tables.check_mode("production")
    with pytest.raises(ModeError, match=f"these are absent: .*{absent}.csv"):
        tables.check_mode("parity")


def test_no_folder_is_one_problem(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "nowhere")
    assert "no such folder" in problem.cause


def test_all_problems_of_all_tables_come_at_once_in_a_readable_table(folder: Path) -> None:
    edit(folder / "train.csv", "5263", "-1")
    edit(folder / "train.csv", "2,4,2015-01-01", "9,4,2015-13-01")
    edit(folder / "test.csv", "2015-01-03", "tomorrow")
    edit(folder / "store.csv", "1270", "near")
    edit(folder / "weather.csv", "Niedersachsen", "Bayern")
    (folder / "googletrend.csv").write_text("")
    with pytest.raises(TablesError) as caught:
        read_tables(folder)
    found = [(problem.table, problem.column, problem.rows) for problem in caught.value.problems]
    assert found == [
        ("train.csv", "Date", 1),
        ("train.csv", "Sales", 1),
        ("train.csv", "Store", 1),
        ("train.csv", "Store", 1),
        ("test.csv", "Date", 1),
        ("store.csv", "CompetitionDistance", 1),
        ("store_states.csv", "State", 1),
        ("googletrend.csv", "-", 0),
        ("weather.csv", "file", 1),
    ]
    title, header, *lines = str(caught.value).splitlines()
    assert title == f"9 problems with the tables in {folder}:"
    assert header.split() == ["table", "column", "rows", "problem", "what", "to", "do"]
    assert len(lines) == 9
    starts = {line.index(problem.cause) for line, problem in zip(lines, caught.value.problems, strict=True)}
    assert starts == {header.index("problem")}  # aligned


def test_many_bad_rows_are_one_problem_with_the_first_lines(folder: Path) -> None:
    with (folder / "train.csv").open("a") as file:
        file.writelines(f'3,5,2015-02-{day:02d},{-day},0,1,0,"0","0"\n' for day in range(1, 21))
    found = problems(folder)
    negative = next(problem for problem in found if problem.column == "Sales")
    assert negative.rows == 20
    assert "(line 6: '-1', 7: '-2', 8: '-3', ...)" in negative.cause
    unknown = [problem for problem in found if problem.column == "Store"]
    assert [(problem.rows, "(line 6: '3', ...)" in problem.cause) for problem in unknown] == [(20, True)] * 2


def test_blank_lines_count_in_line_numbers(folder: Path) -> None:
    edit(folder / "train.csv", "\n1,", "\n\n\n1,")
    edit(folder / "train.csv", "5263", "-1")
    (problem,) = problems(folder)
    assert "(line 4:" in problem.cause


def test_a_train_table_without_any_sale_is_a_problem(folder: Path) -> None:
    edit(folder / "train.csv", "5263", "0")
    edit(folder / "train.csv", "6064", "0")
    (problem,) = problems(folder)
    assert (problem.column, problem.rows) == ("Sales", 4)


@pytest.mark.integration
def test_the_real_tables(rossmann: Path, rossmann_tables: Tables, tmp_path: Path) -> None:
    tables = rossmann_tables
    plain = pd.read_csv(rossmann / "train.csv", low_memory=False)
    for name in ("Store", "Sales", "Customers", "Open", "Promo", "SchoolHoliday"):
        np.testing.assert_array_equal(tables.train[name], plain[name])
    np.testing.assert_array_equal(tables.train["StateHoliday"].astype(str), plain["StateHoliday"].astype(str))
    np.testing.assert_array_equal(tables.train["Date"], pd.to_datetime(plain["Date"]))
    assert len(tables.test) == 47_945
    # Steps of the fast.ai lesson for the trend.
    trend = pd.read_csv(rossmann / "googletrend.csv")
    state = trend["file"].str.split("_", expand=True)[2].replace("NI", "HB,NI").fillna(COUNTRY)
    np.testing.assert_array_equal(tables.googletrend["State"], state)
    np.testing.assert_array_equal(tables.googletrend["Date"], pd.to_datetime(trend["week"].str.split(" - ").str[0]))
    # All at once: a million rows do not make a slip harder to find.
    for file in rossmann.glob("*.csv"):
        shutil.copy(file, tmp_path / file.name)
    (tmp_path / "train.csv").chmod(0o644)
    with (tmp_path / "train.csv").open("a") as train:
        train.write('1,4,2015-06-18,x,0,1,0,"0","0"\n')
    found = [(problem.column, problem.rows, problem.cause) for problem in problems(tmp_path)]
    assert found == [
        ("Sales", 1, "not a number (line 969266: 'x')"),
        ("Store, Date", 1, "is there already (line 969266: '1, 2015-06-18')"),
    ]
