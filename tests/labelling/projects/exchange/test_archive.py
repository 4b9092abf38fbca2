"""labelling.projects.exchange.archive: the ZIP file has what the exported folder has, and is made piece by piece."""

import io
import shutil
import subprocess
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from labelling.projects.errors import BrokenPhotoError
from labelling.projects.exchange.archive import zip_export
from labelling.projects.exchange.export import ExportError, export_folder, plan_export
from labelling.projects.store import Project
from tests.labelling.projects.exchange.test_export import labelled
from tests.labelling.projects.pictures import picture

__all__ = ["labelled"]  # a fixture


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_it_has_what_the_folder_has(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    exported = export_folder(project, tmp_path / "out")
    file = tmp_path / "photos.zip"
    file.write_bytes(b"".join(zip_export(plan_export(project))))
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        archive.extractall(tmp_path / "unzipped")
    assert contents(tmp_path / "unzipped") == contents(exported.folder)


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip")
def test_another_program_reads_it(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "photos.zip"
    file.write_bytes(b"".join(zip_export(plan_export(project))))
    found = subprocess.run(["unzip", "-tq", str(file)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_large_photos_are_not_held_in_memory(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    folder, size = tmp_path / "large", 16 << 20
    folder.mkdir()
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(bytes([number]) * size)
    new, held = project.photos.add_folder(folder).new, project.audits.current().held
    project.events.label({photo: 1 for photo in new if photo not in held}, who="ann", how="click")
    plan = plan_export(project)
    tracemalloc.start()
    sent = sum(len(piece) for piece in zip_export(plan))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > size
    assert peak < size / 4


def test_nothing_is_sent_without_labels(project: Project, photos: list[str]) -> None:
    with pytest.raises(ExportError):
        next(zip_export(plan_export(project)))


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(picture(99))])
def test_a_photo_that_changes_meanwhile_leaves_the_file_without_an_end(
    project: Project, labelled: dict[str, str], change: object
) -> None:
    plan = plan_export(project)
    assert callable(change)
    change(plan.chosen[-1].photo.file.path)
    sent = io.BytesIO()
    with pytest.raises(BrokenPhotoError):
        sent.writelines(zip_export(plan))
    assert sent.tell() > 0
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(sent)
