"""labelling.projects.uploads: a photo is added whole and verified, or not at all."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from labelling.projects.errors import FullError, ProjectError
from labelling.projects.photos import Limits, StoredPhoto, is_unchanged
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import picture, save_photos

ROOT = Path(__file__).parents[3]


def send(project: Project, content: bytes, *, name: str = "cat.png", sha256: str | None = None) -> StoredPhoto:
    with project.upload(name, sha256=sha256, size=len(content)) as upload:
        for start in range(0, len(content), 100):
            upload.write(content[start : start + 100])
        return upload.finish()


def files(project: Project) -> list[Path]:
    return sorted(path for path in (project.folder / "photos").rglob("*") if path.is_file())


def test_an_upload_is_named_by_its_hash(project: Project) -> None:
    content = picture(1)
    sha256 = hashlib.sha256(content).hexdigest()
    photo = send(project, content, name="../../<b>.png", sha256=sha256)
    assert (photo.sha256, photo.name, photo.uploaded, photo.state) == (sha256, "../../<b>.png", True, "new")
    assert files(project) == [project.folder / "photos" / sha256[:2] / sha256]
    assert project.photos.read(sha256) == content
    assert all(is_unchanged(photo.file) for photo in project.photos)
    assert send(project, content, name="again.png") == photo
    assert len(project.photos) == 1


def test_bytes_of_another_hash_are_rejected(project: Project) -> None:
    with pytest.raises(ProjectError, match=r"sha256: the bytes have the hash [0-9a-f]{64}, not 0000"):
        send(project, picture(1), sha256="0" * 64)
    with pytest.raises(ProjectError, match="is no hash"):
        send(project, picture(1), sha256="../" + "0" * 61)
    with pytest.raises(ProjectError, match="there are no bytes"):
        send(project, b"")
    assert files(project) == []
    assert len(project.photos) == 0


def test_an_interrupted_upload_leaves_nothing(project: Project) -> None:
    with project.upload("cat.png") as upload:
        upload.write(picture(1)[:50])
    assert files(project) == []


def test_parts_of_killed_uploads_are_removed_after_a_day(project: Project) -> None:
    send(project, picture(1))
    incoming = project.folder / "photos" / "incoming"
    for name in ("old", "new"):
        (incoming / name).write_bytes(b"half")
    os.utime(incoming / "old", (time.time() - 90_000,) * 2)
    send(project, picture(2))
    assert [path.name for path in incoming.iterdir()] == ["new"]


def test_limits_are_kept(tmp_path: Path) -> None:
    size = len(picture(1))
    limits = Limits(photo_bytes=size + 10, photos=3, project_bytes=2 * size + 20)
    project = ProjectStore(tmp_path / "store", limits=limits).create("Cats")
    with pytest.raises(ProjectError, match="has more than"):
        send(project, picture(1) + bytes(11))
    with project.upload("x.png") as upload:
        upload.write(bytes(size + 10))
        with pytest.raises(ProjectError, match="has more than"):
            upload.write(b"1")
    send(project, picture(1))
    send(project, picture(2))
    with pytest.raises(FullError, match="which is the limit; begin another project, or label"):
        send(project, picture(3))
    project.photos.add_folder(save_photos(tmp_path / "photos", 1, first=7))
    with pytest.raises(FullError, match="has 3 photos, which is the limit"):
        send(project, b"x")
    assert len(files(project)) == 2
    assert send(project, picture(1)).sha256 in project.photos  # a known one is no new one


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_nearly_full_disk_keeps_room_for_labels(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9, 60_000_000))
    with pytest.raises(FullError, match="has 60 MB left; free some space"):
        project.upload("cat.png")


def test_a_full_disk_is_named_and_loses_nothing(project: Project) -> None:
    kept = send(project, picture(1))
    # A limit of the file size acts like a full disk in the middle of a write.
    code = (
        "import resource, sys, pathlib; from labelling.projects.store import Project\n"
        "from labelling.projects.errors import FullError\n"
        "project = Project(pathlib.Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    with project.upload('big.png') as upload: upload.write(bytes(300_000))\n"
        "except FullError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(project.folder)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "is full; free some space and try again" in result.stdout
    assert files(project) == [kept.file.path]
    assert [photo.sha256 for photo in project.photos] == [kept.sha256]


def test_a_full_database_is_named_and_loses_nothing(project: Project, photos: list[str]) -> None:
    for _ in range(3):
        project.events.label(dict.fromkeys(photos, 0), who="ann", how="lasso")
    with project.database.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    saved: list[int] = []

    def label_until_it_is_full() -> None:
        for number in range(10_000):
            project.events.label(dict.fromkeys(photos, 0), who="ann", how="lasso")
            saved.append(number)

    with pytest.raises(FullError, match="What was confirmed is saved"):
        label_until_it_is_full()
    assert len(project.events.history()) == (3 + len(saved)) * len(photos)
    project.events.label(dict.fromkeys(photos, 0), who="ann", how="lasso")  # there is room again


def test_a_photo_in_place_needs_no_copy(project: Project, photos: list[str]) -> None:
    count = len(project.photos)
    photo = send(project, picture(0))
    assert len(project.photos) == count
    assert not photo.uploaded
    assert files(project) == []
