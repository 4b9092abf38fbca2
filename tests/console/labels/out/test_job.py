"""console.labels.out.job: one training at a time, whoever dies; its state and its bundle are on the disk."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from console.labels.out.job import Job, JobError, Jobs, projects_with_jobs
from labelling.projects.store import Project, ProjectStore
from tests.integration.waiting import until
from tests.labelling.projects.pictures import save_photos

pytestmark = pytest.mark.integration

QUICK = "--backbone efficientnet_lite0 --size 64 --no-int8"
SLOW_S = 900.0  # at the lowest priority, a training waits for everything else


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with labels that are enough to train on."""
    project = ProjectStore(tmp_path / "projects").create("Shapes")
    project.photos.add_folder(save_photos(tmp_path / "photos", 16))
    asked = project.audits.current()
    labels = [project.labels.create(name).id for name in ("front", "left side")]
    seen = [photo.sha256 for photo in project.photos if photo.sha256 not in asked.held]
    given = {photo: labels[number % 2] for number, photo in enumerate(seen)}
    project.events.label(given, who="ann", how="lasso")
    answers = {photo: labels[number % 2] for number, photo in enumerate(asked.asked)}
    project.events.label(answers, who="ann", how="audit")
    yield project
    project.close()


@pytest.fixture
def jobs(project: Project) -> Iterator[Jobs]:
    found = Jobs(project.folder)
    yield found
    found.cancel()
    assert trainings(project) == []


def trainings(project: Project) -> list[psutil.Process]:
    """Return the processes that work in the folder of the project's jobs."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(project.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def now(jobs: Jobs) -> Job:
    job = jobs.current()
    assert job is not None
    return job


def wait_for_training(jobs: Jobs) -> None:
    """Wait until the labels are exported and the training itself has begun."""
    assert until(lambda: now(jobs).stage != "exporting" or now(jobs).saved.state != "running", SLOW_S)
    assert now(jobs).saved.state == "running", now(jobs)


def test_a_job_makes_a_bundle_that_the_audit_judges(project: Project, jobs: Jobs) -> None:
    started = jobs.start(who="ann", name="pets", options=QUICK)
    assert (started.id, started.saved.state) == (1, "running")
    shares = [0.0]

    def has_ended() -> bool:
        shares.append(now(jobs).share)
        return now(jobs).saved.state != "running"

    assert until(has_ended, SLOW_S)
    job = now(jobs)
    assert job.saved.state == "done", job
    assert job.manifest is not None
    assert job.snapshot is not None
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    answered = len(project.audits.current().asked)
    assert (job.manifest.metrics["photos"], job.snapshot["valid"]) == (answered, answered)
    assert [breed.name for breed in job.manifest.classes] == ["front", "left side"]
    assert job.folder is not None
    assert sorted(path.name for path in job.folder.parent.iterdir()) == [
        "job.json",
        "log.txt",
        "model",
        "report",
        "snapshot.json",
    ]
    again = Jobs(project.folder)
    assert again.last_bundle() == job
    again.start(who="bob", name="pets", options="--no-such-option")
    assert until(lambda: now(again).saved.state == "failed", SLOW_S)
    assert "--no-such-option" in now(again).saved.message
    assert again.last_bundle() == job  # until there is another bundle


def test_a_cancelled_job_leaves_no_process_and_no_photos(project: Project, jobs: Jobs) -> None:
    jobs.start(who="ann", name="pets", options=QUICK)
    wait_for_training(jobs)
    assert len(trainings(project)) == 1
    cancelled = jobs.cancel()
    assert cancelled is not None
    assert cancelled.saved.state == now(jobs).saved.state == "cancelled"
    assert trainings(project) == []
    assert not (project.folder / "bundles" / "1" / "photos").exists()
    assert jobs.start(who="ann", name="pets", options=QUICK).id == 2


def test_a_job_whose_process_is_killed_has_failed(project: Project, jobs: Jobs) -> None:
    jobs.start(who="ann", name="pets", options=QUICK)
    wait_for_training(jobs)
    for process in trainings(project):
        process.kill()
    assert until(lambda: now(jobs).saved.state == "failed")
    assert "signal 9, perhaps because memory ran out" in now(jobs).saved.message
    assert "photos to train on" in now(jobs).log_tail
    assert now(jobs).saved.ended is not None


def test_a_console_that_is_killed_leaves_one_training_which_the_next_one_finds(project: Project, jobs: Jobs) -> None:
    code = (
        "import os, pathlib, signal; from console.labels.out.job import Jobs; "
        f"Jobs(pathlib.Path({str(project.folder)!r})).start(who='ann', name='pets', options={QUICK!r}); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    console = subprocess.run([sys.executable, "-c", code], check=False)
    assert console.returncode == -signal.SIGKILL
    assert jobs.is_running()  # at once: there is no moment without a lock
    assert projects_with_jobs(project.folder.parent) == [project.folder]
    with pytest.raises(JobError, match="already"):
        jobs.start(who="bob", name="pets", options=QUICK)
    wait_for_training(jobs)
    assert len(trainings(project)) == 1
    assert not jobs.resume() or len(trainings(project)) == 1
    assert (now(jobs).id, now(jobs).saved.who) == (1, "ann")
    jobs.cancel()
    assert trainings(project) == []


def test_an_interrupted_job_goes_on(project: Project, jobs: Jobs) -> None:
    jobs.start(who="ann", name="pets", options=QUICK)
    wait_for_training(jobs)
    jobs.interrupt()
    assert trainings(project) == []
    assert now(jobs).saved.state == "interrupted"
    later = Jobs(project.folder)
    assert later.resume()
    assert now(later).saved.state == "running"
    assert len(trainings(project)) == 1
    assert now(later).id == 1
    later.cancel()


def test_a_cancellation_that_the_console_did_not_survive_is_completed(project: Project, jobs: Jobs) -> None:
    jobs.start(who="ann", name="pets", options=QUICK)
    wait_for_training(jobs)
    state = project.folder / "bundles" / "1" / "job.json"
    state.write_text(state.read_text().replace('"running"', '"cancelled"'))
    assert not Jobs(project.folder).resume()
    assert trainings(project) == []


def test_missing_labels_are_the_reason_of_a_failure(tmp_path: Path) -> None:
    project = ProjectStore(tmp_path / "projects").create("Empty")
    jobs = Jobs(project.folder)
    assert jobs.current() is jobs.last_bundle() is jobs.cancel() is None
    jobs.start(who="ann", name="pets")
    assert until(lambda: now(jobs).saved.state == "failed", SLOW_S)
    assert now(jobs).saved.message.startswith("the labels are not enough to train on")
    project.close()


def test_a_process_number_of_an_earlier_job_is_never_killed(project: Project, jobs: Jobs) -> None:
    """The lock's file names an innocent process, as if its number had been used again."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as innocent:
        folder = project.folder / "bundles"
        folder.mkdir()
        (folder / "lock").write_text(str(innocent.pid))
        jobs.start(who="ann", name="pets", options=QUICK)
        jobs.cancel()  # before the process has written its own number
        assert trainings(project) == []
        assert innocent.poll() is None
        os.kill(innocent.pid, 0)
        innocent.communicate(b"\n")
