"""runtime.csv_lines: no spreadsheet finds a formula, and every text comes back exactly."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.csv_lines import csv_line, original_text

SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


def read(line: str) -> list[str]:
    (row,) = csv.reader(io.StringIO(line, newline=""))
    return row


@pytest.mark.parametrize("sign", [*SIGNS, "\t", "\r", "\n"])
def test_a_cell_that_begins_like_a_formula_begins_with_an_apostrophe(sign: str) -> None:
    text = f"{sign}HYPERLINK(1)"
    (cell,) = read(csv_line([text]))
    assert cell == f"'{text}"
    assert original_text(cell) == text


@pytest.mark.parametrize("text", ["it's", "'tis", "a=b", "1-2", "a@b.example", "", " ", "\u732b", '"'])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert read(csv_line([text, "x"])) == [text, "x"]


@given(st.text(alphabet=st.sampled_from("=+-@'; \t\r\n,\"ab\uff1d"), max_size=12))
@example("''=1")
@example("\t\t=1")
@example("a;'=1\n =2")
def test_every_text_comes_back_and_no_part_of_it_is_a_formula(text: str) -> None:
    (cell, last) = read(csv_line([text, "x"]))
    assert original_text(cell) == text
    parts = cell.replace("\t", ";").replace("\r", ";").replace("\n", ";").split(";")
    assert not any(part.lstrip().startswith(tuple(SIGNS)) for part in parts)
    assert not cell.startswith(("\t", "\r", "\n"))
    assert last == "x"


def test_numbers_stay_numbers() -> None:
    assert csv_line([-1.5, 2, True]) == "-1.5,2,True\r\n"
