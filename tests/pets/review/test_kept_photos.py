"""pets.review.kept_photos: copies without EXIF, whole files only, and limits."""

import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from pets.images import open_photo
from pets.review import kept_photos
from pets.review.kept_photos import KeptPhoto, encode, keep, read

ID, RECEIPT = "Zq3-x_81mmPa0TRw", "eyJ.signature"
SECRET = b"N 52.5200 E 13.4050"
MARKS = (SECRET, b"Exif", b"http://ns.adobe.com/xap", b"ICC_PROFILE")


def photo_with_secrets() -> bytes:
    """Return a JPEG that lies on its side: red on top and blue below once it is upright, with a place in its EXIF."""
    image = Image.new("RGB", (60, 40), "red")
    image.paste("blue", (30, 0, 60, 40))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageDescription] = SECRET.decode()
    file = io.BytesIO()
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET
    image.save(file, "JPEG", exif=exif, comment=SECRET, xmp=xmp, icc_profile=b"ICC_PROFILE" + SECRET)
    assert all(mark in file.getvalue() for mark in MARKS)
    return file.getvalue()


def png_with_secrets() -> bytes:
    file, text = io.BytesIO(), PngInfo()
    text.add_text("Comment", SECRET.decode())
    Image.new("RGBA", (30, 30), (0, 0, 0, 0)).save(file, "PNG", pnginfo=text, icc_profile=SECRET)
    return file.getvalue()


@pytest.mark.parametrize("content", [photo_with_secrets(), png_with_secrets()], ids=["jpeg", "png"])
def test_a_copy_has_nothing_but_pixels(content: bytes) -> None:
    copy = encode(open_photo(content).image)
    assert not any(mark in copy for mark in MARKS)
    with Image.open(io.BytesIO(copy)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert not dict(image.getexif())
        assert {*image.info} <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_copy_made_without_the_sanitiser_has_no_comment_either() -> None:
    """Pillow writes the comment and the profile that an image was read with, unless the pixels are copied."""
    image = Image.open(io.BytesIO(photo_with_secrets()))
    image.load()
    assert SECRET not in encode(image)


def test_a_copy_is_upright() -> None:
    with Image.open(io.BytesIO(encode(open_photo(photo_with_secrets()).image))) as image:
        assert image.size == (40, 60)
        top, bottom = (np.asarray(image)[row, 20] for row in (10, 50))
    assert top[0] > 200 > 60 > top[2]
    assert bottom[2] > 200 > 60 > bottom[0]


@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 1000), (1024, 341)), ((1024, 1024), (1024, 1024)), ((5, 4000), (1, 1024))]
)
def test_a_copy_has_at_most_1024_pixels_on_its_longer_side(size: tuple[int, int], expected: tuple[int, int]) -> None:
    with Image.open(io.BytesIO(encode(Image.new("RGB", size)))) as image:
        assert image.size == expected


def test_a_kept_photo_is_read_as_it_was_written(tmp_path: Path) -> None:
    image = Image.new("RGB", (20, 10), "green")
    folder = tmp_path / "data" / "incoming"
    assert keep(folder, ID, RECEIPT, image)
    (file,) = folder.iterdir()
    assert read(file) == KeptPhoto(ID, RECEIPT, encode(image))


def test_nobody_else_on_the_machine_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "review" / "incoming"
    keep(folder, ID, RECEIPT, Image.new("RGB", (20, 10)))
    for path in (folder.parent, folder, folder / f"{ID}.photo"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("receipt_id", ["../../etc/passwd", "", "a/b", "id\n", ".hidden.id", "x" * 65])
def test_an_id_that_is_no_name_is_an_error(tmp_path: Path, receipt_id: str) -> None:
    with pytest.raises(ValueError, match="is no name for a file"):
        keep(tmp_path, receipt_id, RECEIPT, Image.new("RGB", (2, 2)))
    assert not [*tmp_path.iterdir()]


def test_a_full_folder_keeps_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_photos, "MAX_WAITING", 1)
    assert keep(tmp_path, ID, RECEIPT, Image.new("RGB", (2, 2)))
    assert not keep(tmp_path, "another-id", RECEIPT, Image.new("RGB", (2, 2)))
    assert "does the console run?" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == [f"{ID}.photo"]


def test_a_full_disk_keeps_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_photos, "MIN_FREE", 1 << 62)
    assert not keep(tmp_path, ID, RECEIPT, Image.new("RGB", (2, 2)))
    assert "bytes free" in caplog.text


def test_a_folder_that_cannot_be_written_fails_no_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert not keep(tmp_path / "file", ID, RECEIPT, Image.new("RGB", (2, 2)))
    assert "a photo is not kept" in caplog.text


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_image: Image.Image) -> bytes:
        raise MemoryError

    monkeypatch.setattr(kept_photos, "encode", fail)
    with pytest.raises(MemoryError):
        keep(tmp_path, ID, RECEIPT, Image.new("RGB", (2, 2)))
    assert not [*tmp_path.iterdir()]


def test_readers_see_only_whole_files(tmp_path: Path) -> None:
    images = [Image.fromarray(np.random.default_rng(seed).integers(0, 256, (80, 80, 3), np.uint8)) for seed in range(8)]

    def write(number: int) -> bool:
        return keep(tmp_path, f"photo-{number:04}", RECEIPT, images[number % len(images)])

    with ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(write, number) for number in range(60)]
        while not all(future.done() for future in writing):
            for file in tmp_path.glob("*.photo"):
                kept = read(file)
                assert kept.jpeg.endswith(b"\xff\xd9")
    assert all(future.result() for future in writing)
    assert len(os.listdir(tmp_path)) == 60


@pytest.mark.parametrize("content", [b"", b"receipt", b"receipt\n", b"receipt\n<svg/>", b"caf\xe9\n\xff\xd8\xff"])
def test_another_file_is_no_kept_photo(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / f"{ID}.photo"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"kept photo|ascii"):
        read(file)
