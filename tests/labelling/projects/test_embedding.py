"""labelling.projects.embedding: a process of lowest priority that may be killed, and whose progress others read."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from PIL import Image

from labelling.demonstration.vehicles import write_demonstration
from labelling.features.network import FeatureNetwork
from labelling.features.spaces import BY_NAME
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.photos.decoding import DecodingMarks
from labelling.projects import embedding
from labelling.projects.embedding import embed_project
from labelling.projects.errors import UnknownError
from labelling.projects.progress import LOCK, features, read_progress, start_embedding
from labelling.projects.rows import seen_rows
from labelling.projects.store import Project, ProjectStore
from runtime.lock import lock
from tests.pets.fake_classifier import BUNDLE
from tests.training.pets.drawn import draw_photos

ROOT = Path(__file__).parents[3]


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


def test_an_uploaded_photo_of_50_megapixels_is_embedded_and_a_larger_one_is_broken(
    project: Project, network: FeatureNetwork
) -> None:
    sizes = {"camera.jpg": (8_660, 5_774), "limit.jpg": (8_000, 6_500), "beyond.jpg": (8_000, 6_501)}
    photos = {}
    for name, size in sizes.items():
        content = io.BytesIO()
        Image.linear_gradient("L").resize(size).convert("RGB").save(content, "JPEG", quality=90)
        with project.upload(name) as upload:
            upload.write(content.getvalue())
            photos[name] = upload.finish().sha256
    embed_project(project, network)
    for name in ("camera.jpg", "limit.jpg"):
        photo = project.photos[photos[name]]
        assert (photo.state, (photo.width, photo.height)) == ("ok", sizes[name])
        with Image.open(io.BytesIO(project.thumbnails.get(photo.sha256, 1024))) as shown:
            assert max(shown.size) == 1024
    beyond = project.photos[photos["beyond.jpg"]]
    assert (beyond.state, beyond.kind) == ("broken", "image-too-large")
    assert "8,000 x 6,501 pixels, 52,008,000 in all; at most 52,000,000 are allowed" in str(beyond.reason)


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


def test_few_photos_that_are_added_later_leave_the_maps_and_many_do_not(
    project: Project, network: FeatureNetwork, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def axes() -> bytes:
        return (project.folder / "components" / "components.safetensors").read_bytes()

    monkeypatch.setattr(embedding, "GROWTH", 1.5)
    project.photos.add_folder(folder)
    embed_project(project, network)
    before, fitted = axes(), read_progress(project).fitted
    project.photos.add_folder(draw_photos(tmp_path / "few", photos=9))
    embed_project(project, network)
    assert read_progress(project)[1:5] == (29, 27, 2, fitted)
    assert axes() == before
    _, arrays = features(project, network.layout)
    everybody = [photo.sha256 for photo in project.photos if photo.state == "ok"]
    assert len(arrays.array(BY_NAME["final-what"], everybody)) == 27
    project.photos.add_folder(draw_photos(tmp_path / "many", photos=16))
    embed_project(project, network)
    assert read_progress(project).fitted > 1.5 * fitted
    assert axes() != before


def test_features_of_an_earlier_network_go_when_a_later_one_has_embedded_all_and_nobody_reads_them(
    project: Project, network: FeatureNetwork, folder: Path
) -> None:
    project.photos.add_folder(folder)
    embed_project(project, network)
    earlier = [FeatureTable(project.folder / "features", digit * 64, 4) for digit in "ab"]
    facts = [PhotoFacts("c" * 64, 3, 2, 1)]
    for table in earlier:
        table.append(facts, np.ones((1, 4)))
    gone, read = (table.folder for table in earlier)
    del table, earlier[0]
    embed_project(project, network)
    assert not gone.exists()
    earlier[0].refresh()
    assert earlier[0].read(np.array([0]), slice(0, 4)).tolist() == [[1, 1, 1, 1]]
    assert {path.name for path in read.parent.iterdir()} == {read.name, network.key}
    earlier.clear()
    embed_project(project, network)
    assert [path.name for path in read.parent.iterdir()] == [network.key]


@pytest.mark.integration
@pytest.mark.parametrize("deadly", ["SIGSEGV", "SIGKILL"])
def test_photos_that_kill_the_process_become_broken_and_all_others_are_embedded(
    project: Project, folder: Path, tmp_path: Path, deadly: str
) -> None:
    photo = next(path for path in sorted(folder.rglob("*.jpg")) if path.name != "text.jpg").read_bytes()
    for number in range(2):
        (tmp_path / f"deadly-{number}.jpg").write_bytes(photo + b"%d!" % number)
    project.photos.add_folder(tmp_path)
    project.photos.add_folder(folder)
    command = [sys.executable, "-m", "tests.labelling.photos.deadly", deadly, str(project.folder), str(BUNDLE)]
    statuses = [subprocess.run(command, cwd=ROOT).returncode for _ in range(5)]
    assert statuses == [-signal.Signals[deadly]] * 4 + [0]
    assert read_progress(project)[:4] == (False, 28, 24, 4)
    found = {photo.name: photo for photo in project.photos if photo.state == "broken"}
    assert sorted(found) == ["cut.png", "deadly-0.jpg", "deadly-1.jpg", "text.jpg"]
    assert found["deadly-0.jpg"].kind == "crash"
    assert "save it with another program" in str(found["deadly-0.jpg"].reason)
    assert subprocess.run(command, cwd=ROOT).returncode == 0


@pytest.mark.integration
def test_a_smaller_copy_is_a_near_copy_and_no_other_photo_is(
    project: Project, network: FeatureNetwork, tmp_path: Path
) -> None:
    folder = tmp_path / "vehicles"
    write_demonstration(folder, 40)
    with Image.open(folder / "vehicle_0007.jpg") as photo:
        photo.resize((photo.width // 2, photo.height // 2)).save(folder / "copy.jpg", quality=70)
    project.photos.add_folder(folder)
    assert embed_project(project, network)
    twins = {photo.name: photo.twin for photo in project.photos}
    assert twins["copy.jpg"] == twins["vehicle_0007.jpg"]
    assert len(set(twins.values())) == 40


@pytest.mark.integration
def test_a_stop_is_no_death_of_a_photo(project: Project, folder: Path) -> None:
    project.photos.add_folder(folder)
    for _ in range(3):
        with started(project) as process:
            wait_until(lambda: read_progress(project).running, process)
            process.terminate()
            process.wait()
    assert DecodingMarks(project.folder / "decoding.txt").deaths.total() == 0


@pytest.mark.integration
def test_matrices_take_one_thread(project: Project, folder: Path) -> None:
    project.photos.add_folder(folder)
    with started(project) as process:
        wait_until(lambda: read_progress(project).embedded > 0, process)
        environment = psutil.Process(process.pid).environ()
    assert {environment[f"{name}_NUM_THREADS"] for name in ("OMP", "OPENBLAS", "MKL")} == {"1"}


@pytest.mark.integration
def test_it_gives_way_to_all_others(project: Project, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPCAT_BACKGROUND")
    project.photos.add_folder(folder)
    with started(project) as process:
        wait_until(lambda: os.getpriority(os.PRIO_PROCESS, process.pid) == 19, process)
        if hasattr(os, "SCHED_IDLE"):
            wait_until(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE, process)


@pytest.mark.integration
def test_a_killed_process_continues_where_it_stopped(project: Project, network: FeatureNetwork, folder: Path) -> None:
    project.photos.add_folder(folder)
    with started(project) as process:
        wait_until(lambda: read_progress(project).embedded > 0, process)
        assert read_progress(project).running
        process.send_signal(signal.SIGSTOP)
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


def test_a_look_at_the_progress_ends_no_process_that_is_just_starting(
    project: Project, network: FeatureNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.folder / LOCK).touch()
    with ExitStack() as look:
        look.enter_context(lock(project.folder / LOCK, shared=True))  # as `read_progress` has it for a moment
        clock = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: look.close())
        monkeypatch.setattr("runtime.lock.time", clock)
        assert embed_project(project, network)
    assert read_progress(project).finished
