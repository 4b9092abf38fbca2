"""Jobs of 40 parts that an engine runs in a process of their own, and the attempts at their parts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.cluster.engines import ENGINES, ROOT, Engine
from tests.integration.waiting import until

DEMO = ROOT / "model_store" / "demo"
PARTS = 40


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File with a row for each store and day."""
    file = tmp_path_factory.mktemp("plan") / "plan.csv"
    shopcat("plan", DEMO, "--out", file)
    return file


@pytest.fixture(scope="module")
def forecasts(plan: Path) -> pd.DataFrame:
    """Forecasts of the plan as one file."""
    out = plan.with_name("forecasts.csv")
    shopcat("forecast", DEMO, plan, "--out", out)
    return pd.read_csv(out)


@pytest.fixture
def rows(plan: Path, tmp_path: Path) -> Path:
    """Folder with 40 files, two for each store."""
    folder = tmp_path / "rows"
    folder.mkdir()
    table = pd.read_csv(plan).sort_values(["store", "date"])
    halves = [half for _, days in table.groupby("store") for half in (days.iloc[:20], days.iloc[20:])]
    assert len(halves) == PARTS
    for number, half in enumerate(halves):
        half.to_csv(folder / f"{number:02}.csv", index=False)
    return folder


def shopcat(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "shopcat", *map(str, arguments)], cwd=ROOT, check=True, capture_output=True)


class Jobs:
    """Drivers of one job, and what its attempts tell.

    Args:
        engine: what runs the job.
        rows: input.
        folder: folder for all files.
    """

    def __init__(self, engine: Engine, rows: Path, folder: Path) -> None:
        self.out, self.watched, self._folder = folder / "out", folder / "watched", folder
        self.watched.mkdir()
        command = [sys.executable, "-m", "tests.cluster.driver", "forecast", DEMO, rows, "--out", f"{self.out}/"]
        self._command, self._variables = [*map(str, command), *engine.options], engine.variables
        self.log = folder / "log"

    @contextmanager
    def driver(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the command until the block ends."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._command, env=os.environ | self._variables, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def hold(self, *points: str) -> None:
        """Let the next attempt at each point stop there."""
        for point in points:
            (self.watched / f"hold-{point}").touch()

    def held(self, point: str) -> int:
        """Wait until an attempt is held at a point, and return its process."""
        file = self.watched / f"held-{point}"
        assert until(file.exists, 240), self.log.read_text(errors="replace")[-3000:]
        return int(file.read_text(encoding="utf-8"))

    def attempts(self) -> list[int]:
        """Return the part of each attempt."""
        file = self.watched / "attempts"
        return [int(line.split()[0]) for line in file.read_text(encoding="utf-8").splitlines()]

    def published(self) -> set[int]:
        """Return the parts that are there."""
        return {int(file.name.split("-")[1]) for file in self.out.glob("part-*.parquet")}

    def end(self) -> None:
        """Kill the attempts that are still held."""
        for file in self.watched.glob("held-*"):
            kill(int(file.read_text(encoding="utf-8")))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    for name, value in {
        "PYTHONPATH": str(ROOT),
        "SHOPCAT_WATCHED": str(tmp_path / "watched"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
    }.items():
        monkeypatch.setenv(name, value)
    with ENGINES[request.param](tmp_path) as engine:
        yield engine


@pytest.fixture
def jobs(engine: Engine, rows: Path, tmp_path: Path) -> Iterator[Jobs]:
    jobs = Jobs(engine, rows, tmp_path)
    yield jobs
    jobs.end()


def check(out: Path, forecasts: pd.DataFrame) -> None:
    """Compare an output with the forecasts of one file, row by row, and with its manifest."""
    manifest = json.loads((out / "_MANIFEST.json").read_text(encoding="utf-8"))
    assert (out / "_SUCCESS").exists()
    files = [part["file"] for part in manifest["parts"]]
    assert sorted(files) == sorted(file.name for file in out.glob("*.parquet"))
    assert len(files) == PARTS
    tables = [pd.read_parquet(out / file) for file in files]
    assert [len(table) for table in tables] == [part["rows"] for part in manifest["parts"]]
    written = pd.concat(tables)
    assert len(written) == manifest["rows"] == len(forecasts)
    keys = ["store", "date"]
    assert not written.duplicated(keys).any()
    texts = dict.fromkeys(keys, str)
    merged = written.astype(texts).merge(forecasts.astype(texts), on=keys, suffixes=("", "_of_one"), validate="1:1")
    assert len(merged) == len(forecasts)
    pd.testing.assert_series_equal(merged["sales"], merged["sales_of_one"], check_names=False, rtol=1e-5)


def kill(process: int) -> None:
    """Kill a process, if it is still there, and wait for its end."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    gone(process)


def gone(process: int) -> None:
    """Wait until a process is gone, or a zombie."""
    assert until(lambda: has_ended(process), 60)


def has_ended(process: int) -> bool:
    """Return True if a process is gone, or a zombie."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # also if it goes between the two calls
        return True
