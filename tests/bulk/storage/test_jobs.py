"""Jobs from an object store to an object store."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from bulk import work
from bulk.driver import run_job
from bulk.job import Done, Job, Part, Task
from bulk.output import OutputError
from bulk.runners.processes import Processes
from bulk.sales.plan import PLAN
from bulk.storage import objects
from bulk.storage.places import storage_of
from bulk.work import Step
from tests.bulk.conftest import RunJob, ThisProcess
from tests.bulk.faulty import Fault, proxy
from tests.bulk.storage.conftest import reach
from tests.bulk.stores import Store

pytestmark = pytest.mark.integration

FILES, ROWS = 8, 3
MakeJob = Callable[..., Job]


@pytest.fixture
def todo(job: MakeJob, bucket: str, tmp_path: Path) -> Job:
    """Job of eight files in a bucket, to a folder of it. The rows state promotions, so there is a plan."""
    put_rows(bucket)
    local = job()
    place = f"{bucket}/in"
    return replace(local, files=tuple(storage_of(bucket).files(place)), out=f"{bucket}/out", inputs=(place,))


def put_rows(bucket: str) -> None:
    for number in range(FILES):
        first = number // 2 * ROWS + 1
        rows = [f"{number % 2 + 1},2015-08-{day:02},1" for day in range(first, first + ROWS)]
        content = "\n".join(["store,date,promo", *rows]).encode()
        place = f"{bucket}/in/{number}.csv"
        put(place, content)


def put(place: str, content: bytes) -> None:
    storage_of(place).create(place, lambda file: file.write_bytes(content))


def rows_of(job: Job, store: Store) -> pd.DataFrame:
    """Return the rows of a job's output by its manifest, as another client reads them."""
    client = store.client()
    manifest = json.loads(client.cat_file(f"{job.out}/_MANIFEST.json"))
    names = [part["file"] for part in manifest["parts"]]
    found = {path.rpartition("/")[2] for path in client.find(job.out)}
    assert found - {"_JOB.json", "_MANIFEST.json", "_SUCCESS", PLAN} == {*names}
    tables = [pd.read_parquet(io.BytesIO(client.cat_file(f"{job.out}/{name}"))) for name in names]
    assert sum(map(len, tables)) == manifest["rows"]
    return pd.concat(tables, ignore_index=True)


class Stopping(ThisProcess):
    """A runner that ends like a killed process after three parts."""

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
        """Run a step with some parts."""
        for done in super().run(task, step, parts):
            yield done
            if step == "answer" and len(self.answered) == 3:
                raise KeyboardInterrupt


def test_a_job_in_a_store_that_was_stopped_goes_on_and_equals_one_on_disk(
    todo: Job, run: RunJob, runner: ThisProcess, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_job(todo, Stopping(), lambda progress: None)
    summary = run(todo)
    assert (summary.rows, summary.parts, summary.earlier) == (FILES * ROWS, FILES, 3)
    assert len(runner.answered) == FILES - 3
    on_disk = replace(todo, out=str(tmp_path / "out"))
    run(on_disk, ThisProcess())
    files = sorted(Path(on_disk.out).glob("part-*.parquet"))
    pd.testing.assert_frame_equal(rows_of(todo, store), pd.concat(map(pd.read_parquet, files), ignore_index=True))


def test_the_output_of_another_job_stays_as_it_is(todo: Job, run: RunJob, store: Store, bucket: str) -> None:
    run(todo)
    client = store.client()
    before = client.find(todo.out, detail=True)
    with pytest.raises(OutputError, match="has the output of another job, with other options"):
        run(replace(todo, options={"levels": [80]}))
    client.pipe_file(f"{bucket}/in/3.csv", b"store,date,promo\n1,2015-08-01,0\n")
    with pytest.raises(OutputError, match="has the output of another job, with other input"):
        run(replace(todo, files=tuple(storage_of(bucket).files(f"{bucket}/in"))))
    assert client.find(todo.out, detail=True) == before


@pytest.mark.cluster
def test_two_drivers_with_processes_at_once_write_every_row_once(todo: Job, store: Store) -> None:
    with ThreadPoolExecutor(2) as pool:
        drivers = [pool.submit(run_job, todo, Processes(2), lambda progress: None) for _ in range(2)]
        summaries = [driver.result() for driver in drivers]
    assert [summary.rows for summary in summaries] == [FILES * ROWS] * 2
    assert not rows_of(todo, store).duplicated(["store", "date"]).any()
    assert len(rows_of(todo, store)) == FILES * ROWS


@pytest.mark.cluster
@pytest.mark.parametrize("fault", ["busy", "cut before", "cut after", "slow"])
def test_a_job_at_a_store_that_fails_now_and_then_loses_nothing(
    todo: Job, run: RunJob, store: Store, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(store.url, lambda number: fault if number % 4 == 0 else "") as failing:
        reach(store, failing.url, monkeypatch)
        summary = run(todo)
    reach(store, store.url, monkeypatch)
    assert failing.faults > FILES
    assert summary.rows == FILES * ROWS
    assert not rows_of(todo, store).duplicated(["store", "date"]).any()
    assert len(rows_of(todo, store)) == FILES * ROWS


@pytest.mark.cluster
def test_a_store_that_fails_in_the_middle_of_a_parquet_file_is_asked_again(
    job: MakeJob, run: RunJob, store: Store, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It fails until the part is tried again, longer than the store's package tries. The file is damaged nowhere."""
    file, place, failures = tmp_path / "rows.parquet", f"{bucket}/in/rows.parquet", []
    rows = 30_000
    monkeypatch.setattr(objects, "READ_BYTES", 1 << 16)  # so that the file is read by several requests
    random = np.random.default_rng(0).random(rows)
    parquet.write_table(pa.table({"store": [1] * rows, "date": ["2015-08-01"] * rows, "random": random}), file)
    put(place, file.read_bytes())
    todo = replace(job(), files=tuple(storage_of(place).files(place)), out=str(tmp_path / "out"), inputs=(place,))
    monkeypatch.setattr(work, "time", SimpleNamespace(sleep=failures.append))
    with proxy(store.url, lambda number: "busy" if number > 8 and not failures else "") as failing:
        reach(store, failing.url, monkeypatch)
        assert run(todo).rows == rows
    assert failing.faults > 1
    assert failures == [work.FIRST_PAUSE_S]
