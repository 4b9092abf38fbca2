"""labelling.photos.files: the photos of a folder by content, and all that can't be used in one list."""

import hashlib
import os
from pathlib import Path

import pytest
from PIL import Image

from labelling.photos import files
from labelling.photos.files import BrokenFile, NoPhotosError, list_photos, read_content


def save(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(path)
    return path


def test_photos_of_all_sub_folders_are_found_by_their_content(tmp_path: Path) -> None:
    paths = [save(tmp_path / name, shade) for shade, name in enumerate(("a.jpg", "b/c.PNG", "b/d/e.webp", "ü 猫.jpeg"))]
    for ignored in (".hidden.jpg", ".git/x.jpg", "__MACOSX/a.jpg"):
        save(tmp_path / ignored, 200)
    (tmp_path / "notes.txt").write_text("no photo")
    found = list_photos(tmp_path)
    assert [photo.path for photo in found.photos] == sorted(paths)
    for photo in found.photos:
        assert photo.sha256 == hashlib.sha256(photo.path.read_bytes()).hexdigest()
        assert photo.size == photo.path.stat().st_size
        assert read_content(photo) == photo.path.read_bytes()
    assert found.copies == {}
    assert found.broken == ()


def test_copies_count_once(tmp_path: Path) -> None:
    for name in ("2.png", "1.png", "sub/3.png"):
        save(tmp_path / name, 7)
    save(tmp_path / "other.png", 8)
    found = list_photos(tmp_path)
    assert [photo.path.name for photo in found.photos] == ["1.png", "other.png"]
    assert found.copies == {found.photos[0].sha256: (tmp_path / "2.png", tmp_path / "sub" / "3.png")}


def test_files_that_can_not_be_used_are_one_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "good.png", 1)
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "large.jpg").write_bytes(bytes(1001))
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "secret.jpg").write_bytes(b"x")

    def deny(path: Path) -> str:
        if path.name == "secret.jpg":
            raise PermissionError(13, "Permission denied", str(path))
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(files, "sha256", deny)  # root may read all files
    found = list_photos(tmp_path, max_bytes=1000)
    assert [photo.path.name for photo in found.photos] == ["good.png"]
    assert [(file.path.name, file.kind) for file in found.broken] == [
        ("empty.jpg", "not-an-image"),
        ("gone.jpg", "unreadable"),
        ("large.jpg", "image-too-large"),
        ("pipe.jpg", "unreadable"),
        ("secret.jpg", "unreadable"),
    ]
    reasons = {file.path.name: file.reason for file in found.broken}
    assert reasons["secret.jpg"] == (
        "the file can't be read: Permission denied; check its permissions, or list the folder again"
    )
    assert reasons["empty.jpg"] == "the file is empty; copy the photo again"


def test_photos_of_phones_that_no_decoder_reads_are_listed_too(tmp_path: Path) -> None:
    (tmp_path / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    assert [photo.path.name for photo in list_photos(tmp_path).photos] == ["phone.HEIC"]


def test_a_linked_folder_is_not_followed(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "a.png", 1)
    (tmp_path / "photos" / "loop").symlink_to(tmp_path / "photos")
    assert len(list_photos(tmp_path / "photos").photos) == 1
    assert list_photos(tmp_path / "photos").copies == {}


def test_known_photos_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for shade in range(3):
        save(tmp_path / f"{shade}.png", shade)
    known = list_photos(tmp_path).photos
    save(tmp_path / "1.png", 100)
    os.utime(tmp_path / "1.png", ns=(1, 1))
    read: list[Path] = []
    monkeypatch.setattr(files, "sha256", lambda path: read.append(path) or str(path))
    again = list_photos(tmp_path, known=known)
    assert read == [tmp_path / "1.png"]
    assert (again.photos[0], again.photos[2]) == (known[0], known[2])


@pytest.mark.parametrize("name", ["nowhere", "file.jpg", "empty"])
def test_a_folder_without_photos_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").write_bytes(b"x")
    with pytest.raises(NoPhotosError, match=name):
        list_photos(tmp_path / name)


def test_names_that_are_no_text_do_not_stop_the_list(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.jpg"))
    path.write_bytes(b"x")
    assert [photo.path for photo in list_photos(tmp_path).photos] == [path]


def test_broken_files_sort_by_path() -> None:
    assert sorted([BrokenFile(Path("b"), "a", ""), BrokenFile(Path("a"), "z", "")])[0].path == Path("a")
