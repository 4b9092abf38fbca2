"""Dates and numbers that only all parts together explain are read as in one file, however the rows are cut."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk import cuts
from bulk.job import Job
from bulk.sales import parts
from sales.forecaster import Forecaster
from tests.bulk.conftest import RunJob, ThisProcess, rows_of
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError

MakeJob = Callable[..., Job]
ADDED = ["sales", "assumed", "warnings"]


def american(number: float) -> str:
    """Return a number as in the USA: 1,000 for 1000, which alone is not clear."""
    return f"{number:,.0f}" if number == 1000 else f"{number:,.1f}"


def german(number: float) -> str:
    """Return a number as in Germany: 1.000 for 1000, which alone is 1."""
    return american(number).translate(str.maketrans(",.", ".,"))


NUMBERS: dict[str, Callable[[float], str]] = {"plain": "{:.3f}".format, "american": american, "german": german}


def rows(rng: np.random.Generator, date: str, number: Callable[[float], str], *, facts: bool) -> pd.DataFrame:
    """Rows of a few stores. On their own, most of their dates and numbers are unclear or mislead."""
    n_rows = 120
    days = rng.choice(pd.date_range("2015-08-01", "2015-08-12"), n_rows - 2)
    last = pd.to_datetime(["2015-08-13", "2015-08-25"])
    frame = pd.DataFrame({"id": np.arange(n_rows), "store": rng.integers(1, 13, n_rows)})
    frame["date"] = pd.DatetimeIndex([*days, *last]).strftime(date)
    frame["mean_temperature"] = [number(value) for value in rng.uniform(-10, 30, n_rows)]
    millimetres = [999.99, *rng.choice([1000, 3.5], n_rows - 1)]
    frame["precipitation"] = [number(value) for value in millimetres]
    if facts:
        frame["promo"] = rng.choice(["", "1", "0"], n_rows)
    return frame.astype(str).iloc[rng.permutation(n_rows)].reset_index(drop=True)


def written(frame: pd.DataFrame, folder: Path, cut: list[int]) -> Path:
    """Write rows to files of a folder."""
    folder.mkdir()
    for number, part in enumerate(np.split(np.arange(len(frame)), cut)):
        if part.size:
            frame.iloc[part].to_csv(folder / f"{number:03}.csv", index=False, sep=";" if number % 2 else ",")
    return folder


@pytest.mark.parametrize(
    ("date", "number", "facts"),
    [
        ("%d/%m/%Y", "plain", False),
        ("%m/%d/%Y", "german", True),
        ("%m-%d-%Y", "american", False),
        ("%d.%m.%Y", "german", False),
        ("%d %b %Y", "plain", True),
        ("%Y-%m-%d", "american", True),
    ],
)
def test_rows_in_any_parts_have_the_forecasts_of_one_file(
    forecaster: Forecaster,
    job: MakeJob,
    run: RunJob,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    date: str,
    number: str,
    facts: bool,
) -> None:
    rng = np.random.default_rng([*date.encode(), *number.encode(), facts])
    frame = rows(rng, date, NUMBERS[number], facts=facts)
    frame.to_csv(tmp_path / "one.csv", index=False)
    forecast_file(forecaster, tmp_path / "one.csv", tmp_path / "one.parquet")
    monkeypatch.setattr(cuts, "CSV_BYTES", int(rng.integers(200, 900)))
    todo = job(written(frame, tmp_path / "in", sorted(rng.integers(0, len(frame), 4).tolist())))
    assert run(todo).parts > 4
    pd.testing.assert_frame_equal(rows_of(todo), pd.read_parquet(tmp_path / "one.parquet"))


@pytest.mark.parametrize("facts", [False, True], ids=["no plan", "plan"])
def test_kept_bad_rows_do_not_hide_how_the_others_are_written(
    forecaster: Forecaster, job: MakeJob, run: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: bool
) -> None:
    """Cells that no rule explains, and dates that the rule of the others does not explain, have problems."""
    frame = rows(np.random.default_rng(0), "%d/%m/%Y", german, facts=facts)
    frame.to_csv(tmp_path / "one.csv", index=False)
    forecast_file(forecaster, tmp_path / "one.csv", tmp_path / "one.parquet")
    bad = frame.iloc[[3, 50, 70, 100]].assign(
        date=["soon", "", "31/02/2015", frame["date"][100]], mean_temperature=["1,5", "2", "3,25", "a,b"]
    )
    mixed = pd.concat([frame[:40], bad[:2], frame[40:], bad[2:]], ignore_index=True)
    monkeypatch.setattr(cuts, "CSV_BYTES", 150)
    todo = job(written(mixed, tmp_path / "in", [60]), bad_rows="keep")
    assert run(todo).bad == 4
    found = rows_of(todo)
    wrong = found["problem"].notna()
    assert (
        found[wrong][["date", "mean_temperature"]].to_numpy().tolist()
        == bad[["date", "mean_temperature"]].to_numpy().tolist()
    )
    good = found[~wrong].drop(columns="problem").reset_index(drop=True)
    pd.testing.assert_frame_equal(good, pd.read_parquet(tmp_path / "one.parquet"))


@pytest.mark.parametrize("facts", [False, True], ids=["no plan", "plan"])
@pytest.mark.parametrize(
    ("dates", "wrong"),
    [
        (["2015-08-01", "02.08.2015", "2015-08-03"], ["02.08.2015"]),
        (["01/08/2015", "08/02/2015"], ["01/08/2015", "08/02/2015"]),
        (["13/08/2015", "08/14/2015"], ["13/08/2015", "08/14/2015"]),
    ],
    ids=["with ISO", "unclear", "two rules"],
)
def test_dates_that_one_file_refuses_are_refused_in_parts_too(
    forecaster: Forecaster,
    job: MakeJob,
    run: RunJob,
    tmp_path: Path,
    dates: list[str],
    wrong: list[str],
    facts: bool,
) -> None:
    """Each file has one row, whose date alone would be clear in some cases."""
    frame = pd.DataFrame({"store": 1, "date": dates} | ({"promo": 1} if facts else {}))
    frame.to_csv(tmp_path / "one.csv", index=False)
    with pytest.raises(RowsError, match=f"{len(wrong)} rows? can't be forecast"):
        forecast_file(forecaster, tmp_path / "one.csv", tmp_path / "one.parquet")
    folder = written(frame, tmp_path / "in", [*range(1, len(frame))])
    todo = job(folder)
    with pytest.raises(RowsError, match="1 row can't be forecast"):
        run(todo)
    kept = job(folder, bad_rows="keep")
    Path(todo.out).rename(tmp_path / "refused")
    assert run(kept).bad == len(wrong)
    found = rows_of(kept)
    assert found[found["problem"].notna()]["date"].tolist() == wrong


def test_texts_of_parquet_have_styles_and_values_of_other_types_have_none(
    forecaster: Forecaster, job: MakeJob, run: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job has dates as texts of both kinds and as dates, and German texts beside numbers of three decimals."""
    monkeypatch.setattr(cuts, "PARQUET_ROWS", 20)
    monkeypatch.setattr(parts, "BATCH", 7)
    rng = np.random.default_rng(0)
    plain = rows(rng, "%Y-%m-%d", NUMBERS["plain"], facts=True)
    plain.loc[0, "mean_temperature"] = "5.5"  # the only clear one; the others have three decimals
    plain.to_csv(tmp_path / "one.csv", index=False)
    forecast_file(forecaster, tmp_path / "one.csv", tmp_path / "one.parquet")
    expected = pd.read_parquet(tmp_path / "one.parquet")[ADDED]
    dates = pd.to_datetime(plain["date"])
    texts = {"date": dates.dt.strftime("%d/%m/%Y"), "mean_temperature": plain["mean_temperature"].str.replace(".", ",")}
    german = plain.assign(**texts)
    folder = tmp_path / "in"
    folder.mkdir()
    german[:40].to_csv(folder / "0.csv", index=False)
    table = pa.Table.from_pandas(german[40:80], preserve_index=False)
    table = table.set_column(2, "date", table["date"].cast(pa.string()).dictionary_encode())
    parquet.write_table(table, folder / "1.parquet", row_group_size=10)
    typed = plain[80:].assign(date=dates[80:].dt.date, mean_temperature=plain["mean_temperature"][80:].astype(float))
    parquet.write_table(pa.Table.from_pandas(typed, preserve_index=False), folder / "2.parquet", row_group_size=10)
    todo = job(folder)
    assert run(todo).parts == 5
    tables = map(pd.read_parquet, sorted(Path(todo.out).glob("part-*.parquet")))
    found = pd.concat([table[ADDED] for table in tables], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected)


def test_a_second_survey_is_made_only_where_the_first_one_was_in_doubt(
    job: MakeJob, run: RunJob, tmp_path: Path
) -> None:
    class Counting(ThisProcess):
        def __init__(self) -> None:
            super().__init__()
            self.steps: list[str] = []

        def run(self, task, step, parts):  # type: ignore[no-untyped-def]
            self.steps.append(step)
            return super().run(task, step, parts)

    for name, dates, steps in (
        ("iso", "2015-08-01", ["survey", "answer"]),
        ("german", "31.08.2015", ["survey", "survey again", "answer"]),
    ):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"store,date,promo\n1,{dates},1\n")
        runner, todo = Counting(), job(file)
        run(todo, runner)
        assert runner.steps == steps
        assert (Path(todo.out) / "_STYLES.npz").exists() == (name == "german")
        Path(todo.out).rename(tmp_path / f"{name} out")
