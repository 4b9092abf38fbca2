"""console.labels.opened.embedding: a process for each project whose photos wait, and again when one dies."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from console.labels.opened import embedding
from console.labels.opened.embedding import Embedding, Network
from labelling.features.network import FeatureNetwork
from labelling.projects.store import Project, ProjectStore
from tests.console.labels.conftest import BUNDLE, wait_for
from tests.labelling.projects.pictures import save_photos


@pytest.fixture(scope="module")
def network() -> Network:
    return Network(BUNDLE, FeatureNetwork.load(BUNDLE).layout)


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    return ProjectStore(tmp_path / "store")


@pytest.fixture
def project(store: ProjectStore, tmp_path: Path) -> Project:
    """A project with photos that wait."""
    project = store.create("Cats")
    project.photos.add_folder(save_photos(tmp_path / "photos", 12))
    return project


Start = Callable[[Project, Path], "subprocess.Popen[bytes]"]


class Started:
    """Starts other programs in place of the embedding, and counts them."""

    def __init__(self, program: str) -> None:
        self.program, self.count = program, 0

    def __call__(self, project: Project, bundle: Path) -> "subprocess.Popen[bytes]":
        self.count += 1
        return subprocess.Popen([sys.executable, "-c", self.program])


@pytest.fixture
def supervisor(store: ProjectStore, network: Network) -> Iterator[Embedding]:
    found = Embedding(store, lambda: network, lambda project: False)
    with found.stopped_at_the_end():
        yield found


def children() -> list[psutil.Process]:
    """Return the processes that embed."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "labelling.projects.embedding" in process.cmdline():
                found.append(process)
        except psutil.Error:
            pass
    return found


def test_photos_that_wait_are_embedded_and_then_nothing_runs(supervisor: Embedding, project: Project) -> None:
    def is_done() -> bool:
        supervisor.look()
        return supervisor.progress(project).finished

    wait_for(is_done)
    progress = supervisor.progress(project)
    assert (progress.photos, progress.embedded, progress.error) == (12, 12, None)
    wait_for(lambda: not children())
    supervisor.look()
    assert not children()


def test_a_project_with_the_id_of_a_deleted_one_is_embedded_too(
    supervisor: Embedding, store: ProjectStore, project: Project
) -> None:
    """Even with the same photos, as a copy that is made again."""

    def is_done() -> bool:
        supervisor.look()
        return supervisor.progress(copied).finished

    for _ in range(2):
        copied = store.copy(project.id, "Copy")
        wait_for(is_done)
        supervisor.stop(copied.id)
        store.delete(copied.id)


def test_a_killed_process_is_started_again_and_finishes(supervisor: Embedding, project: Project) -> None:
    supervisor.look()
    wait_for(children)
    (first,) = children()
    first.kill()

    def is_done() -> bool:
        supervisor.look()
        return supervisor.progress(project).finished

    wait_for(is_done)
    assert supervisor.progress(project).error is None


def test_the_pauses_grow_while_the_process_dies(
    supervisor: Embedding, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, now = Started("import os; os.abort()"), [1000.0]
    monkeypatch.setattr(embedding, "start_embedding", started)
    monkeypatch.setattr(embedding.time, "monotonic", lambda: now[0])
    pauses = []
    for _ in range(5):
        supervisor.look()
        process = supervisor._processes["cats"].running
        process.wait()
        supervisor.look()
        begun, count = now[0], started.count
        while started.count == count:
            now[0] += 0.5
            supervisor.look()
        pauses.append(now[0] - begun)
    assert pauses == [1, 2, 4, 8, 16]
    assert "signal 6" in (supervisor.progress(project).error or "")


def test_an_archived_project_and_one_without_photos_need_no_process(
    supervisor: Embedding, store: ProjectStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "start_embedding", started := Started("pass"))
    store.create("Empty")
    project.archive()
    supervisor.look()
    assert started.count == 0
    project.restore()
    supervisor.look()
    assert started.count == 1


def test_two_processes_run_at_once_and_those_that_somebody_looks_at_come_first(
    store: ProjectStore, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_photos(tmp_path / "photos", 3)
    for name in ("a", "b", "c", "d"):
        store.create(name).photos.add_folder(folder)
    monkeypatch.setattr(embedding, "start_embedding", started := Started("import time; time.sleep(600)"))
    supervisor = Embedding(store, lambda: network, lambda project: project == "d")
    with supervisor.stopped_at_the_end():
        supervisor.look()
        supervisor.look()
        assert started.count == 2
        assert {*supervisor._processes} == {"a", "d"}
        running = supervisor._processes["d"].running
        supervisor.stop("d")
        assert running.poll() is not None
        supervisor.look()
        assert started.count == 3
        processes = [process.running for process in supervisor._processes.values()]
    assert all(process.poll() is not None for process in processes)


def test_projects_that_another_program_deletes_leave_their_places_to_others(
    store: ProjectStore, network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_photos(tmp_path / "photos", 3)
    for name in ("a", "b", "c"):
        store.create(name).photos.add_folder(folder)
    monkeypatch.setattr(embedding, "start_embedding", Started("import time; time.sleep(600)"))
    supervisor = Embedding(store, lambda: network, lambda project: False)
    with supervisor.stopped_at_the_end():
        supervisor.look()
        deleted = [supervisor._processes[name].running for name in ("a", "b")]
        for name in ("a", "b"):
            store.delete(name)
        supervisor.look()
        assert {*supervisor._processes} == {"c"}
        assert all(process.poll() is not None for process in deleted)


def test_nothing_runs_without_a_network(store: ProjectStore, project: Project) -> None:
    supervisor = Embedding(store, lambda: None, lambda project: False)
    supervisor.look()
    assert not supervisor._processes


def test_a_look_at_projects_that_need_nothing_is_cheap(
    supervisor: Embedding, store: ProjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens no database whose file has not changed."""
    for number in range(20):
        store.create(f"Empty {number}").close()
    supervisor.look()
    opened: list[str] = []
    monkeypatch.setattr(ProjectStore, "open", lambda self, project: opened.append(project))
    supervisor.look()
    assert opened == []
