"""The pod of the rendered Job runs by podman: it writes forecasts, goes on, and says by its exit code what follows."""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from benchmarks.servers.container import ROOT, build
from runtime.bundle import read_json
from tests.deploy.kubernetes.manifests import Object, of_kind, render
from tests.deploy.kubernetes.podman import USER, alone, ended, on_this_machine

pytestmark = [
    pytest.mark.integration,
    pytest.mark.cluster,
    pytest.mark.skipif(
        "podman" not in os.environ.get("SHOPCAT_CONTAINER", ""), reason="SHOPCAT_CONTAINER does not name podman"
    ),
]
NAME = f"shopcat-job-{os.getpid()}"
STORES, DAYS = 20, 14


class Job(NamedTuple):
    """A Job on this machine: a folder for manifests, its pod, and the folder that is its volume."""

    folder: Path
    spec: Object
    data: Path

    def run(self, name: str = "tonight") -> tuple[int, str]:
        """Run the container of the Job's pod. The Job's name is in its arguments, which podman 4.3 does not expand."""
        spec = alone(self.spec, "containers")
        arguments = spec["containers"][0]["args"]
        spec["containers"][0]["args"] = [argument.replace("$(JOB_NAME)", name) for argument in arguments]
        with ended(self.folder, NAME, spec, {"batch.kubernetes.io/job-name": name}) as result:
            return result


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The Job, with its bundle."""
    folder = tmp_path_factory.mktemp("job")
    for name in ("bundles", "data"):
        (folder / name).mkdir()
        os.chown(folder / name, USER, USER)
    image = build("localhost/shopcat:test-bulk", "--build-arg=EXTRAS=bulk")
    (found,) = of_kind(render("batch"), "Job")
    folders = {"source": ROOT / "model_store", "bundles": folder / "bundles", "data": folder / "data"}
    spec = on_this_machine(found["spec"]["template"]["spec"], image, folders)
    spec["initContainers"][0]["args"][1] = "/source/demo"
    plans = folder / "data" / "plans"
    plans.mkdir()
    first = date.fromisoformat(str(read_json(ROOT / "model_store/demo")["cutoff"])) + timedelta(1)
    for part in range(2):
        rows = [(store, first + timedelta(day)) for store in range(1 + part, STORES + 1, 2) for day in range(DAYS)]
        pd.DataFrame(rows, columns=["store", "date"]).to_csv(plans / f"part-{part}.csv", index=False)
    with ended(folder, f"{NAME}-init", alone(spec, "initContainers")) as (code, output):
        assert code == 0, output
    return Job(folder, spec, folder / "data")


def test_a_job_writes_a_forecast_of_each_row_once(job: Job) -> None:
    code, output = job.run()
    assert code == 0, output
    written = job.data / "forecasts" / "tonight"
    assert (written / "_SUCCESS").exists()
    table = pd.concat([pd.read_parquet(file) for file in written.glob("*.parquet")])
    assert len(table) == STORES * DAYS
    assert not table.duplicated(["store", "date"]).any()
    assert (table["sales"] > 0).any()


def test_a_second_pod_computes_nothing_again(job: Job) -> None:
    written = job.data / "forecasts" / "tonight"
    before = {file: file.stat().st_mtime_ns for file in written.glob("*.parquet")}
    code, output = job.run()
    assert code == 0, output
    assert {file: file.stat().st_mtime_ns for file in written.glob("*.parquet")} == before


def test_a_row_that_can_not_be_answered_ends_the_job(job: Job) -> None:
    """With the exit code of the Job's failure policy."""
    (job.data / "plans" / "wrong.csv").write_text("store,date\n1,yesterday\n", "utf-8")
    code, output = job.run("tomorrow")
    assert "yesterday" in output
    policy = of_kind(render("batch"), "Job")[0]["spec"]["podFailurePolicy"]["rules"][0]
    assert code == 2, output
    assert code in policy["onExitCodes"]["values"]
