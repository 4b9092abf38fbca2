"""labelling.projects.previews.thumbnails: small upright pictures of pixels alone, and a reason for all others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from labelling.projects.errors import BrokenPhotoError, ProjectError, UnknownError
from labelling.projects.previews.thumbnails import SIZES
from labelling.projects.store import Project
from tests.labelling.projects.test_uploads import send
from tests.pets.hostile import hostile_inputs


def large_photo(orientation: int, *, size: tuple[int, int] = (3000, 2250)) -> bytes:
    """A JPEG whose upper left quarter is red, with a place, a comment and a colour profile."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif, comment=b"secret place", icc_profile=b"secret profile", xmp=b"secret xmp")
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_thumbnails_are_upright_and_know_no_place(project: Project, size: int) -> None:
    photo = send(project, large_photo(6)).sha256  # the camera was turned
    assert b"secret" in project.photos.read(photo)
    assert project.thumbnails.cached(photo, size) is None
    content = project.thumbnails.get(photo, size)
    assert project.thumbnails.cached(photo, size) == content
    assert b"secret" not in content
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "WEBP"
        assert image.size == (round(size * 3 / 4), size)
        assert (dict(image.getexif()), image.info.get("icc_profile"), image.info.get("xmp")) == ({}, None, None)
        assert not {b"EXIF", b"XMP ", b"ICCP"} & {content[at : at + 4] for at in range(len(content) - 3)}
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels[size // 8, -size // 8] == pytest.approx([255, 0, 0], abs=40)  # turned by a quarter to the right
    assert pixels[size // 8, size // 8] == pytest.approx([0, 0, 255], abs=40)


def test_a_small_photo_is_not_enlarged_and_a_narrow_one_keeps_a_pixel(project: Project) -> None:
    for given, size, expected in (((24, 16), 64, (24, 16)), ((2000, 2), 256, (256, 1)), ((1, 1), 1024, (1, 1))):
        photo = send(project, large_photo(1, size=given)).sha256
        with Image.open(io.BytesIO(project.thumbnails.get(photo, size))) as image:
            assert image.size == expected


def test_a_photo_at_the_limit_of_decoding_has_a_large_thumbnail(project: Project) -> None:
    photo = send(project, large_photo(1, size=(20_000, 1_500))).sha256
    with Image.open(io.BytesIO(project.thumbnails.get(photo, 1024))) as image:
        assert image.size == (1024, 77)


def test_thumbnails_of_one_photo_are_made_from_one_decoding(project: Project) -> None:
    photo = send(project, large_photo(1)).sha256
    made = project.thumbnails.make(photo)
    assert made == [project.thumbnails.cached(photo, size) for size in SIZES]
    assert {path.stat().st_mode & 0o777 for path in (project.folder / "thumbnails").rglob("*.webp")} == {0o600}


def test_hostile_files_get_a_named_reason(project: Project) -> None:
    kinds = set()
    for hostile in hostile_inputs():
        if not hostile.content:
            continue
        photo = send(project, hostile.content, name=hostile.name).sha256
        with pytest.raises(BrokenPhotoError) as caught:
            project.thumbnails.get(photo, 256)
        kinds.add(caught.value.kind)
        assert project.thumbnails.cached(photo, 256) is None
    assert kinds == {"not-an-image", "damaged-image", "image-too-large"}
    assert list(project.folder.rglob("*.webp")) == []


def test_a_photo_that_is_gone_is_named(project: Project, photos: list[str]) -> None:
    Path(project.photos[photos[0]].file.path).unlink()
    with pytest.raises(BrokenPhotoError, match=r"\d{3}.png: the file can't be read: No such file"):
        project.thumbnails.get(photos[0], 64)


def test_other_sizes_and_unknown_photos_are_rejected(project: Project, photos: list[str]) -> None:
    for size in (0, 63, 100_000):
        with pytest.raises(ProjectError, match="size: there are no thumbnails"):
            project.thumbnails.get(photos[0], size)
    with pytest.raises(UnknownError, match="no photo"):
        project.thumbnails.get("../" * 21 + "a", 64)
