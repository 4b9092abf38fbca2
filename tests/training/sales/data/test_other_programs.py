"""Tables as other programs write them: separators, decimals, dates and ids, and values that must be typing errors."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.sales.data.own_tables import FIRST, assert_same, chain, problems, write
from training.sales.data.panel import panel_from_tables
from training.sales.data.tables import Tables, read_tables


@pytest.fixture
def frame() -> pd.DataFrame:
    return chain(stores=3, days=40)


@pytest.fixture
def expected(frame: pd.DataFrame, tmp_path: Path) -> Tables:
    return read_tables(write(tmp_path / "expected", sales=frame))


def read(folder: Path, text: str) -> Tables:
    return read_tables(write(folder / "other", sales=text))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("decimal", [",", "."])
@pytest.mark.parametrize("first_line", ["", "sep=;\n"])
def test_other_separators_and_decimal_commas_are_read(
    frame: pd.DataFrame, expected: Tables, tmp_path: Path, separator: str, decimal: str, first_line: str
) -> None:
    if first_line:
        separator = ";"
    text = first_line + frame.to_csv(index=False, sep=separator, decimal=decimal)
    assert_same(read(tmp_path, text), expected)


@pytest.mark.parametrize("style", ["{:,.2f}", "{:.2f}"])
def test_commas_between_thousands_are_read(frame: pd.DataFrame, expected: Tables, tmp_path: Path, style: str) -> None:
    english = frame.assign(sales=frame["sales"].map(style.format))
    assert_same(read(tmp_path, english.to_csv(index=False)), expected)
    german = english["sales"].str.translate(str.maketrans(",.", ".,"))
    assert_same(read(tmp_path, frame.assign(sales=german).to_csv(index=False, sep=";")), expected)


def test_a_comma_that_may_be_either_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems(write(tmp_path, sales='store,date,sales\n1,2023-01-02,"1,234"\n1,2023-01-03,"5,678"\n'))
    assert problem.cause.startswith("not a number (line 2: '1,234'")


@pytest.mark.parametrize("text", ["1,23,456", ",5", "12,34.5", "1,234,5", "1.23,4"])
@pytest.mark.parametrize("clear", ["1,234.5", "1.234,5"])
def test_a_number_that_is_no_number_stays_so_beside_others_with_commas(tmp_path: Path, clear: str, text: str) -> None:
    table = f'store,date,sales\n1,2023-01-02,"{clear}"\n1,2023-01-03,"{text}"\n'
    (problem,) = problems(write(tmp_path, sales=table))
    assert f"not a number (line 3: '{text}'" in problem.cause


@pytest.mark.parametrize("style", ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%Y.%m.%d", "%d %b %Y"])
def test_dates_of_one_clear_style_are_read(frame: pd.DataFrame, expected: Tables, tmp_path: Path, style: str) -> None:
    dated = frame.assign(date=frame["date"].dt.strftime(style))
    assert_same(read(tmp_path, dated.to_csv(index=False)), expected)


@pytest.mark.parametrize(
    ("dates", "cause"),
    [
        (["01/02/2023", "02/02/2023"], "not clear which number is the month"),
        (["13/02/2023", "02/13/2023"], "not clear which number is the month"),
        (["2023-02-01", "02.02.2023"], "not a date"),
        (["44927", "44928"], "not a date"),
        (["13/02/2023", "soon", "14/02/2023"], "not a date (line 3: 'soon')"),
    ],
)
def test_dates_of_unclear_or_mixed_styles_are_a_problem(tmp_path: Path, dates: list[str], cause: str) -> None:
    text = "store,date,sales\n" + "".join(f"1,{date},5\n" for date in dates)
    (problem,) = problems(write(tmp_path, sales=text))
    assert problem.cause.startswith(cause)


def test_ids_with_leading_zeros_are_texts(tmp_path: Path) -> None:
    text = "store,date,sales\n007,2023-01-02,5\n012,2023-01-02,6\n"
    assert panel_from_tables(read_tables(write(tmp_path, sales=text))).store_ids == ("007", "012")


def test_large_numbers_are_texts(tmp_path: Path) -> None:
    text = "store,date,sales\n98765432101,2023-01-02,5\n98765432102,2023-01-02,6\n"
    assert panel_from_tables(read_tables(write(tmp_path, sales=text))).store_ids == ("98765432101", "98765432102")


def test_two_spellings_of_one_id_are_a_problem(tmp_path: Path) -> None:
    text = "store,date,sales\n001,2023-01-02,5\n1,2023-01-03,6\n2,2023-01-03,6\n"
    (problem,) = problems(write(tmp_path, sales=text))
    assert (problem.column, problem.rows) == ("store", 1)
    assert problem.cause == "the same number as 001 (line 3: '1')"


def test_zeros_that_one_of_two_programs_dropped_do_not_matter(tmp_path: Path) -> None:
    sales = "store,date,sales\n001,2023-01-02,5\n002,2023-01-02,6\n"
    stores = "store,state\n1,N\n2,S\n"
    panel = panel_from_tables(read_tables(write(tmp_path, sales=sales, stores=stores)))
    assert panel.store_ids == (1, 2)
    assert panel.state.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("sales", "cause"), [("1e21", "above 1e+20"), ("1e-16", "below 1e-15"), ("-3", "negative"), ("inf", "infinite")]
)
def test_sales_that_no_unit_explains_are_a_problem(tmp_path: Path, sales: str, cause: str) -> None:
    (problem,) = problems(write(tmp_path, sales=f"store,date,sales\n1,2023-01-02,{sales}\n1,2023-01-03,5\n"))
    assert problem.cause.startswith(f"{cause} (line 2")


@pytest.mark.parametrize("scale", [1e12, 1e-6])
def test_sales_in_any_unit_are_kept(frame: pd.DataFrame, tmp_path: Path, scale: float) -> None:
    tables = read(tmp_path, frame.assign(sales=frame["sales"] * scale).to_csv(index=False))
    np.testing.assert_allclose(tables.train["Sales"], frame["sales"] * scale, rtol=1e-12)


@pytest.mark.parametrize("year", ["2051", "1993"])
def test_a_mistyped_year_is_a_problem(frame: pd.DataFrame, tmp_path: Path, year: str) -> None:
    text = frame.to_csv(index=False) + f"1,{year}-01-02,7\n"
    (problem,) = problems(write(tmp_path, sales=text))
    assert (problem.column, problem.rows) == ("date", 1)
    assert f"between these rows and the others (line {len(frame) + 2}: '{year}-01-02')" in problem.cause


def test_visitors_are_forecast_if_there_are_no_sales(frame: pd.DataFrame, expected: Tables, tmp_path: Path) -> None:
    visits = frame.set_axis(["air_store_id", "visit_date", "visitors"], axis=1)
    assert_same(read(tmp_path, visits.to_csv(index=False)), expected)


def test_events_of_unknown_stores_and_states_are_problems(tmp_path: Path) -> None:
    events = pd.DataFrame({"name": "fair", "from": [FIRST] * 2, "store": [1, 99], "state": [None, "N"]})
    folder = write(tmp_path, sales=chain(), events=events)
    found = [(problem.table, problem.column, problem.cause) for problem in problems(folder)]
    assert found == [
        ("events.csv", "store", "not in sales.csv (line 3: '99')"),
        ("events.csv", "state", "no table states where each store is (line 3: 'N')"),
    ]
    write(folder, stores=pd.DataFrame({"store": range(1, 6), "state": "S"}))
    found = [(problem.table, problem.column, problem.cause) for problem in problems(folder)]
    assert found == [
        ("events.csv", "store", "not in stores.csv (line 3: '99')"),
        ("events.csv", "state", "not in stores.csv (line 3: 'N')"),
    ]
