"""Parts of tables: the answer of any number of parts is that of one file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk import cuts
from bulk.job import Job
from bulk.sales import forecasts, parts
from sales.forecaster import Forecaster
from schemas.sales.options import AnswerOptions
from tests.bulk.conftest import RunJob, rows_of
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError

MakeJob = Callable[..., Job]


def many_rows(n_rows: int = 2000) -> pd.DataFrame:
    """Rows that state facts or nothing, contradict each other, repeat, and are beyond the horizon, in any order."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2015-07-20") + pd.to_timedelta(rng.integers(0, 80, n_rows), "D")
    frame = pd.DataFrame({"store": rng.integers(1, 13, n_rows), "date": days.strftime("%Y-%m-%d")})
    frame["open"] = rng.choice(["", "1", "0"], n_rows, p=[0.8, 0.15, 0.05])
    frame["promo"] = rng.choice(["", "1", "0"], n_rows, p=[0.4, 0.5, 0.1])
    frame["state_holiday"] = rng.choice(["", "0", "a"], n_rows, p=[0.9, 0.09, 0.01])
    frame["mean_temperature"] = rng.choice(["", "12.5", "-80"], n_rows, p=[0.95, 0.04, 0.01])
    frame["remark"] = rng.choice(["", "a, b", 'say "x"', "two\nlines"], n_rows)
    frame["number"] = np.arange(n_rows).astype(str)
    return frame


def in_one_file(forecaster: Forecaster, frame: pd.DataFrame, folder: Path, **options: Any) -> pd.DataFrame:
    """Return the forecasts of all rows in one file."""
    frame.to_csv(folder / "one.csv", index=False)
    forecast_file(forecaster, folder / "one.csv", folder / "one.parquet", AnswerOptions(**options))
    return pd.read_parquet(folder / "one.parquet")


@pytest.mark.parametrize(
    ("size", "files", "options"), [(2000, 1, {}), (10_000, 1, {"levels": [80]}), (4000, 7, {"objective": "mean"})]
)
def test_the_answer_of_many_parts_is_that_of_one_file(
    forecaster: Forecaster,
    job: MakeJob,
    run: RunJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    files: int,
    options: dict[str, Any],
) -> None:
    """The statements of a store are in all parts and files, and still one plan. Chunks are smaller than a store."""
    monkeypatch.setattr(cuts, "CSV_BYTES", size)
    monkeypatch.setattr(forecasts, "CHUNK", 50)
    frame = many_rows()
    expected = in_one_file(forecaster, frame, tmp_path, **options)
    folder = tmp_path / "in"
    folder.mkdir()
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), files)):
        frame.iloc[rows].to_csv(folder / f"{number}.csv", index=False)
    todo = job(folder, **options)
    summary = run(todo)
    assert summary.parts > max(files, 5)
    assert summary.rows == len(frame)
    pd.testing.assert_frame_equal(rows_of(todo), expected)
    kinds = {name for text in expected["warnings"] for name in text.split(";") if name}
    assert {name.split(":")[0] for name in kinds} <= {*summary.notes}


def test_typed_columns_of_parquet_are_kept_and_their_nulls_state_nothing(
    forecaster: Forecaster, job: MakeJob, run: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "PARQUET_ROWS", 300)
    monkeypatch.setattr(parts, "BATCH", 70)
    frame = many_rows()
    expected = in_one_file(forecaster, frame, tmp_path)
    flags = {
        name: pa.array([int(text) if text else None for text in frame[name]], pa.int8()) for name in ("open", "promo")
    }
    table = pa.table(
        {
            "store": pa.array(frame["store"], pa.int16()),
            "date": pa.array(pd.to_datetime(frame["date"]).dt.date, pa.date32()),
            **flags,
            "state_holiday": pa.array([text or None for text in frame["state_holiday"]]).dictionary_encode(),
            "mean_temperature": pa.array([float(text) if text else None for text in frame["mean_temperature"]]),
            "tags": pa.array([["a", "b"]] * len(frame)),
        }
    )
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=100)
    todo = job(tmp_path / "rows.parquet")
    assert run(todo).parts == 7
    found = pa.concat_tables(map(parquet.read_table, sorted(Path(todo.out).glob("part-*.parquet"))))
    assert found.select(table.column_names).replace_schema_metadata() == table
    for name in ("sales", "assumed", "warnings"):
        assert found[name].to_pylist() == expected[name].tolist()


def test_a_row_that_cannot_be_forecast_ends_the_job_or_is_kept_with_its_problem(
    forecaster: Forecaster, job: MakeJob, run: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "CSV_BYTES", 100)
    file = tmp_path / "rows.csv"
    good = [f"{store},2015-08-{day:02},{store % 2}" for day in range(1, 20) for store in (1, 2, 3)]
    bad = ["99,2015-08-03,1", "1,soon,1", "2,2015-08-04,maybe"]
    lines = [*good[:20], bad[0], *good[20:40], *bad[1:], *good[40:]]
    file.write_text("\n".join(["store,date,promo", *lines]) + "\n")
    with pytest.raises(RowsError, match=r"2 rows can't be forecast(.|\n)*line 43: column date: 'soon'"):
        run(job(file))
    assert not [*Path(job(file).out).glob("part-*")]  # the survey reads all rows before anything is answered
    kept = job(file, bad_rows="keep")
    kept = replace(kept, out=str(tmp_path / "kept"))
    summary = run(kept)
    assert (summary.rows, summary.bad) == (60, 3)
    rows = rows_of(kept)
    problems = rows[rows["problem"].notna()]
    assert (problems["store"] + "," + problems["date"] + "," + problems["promo"]).tolist() == bad
    assert problems["sales"].isna().all()
    assert problems["problem"].str.contains("99|soon|maybe").all()
    file.write_text("\n".join(["store,date,promo", *good]) + "\n")
    alone = in_one_file(forecaster, pd.read_csv(file, dtype=str), tmp_path)
    assert rows[rows["problem"].isna()]["sales"].tolist() == alone["sales"].tolist()


def test_a_store_day_is_computed_once_and_looked_up_after_that(
    forecaster: Forecaster, job: MakeJob, run: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that state nothing, or what the plan has, repeat; the network sees each store-day once."""
    monkeypatch.setattr(cuts, "CSV_BYTES", 500)
    computed = []
    compute = Forecaster.columns

    def counting(self: Forecaster, rows: Any, options: AnswerOptions) -> Any:
        computed.append(len(rows.store))
        return compute(self, rows, options)

    monkeypatch.setattr(Forecaster, "columns", counting)
    days = pd.date_range("2015-08-01", "2015-08-20").strftime("%Y-%m-%d")
    once = pd.DataFrame([(store, day) for store in (1, 2, 3) for day in days], columns=["store", "date"])
    once["promo"] = np.where(once["store"] == 2, 1, -1)
    once["promo"] = once["promo"].replace(-1, "").astype(str)
    pd.concat([once] * 30).to_csv(tmp_path / "rows.csv", index=False)
    assert run(job(tmp_path / "rows.csv")).rows == 1800
    assert sum(computed) == 60
