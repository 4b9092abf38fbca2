"""labelling.projects.photos: photos in place and drawn ones; files that are gone or have changed are named."""

import os
from pathlib import Path

import pytest

from labelling.features.table import PhotoFacts
from labelling.photos.files import BrokenFile, NoPhotosError
from labelling.projects.errors import BrokenPhotoError, FullError, ProjectError, UnknownError
from labelling.projects.photos import Limits
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import picture, save_photos


def test_photos_in_place_are_not_copied(project: Project, tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "photos" / "sub", 3).parent
    (folder / "copy.png").write_bytes(picture(0))
    (folder / "empty.jpg").touch()
    added = project.photos.add_folder(folder)
    photos = list(project.photos)
    assert [photo.sha256 for photo in photos] == list(added.new)
    assert len(photos) == len(project.photos) == 3
    assert {photo.name for photo in photos} == {"copy.png", "sub/001.png", "sub/002.png"}
    assert list(added.copies.values()) == [(folder / "sub" / "000.png",)]
    assert [(file.path.name, file.kind) for file in added.broken] == [("empty.jpg", "not-an-image")]
    assert [path.name for path in project.folder.iterdir() if path.is_dir()] == []
    assert project.photos.read(photos[0].sha256) == picture(0)
    again = project.photos.add_folder(folder)
    assert (again.new, set(again.known), again.vanished) == ((), set(added.new), ())


def test_names_that_are_no_text_are_kept(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [b"caf\xe9.png", "<b>猫.png".encode(), b"new\nline.png"]
    for number, name in enumerate(names):
        Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(picture(number))
    project.photos.add_folder(folder)
    assert {photo.name for photo in project.photos} == {"caf\ufffd.png", "<b>猫.png", "new\nline.png"}
    assert {project.photos.read(photo.sha256) for photo in project.photos} == {picture(number) for number in range(3)}


def test_files_that_are_gone_or_have_changed_are_named_and_others_go_on(project: Project, tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "photos", 4)
    project.photos.add_folder(folder)
    by_name = {photo.name: photo.sha256 for photo in project.photos}
    (folder / "000.png").unlink()
    (folder / "001.png").write_bytes(picture(9) + b"more")
    (folder / "002.png").rename(folder / "moved.png")
    with pytest.raises(BrokenPhotoError, match=r"000.png: the file can't be read: No such file") as caught:
        project.photos.read(by_name["000.png"])
    assert caught.value.kind == "unreadable"
    with pytest.raises(BrokenPhotoError, match=r"001.png: .* has changed"):
        project.photos.read(by_name["001.png"])
    added = project.photos.add_folder(folder)
    assert {(file.path.name, file.reason.split(";")[0]) for file in added.vanished} == {
        ("000.png", "the file is gone since it was added"),
        ("001.png", "the file has changed since it was added"),
    }
    assert len(added.new) == 1
    assert project.photos[by_name["002.png"]].name == "moved.png"
    assert project.photos.read(by_name["002.png"]) == picture(2)
    for file in folder.iterdir():
        file.unlink()
    assert len(project.photos.add_folder(folder).vanished) == 5
    with pytest.raises(NoPhotosError):
        project.photos.add_folder(tmp_path / "nowhere")


def test_facts_and_problems_of_photos_are_kept(project: Project, photos: list[str]) -> None:
    broken = BrokenFile(project.photos[photos[1]].file.path, "damaged-image", "its end is missing")
    project.photos.record([PhotoFacts(photos[0], 24, 16, (1 << 64) - 1)], {photos[1]: broken})
    project.photos.group({photos[3]: photos[2], photos[2]: photos[2]})
    stored = project.photos[photos[0]]
    assert (stored.state, stored.width, stored.height, stored.dhash) == ("ok", 24, 16, (1 << 64) - 1)
    stored = project.photos[photos[1]]
    assert (stored.state, stored.kind, stored.reason) == ("broken", "damaged-image", "its end is missing")
    assert project.photos[photos[4]].state == "new"
    assert project.photos.counts() == {"new": 14, "ok": 1, "broken": 1}
    assert [project.photos[photo].twin for photo in photos[2:5]] == [photos[2], photos[2], photos[4]]
    with pytest.raises(ProjectError, match=r"can't be labelled, because its end is missing"):
        project.events.label({photos[0]: 0, photos[1]: 0}, who="ann", how="lasso")
    assert project.events.labels() == {}


def test_an_unreadable_photo_is_tried_again_when_its_file_is_back(project: Project, tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "photos", 2)
    photo = project.photos[project.photos.add_folder(folder).new[0]]
    project.photos.record(broken={photo.sha256: BrokenFile(photo.file.path, "unreadable", "it is gone")})
    assert project.photos[photo.sha256].state == "broken"
    project.photos.add_folder(folder)
    assert project.photos[photo.sha256].state == "new"


def test_a_folder_with_too_many_photos_adds_none(tmp_path: Path) -> None:
    project = ProjectStore(tmp_path / "store", limits=Limits(photos=5)).create("Cats")
    project.photos.add_folder(save_photos(tmp_path / "few", 4))
    with pytest.raises(FullError, match="would have 6 photos; 5 are allowed"):
        project.photos.add_folder(save_photos(tmp_path / "more", 2, first=10))
    assert len(project.photos) == 4


def test_an_unknown_photo_is_named(project: Project) -> None:
    with pytest.raises(UnknownError, match="no photo abc"):
        project.photos["abc"]
    assert "abc" not in project.photos


def test_the_demonstration_is_drawn_once(project: Project) -> None:
    added = project.photos.add_demonstration(4)
    assert len(added.new) == 4
    assert (project.folder / "demonstration" / "truth.csv").is_file()
    assert project.photos.add_demonstration(4).known == added.new
    modes = {path.stat().st_mode & 0o777 for path in (project.folder / "demonstration").iterdir()}
    assert modes == {0o600}
