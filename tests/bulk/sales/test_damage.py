"""Damaged Parquet files: the job ends at once and names the file, the row group and the remedy."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk import work
from bulk.damage import InputError
from bulk.job import Job
from bulk.storage import local
from bulk.storage.storage import UnavailableError
from tests.bulk.conftest import RunJob

MakeJob = Callable[..., Job]
GROUP_ROWS = 50


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """File of four row groups, whose pages have checksums."""
    file = tmp_path / "rows.parquet"
    table = pa.table({"store": [1, 2] * 100, "date": ["2015-08-01", "2015-08-01"] * 100, "row": range(200)})
    parquet.write_table(table, file, row_group_size=GROUP_ROWS, compression="none", write_page_checksum=True)
    return file


@pytest.fixture
def no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seconds: float) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(work.time, "sleep", fail)


@pytest.mark.usefixtures("no_retry")
@pytest.mark.parametrize("column", ["store", "date", "row"])
@pytest.mark.parametrize("place", ["header", "values"])
def test_a_damaged_page_ends_the_job_with_its_place(
    job: MakeJob, run: RunJob, rows: Path, column: str, place: str
) -> None:
    """One bit of a value suffices. The column row is none that a forecast needs."""
    metadata = parquet.read_metadata(rows)
    chunk = metadata.row_group(2).column(metadata.schema.names.index(column))
    content = bytearray(rows.read_bytes())
    first = chunk.dictionary_page_offset or chunk.data_page_offset
    if place == "header":
        content[first : first + 8] = b"\xff" * 8
    else:
        content[first + chunk.total_compressed_size - 1] ^= 1
    rows.write_bytes(content)
    words = f"{rows}: row group 2, counted from 0: not Parquet, or damaged: "
    with pytest.raises(InputError, match=re.escape(words) + ".*; write it again as Parquet or CSV"):
        run(job(rows))


@pytest.mark.usefixtures("no_retry")
def test_a_damaged_footer_ends_the_job_with_its_file(job: MakeJob, run: RunJob, rows: Path) -> None:
    content = bytearray(rows.read_bytes())
    content[-60:-30] = b"\xff" * 30
    rows.write_bytes(content)
    with pytest.raises(InputError, match=r"rows\.parquet: not Parquet, or damaged: .*; write it again"):
        run(job(rows))


def test_a_folder_that_fails_for_a_while_is_read_again(
    job: MakeJob, run: RunJob, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shared file system does so, in the middle of a file."""
    failures = []

    class Failing(local._Reader):
        def readinto(self, buffer: Any) -> int | None:
            if 0 < self.tell() < 1000 and len(failures) < 3:
                failures.append(self.tell())
                raise UnavailableError(f"{self.name} can't be read: Stale file handle")
            return super().readinto(buffer)

    monkeypatch.setattr(local, "_Reader", Failing)
    monkeypatch.setattr(work.time, "sleep", lambda seconds: None)
    assert run(job(rows)).rows == 200
    assert len(failures) == 3
