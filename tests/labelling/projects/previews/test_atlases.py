"""labelling.projects.previews.atlases: many small thumbnails in one picture, cached, with holes for broken photos."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelling.projects.previews import atlases as module
from labelling.projects.previews.atlases import CELL, CELLS, LINE, Atlases
from labelling.projects.store import Project
from tests.labelling.projects.pictures import picture
from tests.labelling.projects.test_uploads import send


@pytest.fixture
def atlases(project: Project) -> Atlases:
    return Atlases(project.thumbnails, project.folder / "thumbnails" / "atlases")


def plain(colour: str, size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def square(content: bytes, number: int) -> np.ndarray:
    """Return a square of an atlas, with transparency."""
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("WEBP", (2048, 2048))
    left, top = number % LINE * CELL, number // LINE * CELL
    return np.asarray(image.convert("RGBA").crop((left, top, left + CELL, top + CELL)), np.int64)


def test_each_photo_is_whole_in_the_middle_of_its_square(project: Project, atlases: Atlases) -> None:
    wide = send(project, plain("red", (640, 320))).sha256
    high = send(project, plain("blue", (320, 640))).sha256
    small = send(project, plain("lime", (10, 20))).sha256
    photos = [wide] * 33 + [high, small]
    atlas = atlases.get(photos)
    for number in (0, 31, 32):
        cell = square(atlas, number)
        assert np.abs(cell[20:44, 4:60, :3].mean(axis=(0, 1)) - (255, 0, 0)).max() < 8
        assert (cell[18:46, 2:62, 3] == 255).all()
        assert cell[:14, :, 3].max() == cell[50:, :, 3].max() == 0
    assert np.abs(square(atlas, 33)[4:60, 20:44, :3].mean(axis=(0, 1)) - (0, 0, 255)).max() < 8
    assert square(atlas, 33)[:, :14, 3].max() == 0
    alone = square(atlas, 34)[:, :, 3] > 0
    rows, columns = np.flatnonzero(alone.any(axis=1)), np.flatnonzero(alone.any(axis=0))
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (22, 41, 27, 36)  # not enlarged
    assert square(atlas, 35)[:, :, 3].max() == 0


def test_a_broken_photo_leaves_its_square_empty(project: Project, atlases: Atlases) -> None:
    good, bad = send(project, plain("red", (64, 64))).sha256, send(project, b"no photo").sha256
    atlas = atlases.get([bad, good, "0" * 64])
    assert [square(atlas, number)[:, :, 3].max() for number in range(4)] == [0, 255, 0, 0]


def test_an_atlas_is_made_once_for_the_same_photos_in_the_same_order(
    project: Project, atlases: Atlases, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (send(project, picture(number)).sha256 for number in (1, 2))
    assert atlases.cached([one, two]) is None
    made = atlases.get([one, two])
    assert atlases.cached([one, two]) == made
    assert atlases.cached([two, one]) is None
    monkeypatch.setattr(module.Image, "new", None)
    assert atlases.get([one, two]) == made


def test_old_atlases_are_removed(project: Project, atlases: Atlases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 2)
    photos = [send(project, picture(number)).sha256 for number in range(4)]
    for photo in photos:
        atlases.get([photo])
    kept = list((project.folder / "thumbnails" / "atlases").iterdir())
    assert len(kept) == 2
    assert atlases.cached(photos[-1:]) is not None


def test_files_are_private_and_a_deleted_project_is_not_made_again(project: Project, atlases: Atlases) -> None:
    photo = send(project, picture(1)).sha256
    atlases.get([photo])
    (file,) = (project.folder / "thumbnails" / "atlases").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    folder: Path = project.folder
    folder.rename(folder.with_name("gone"))
    with pytest.raises(Exception, match="deleted"):
        atlases.get([photo, photo])
    assert not folder.exists()


def test_too_many_photos_are_an_error(atlases: Atlases) -> None:
    with pytest.raises(ValueError, match="1024 squares"):
        atlases.get(["0" * 64] * (CELLS + 1))
