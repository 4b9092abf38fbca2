"""training.sales.forecast_files.formats: rows as pandas writes them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.sales.forecast_files.formats import csv_text

CELLS = st.lists(st.tuples(st.text(st.sampled_from("a ,\"\r\n\t'é;1")), st.floats(0, 1e17)), max_size=5)


def by_pandas(frame: pd.DataFrame, header: bool = True) -> str:
    return frame.to_csv(index=False, header=header, lineterminator="\n")


@settings(deadline=None)
@given(CELLS, st.booleans())
def test_rows_are_those_of_pandas(cells: list[tuple[str, float]], header: bool) -> None:
    texts, numbers = zip(*cells, strict=True) if cells else ((), ())
    frame = pd.DataFrame({"a,b": pd.Series(texts, dtype="str"), "sales": np.array(numbers, np.float64)})
    assert csv_text(frame, header=header) == by_pandas(frame, header)


@pytest.mark.parametrize(
    "column",
    [
        ["", "plain"],
        [None, "missing"],
        [float("nan"), 1.5],
        [float("inf"), 0.1],
        [5, 7],
        [True, False],
        [dt.datetime(2015, 8, 1), dt.datetime(2015, 8, 2)],
        ["mixed", 1],
        ['quoted "word"', "line\nbreak"],
    ],
)
def test_cells_of_all_kinds_are_those_of_pandas(column: list[object]) -> None:
    frame = pd.DataFrame({"cell": column, "sales": [0.1, 12345.678]})
    assert csv_text(frame, header=True) == by_pandas(frame)
    assert csv_text(frame[["cell"]], header=False) == by_pandas(frame[["cell"]], header=False)
