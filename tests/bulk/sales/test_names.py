"""The column of the forecasts has one name in all parts of a job, though only some files have a column of that name."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk.job import Job
from tests.bulk.conftest import RunJob, rows_of
from training.sales.forecast_files.formats import RowsError

MakeJob = Callable[..., Job]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with three files, of which one has the sales of the past."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_text("store,date\n1,2015-08-01\n")
    (folder / "b.csv").write_text("store,date,Sales\n2,2015-08-01,5000\n")
    parquet.write_table(pa.table({"store": [3], "date": ["2015-08-01"]}), folder / "c.parquet")
    return folder


@pytest.mark.parametrize("promo", ["", ",promo"])
def test_all_parts_have_the_forecasts_in_one_column(job: MakeJob, run: RunJob, folder: Path, promo: str) -> None:
    """Also if the rows state facts of days."""
    (folder / "a.csv").write_text(f"store,date{promo}\n1,2015-08-01{promo and ',1'}\n")
    todo = job(folder)
    run(todo)
    rows = rows_of(todo)
    assert rows["forecast"].notna().all()
    assert rows["Sales"].dropna().tolist() == ["5000"]
    assert "sales" not in rows


def test_a_job_whose_files_have_both_names_is_refused(job: MakeJob, run: RunJob, folder: Path) -> None:
    (folder / "d.csv").write_text("store,date,forecast\n2,2015-08-01,5000\n")
    with pytest.raises(RowsError, match="the input has the columns sales and forecast already; rename one"):
        run(job(folder))


def test_a_job_without_such_a_column_has_the_name_of_a_single_file(job: MakeJob, run: RunJob, folder: Path) -> None:
    (folder / "b.csv").unlink()
    todo = job(folder)
    run(todo)
    assert pd.api.types.is_float_dtype(rows_of(todo)["sales"])
