"""labelling.projects.embedding: a process of lowest priority that may be killed, and whose progress others read."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest

from labelling.features.network import FeatureNetwork
from labelling.features.spaces import BY_NAME
from labelling.projects import embedding
from labelling.projects.embedding import embed_project
from labelling.projects.errors import UnknownError
from labelling.projects.progress import features, read_progress, start_embedding
from labelling.projects.rows import seen_rows
from labelling.projects.store import Project, ProjectStore
from tests.pets.fake_classifier import BUNDLE
from tests.training.pets.drawn import draw_photos


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return FeatureNetwork.load(BUNDLE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photos of three breeds, a smaller copy of one, and two files that are none."""
    folder = draw_photos(tmp_path_factory.mktemp("photos"), photos=8)
    (folder / "text.jpg").write_text("no photo")
    (folder / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    return folder


@contextmanager
def started(project: Project) -> Iterator["Popen[bytes]"]:
    process = start_embedding(project, BUNDLE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until(true: Callable[[], bool], process: "Popen[bytes]") -> None:
    while not true():
        assert process.poll() is None, "the process has ended too early"
        time.sleep(0.01)


def test_all_photos_get_features_and_broken_ones_a_reason(
    project: Project, network: FeatureNetwork, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "FIRST", 9)
    project.photos.add_folder(folder)
    assert read_progress(project) == embedding.Progress()
    assert embed_project(project, network)
    progress = read_progress(project)
    assert progress == (False, 26, 24, 2, progress.fitted, True, None)
    assert 9 <= progress.fitted <= 13  # half of the files are held back
    kinds = {photo.name: photo.kind for photo in project.photos if photo.state == "broken"}
    assert kinds == {"text.jpg": "not-an-image", "cut.png": "damaged-image"}
    table, arrays = features(project, network.layout)
    embedded = [photo.sha256 for photo in project.photos if photo.state == "ok"]
    for photo, number in zip(embedded, table.numbers(embedded), strict=True):
        assert table.facts[number][1:] == (
            project.photos[photo].width,
            project.photos[photo].height,
            project.photos[photo].dhash,
        )
        assert project.thumbnails.cached(photo, 64) is not None
    assert len(arrays.array(BY_NAME["final-where"], embedded)) == 24
    # A random order, and another one than that of the files.
    names = [project.photos[fact.sha256].name for fact in table.facts]
    assert sorted(names) != names
    rows = seen_rows(project)
    assert len(rows.photos) == 24 - len(project.audits.current().held)
    assert np.isfinite(arrays.array(BY_NAME["final-what"], rows.photos)).all()


def test_near_duplicates_are_grouped(project: Project, network: FeatureNetwork, folder: Path) -> None:
    project.photos.add_folder(folder)
    photo = next(path for path in sorted(folder.rglob("*.jpg")) if path.name != "text.jpg")
    with project.upload("copy.jpg") as upload:
        upload.write(photo.read_bytes() + b"!")
        copy = upload.finish().sha256
    embed_project(project, network)
    twin = project.photos[copy].twin
    assert twin != copy
    held = project.audits.current().held
    assert (copy in held) == (twin in held)


def test_photos_that_are_added_later_are_embedded_next(
    project: Project, network: FeatureNetwork, folder: Path, tmp_path: Path
) -> None:
    project.photos.add_folder(folder)
    embed_project(project, network)
    keys = {path.name for path in (project.folder / "components").iterdir()}
    project.photos.add_folder(draw_photos(tmp_path / "more", photos=9))
    embed_project(project, network)
    assert read_progress(project)[1:4] == (29, 27, 2)
    assert {path.name for path in (project.folder / "components").iterdir()} != keys


@pytest.mark.integration
def test_a_killed_process_continues_where_it_stopped(project: Project, network: FeatureNetwork, folder: Path) -> None:
    project.photos.add_folder(folder)
    with started(project) as process:
        wait_until(lambda: read_progress(project).embedded > 0, process)
        assert read_progress(project).running
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19
        if hasattr(os, "SCHED_IDLE"):
            assert os.sched_getscheduler(process.pid) == os.SCHED_IDLE
        assert not embed_project(project, network)  # one process at a time
        process.send_signal(signal.SIGKILL)
        process.wait()
    stopped = read_progress(project)
    assert not stopped.running
    table, _ = features(project, network.layout)
    kept = list(table.facts)
    assert len(kept) >= stopped.embedded > 0
    with started(project) as process:
        assert process.wait() == 0
    table.refresh()
    assert table.facts[: len(kept)] == kept
    assert len(table) == 24
    assert read_progress(project)[:4] == (False, 26, 24, 2)
    assert read_progress(project).finished


@pytest.mark.integration
def test_a_deleted_project_leaves_nothing_behind(store: ProjectStore, project: Project, folder: Path) -> None:
    project.photos.add_folder(folder)
    with started(project) as process:
        wait_until(lambda: read_progress(project).embedded > 0, process)
        store.delete(project.id)
        assert process.wait() == 2
    assert list(store.folder.iterdir()) == []
    with pytest.raises(UnknownError, match="has been deleted"):
        project.upload("cat.png")
    assert list(store.folder.iterdir()) == []


@pytest.mark.integration
def test_an_archived_project_names_its_error(project: Project, folder: Path) -> None:
    project.photos.add_folder(folder)
    project.archive()
    with started(project) as process:
        assert process.wait() == 2
    assert "is archived" in str(read_progress(project).error)
