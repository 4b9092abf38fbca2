"""console.labels.out.making: of all projects, one alone makes a bundle."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from console.labels.out.job import JobError, Jobs
from console.labels.out.making import BundleJobs


def test_of_two_projects_that_start_at_the_same_moment_one_makes_a_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    projects, running = ("cats", "dogs"), set[Path]()
    both_have_looked = threading.Barrier(2)
    for project in projects:
        (tmp_path / project / "bundles").mkdir(parents=True)
        (tmp_path / project / "bundles" / "lock").touch()

    def is_running(jobs: Jobs) -> bool:
        found = jobs._project in running
        with suppress(threading.BrokenBarrierError):
            both_have_looked.wait(0.5)
        return found

    monkeypatch.setattr(Jobs, "is_running", is_running)
    monkeypatch.setattr(Jobs, "start", lambda jobs, **_: running.add(jobs._project))
    bundles = BundleJobs(tmp_path, lambda project, job: None)
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(bundles.start, name, who="ann", name="pets", network="quick") for name in projects]
        errors = [future.exception() for future in started]
    assert len(running) == 1
    assert sorted(isinstance(error, JobError) for error in errors) == [False, True]
