"""labelling.projects.exchange.export: the training reads the exported folder and finds exactly the labels."""

import csv
import itertools
import os
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import pytest

from labelling.projects.exchange.decisions import Prediction, decisions
from labelling.projects.exchange.export import (
    ExportError,
    export_folder,
    folder_names,
    plan_export,
)
from labelling.projects.exchange.label_studio import label_studio_config, label_studio_tasks
from labelling.projects.exchange.tables import decisions_csv, history_csv
from labelling.projects.labels import RESERVED
from labelling.projects.store import Project
from runtime.folder import FolderError
from tests.labelling.projects.pictures import picture, save_photos
from training.pets.data.layouts import PhotoProblem, detect, find_photos
from training.pets.data.photos import read_pets

NAMES = ["Maine Coon", "a/b", ".hidden", "images of cats"]


@pytest.fixture
def labelled(project: Project, photos: list[str]) -> dict[str, str]:
    """Labels of the project by hash: seven photos to train on, seven of the audit, and two that nobody can tell."""
    labels = [project.labels.create(name) for name in NAMES]
    asked = project.audits.current().asked
    given = {photo: labels[number % 4] for number, photo in enumerate(photos[:7])}
    answers = {photo: labels[number % 4] for number, photo in enumerate(asked[:7])}
    project.events.label({photo: label.id for photo, label in given.items()}, who="ann", how="lasso")
    project.events.label({photo: label.id for photo, label in answers.items()}, who="bob", how="audit")
    project.events.label({photos[7]: 0}, who="ann", how="click")
    project.events.label({asked[7]: 0}, who="ann", how="audit")
    return {photo: label.name for photo, label in (given | answers).items()}


def table(lines: Iterable[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(lines))


def test_the_training_finds_exactly_the_labels(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    exported = export_folder(project, tmp_path / "out" / "cats")
    assert (exported.train, exported.valid, exported.warnings) == (7, 7, [])
    assert detect(exported.folder) == "folders"
    problems: list[PhotoProblem] = []
    classes, found = find_photos(exported.folder, "folders", "", problems)
    assert problems == []
    assert {name for name, _ in classes} == set(exported.folders.values())
    labels = {folder: label for label, folder in exported.folders.items()}
    held = project.audits.current().held
    content = {path.read_bytes(): photo for photo in labelled for path in [project.photos[photo].file.path]}
    read = {content[photo.file.read_bytes()]: (labels[photo.breed], photo.valid) for photo in found}
    assert read == {photo: (label, photo in held) for photo, label in labelled.items()}
    data = read_pets(exported.folder, labels="folders")
    assert (len(data.train.files), len(data.valid.files)) == (7, 7)


def test_originals_are_linked_and_stay_as_they_are(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    originals = {photo: project.photos[photo].file.path for photo in labelled}
    for path in originals.values():
        path.chmod(0o640)
    before = {path: path.stat().st_mtime_ns for path in originals.values()}
    exported = export_folder(project, tmp_path / "out")
    inodes = {path.stat().st_ino for path in exported.folder.rglob("*.png")}
    assert inodes == {path.stat().st_ino for path in originals.values()}
    assert {path.stat().st_mode & 0o777 for path in originals.values()} == {0o640}
    assert {path: path.stat().st_mtime_ns for path in originals.values()} == before


def test_files_are_copied_where_links_are_impossible(
    project: Project, labelled: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    exported = export_folder(project, tmp_path / "out")
    copies = sorted(path.read_bytes() for path in exported.folder.rglob("*.png"))
    assert copies == sorted(project.photos.read(photo) for photo in labelled)
    assert {path.stat().st_nlink for path in exported.folder.rglob("*.png")} == {1}


def test_near_duplicates_are_on_one_side(project: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    photos = [photo.sha256 for photo in project.photos]
    twins = {photo: photos[number - number % 4] for number, photo in enumerate(photos)}  # four groups of four
    project.photos.group(twins)
    sides: dict[str, set[str]] = {}
    for row in decisions(project):
        sides.setdefault(row.photo.twin, set()).add(row.split)
    assert len(sides) == 4
    assert all(len(side) == 1 for side in sides.values())
    assert {"train"} in sides.values()
    assert {"valid"} in sides.values()


def test_all_that_is_missing_is_said_at_once(project: Project, photos: list[str], tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        export_folder(project, tmp_path / "out")
    assert caught.value.missing == plan_export(project).missing
    assert [line.split(";")[1] for line in caught.value.missing] == [
        " give at least two labels",
        " answer questions of the audit",
    ]
    asked = project.audits.current().asked
    cat, dog, fox = (project.labels.create(name).id for name in ("cat", "dog", "fox"))
    project.events.label({photos[0]: cat, photos[1]: dog}, who="ann", how="click")
    project.events.label({asked[0]: fox}, who="ann", how="audit")
    assert plan_export(project).missing == [
        "no label has two photos to train on; label more photos",
        "labels with photos of the audit alone: fox; label photos outside the audit too",
    ]
    project.events.label({photos[3]: dog}, who="ann", how="click")
    assert not (tmp_path / "out").exists()
    project.events.label({photos[2]: fox}, who="ann", how="click")
    assert plan_export(project).missing == []
    exported = export_folder(project, tmp_path / "out")
    assert exported.warnings == ["labels without a photo to judge by: cat, dog; answer more of the audit"]
    with pytest.raises(FolderError, match="not empty"):
        export_folder(project, tmp_path / "out")


def test_labels_that_a_request_can_not_tell_apart_are_named(project: Project, photos: list[str]) -> None:
    for number, name in enumerate(("a b", "a_B", "c")):
        label = project.labels.create(name).id
        project.events.label({photos[number]: label, photos[number + 4]: label}, who="ann", how="click")
    lines = plan_export(project).missing
    assert "labels that a request to the model can't tell apart: a b, a_B; rename or merge them" in lines


def test_photos_that_are_gone_or_have_changed_are_left_out_by_name(
    project: Project, labelled: dict[str, str], tmp_path: Path
) -> None:
    gone, changed, touched = (project.photos[photo] for photo in list(labelled)[4:7])
    gone.file.path.unlink()
    changed.file.path.write_bytes(picture(99))
    os.utime(touched.file.path, ns=(1, 1))  # the same content
    exported = export_folder(project, tmp_path / "out")
    assert exported.train == 5
    assert exported.warnings[0].startswith("2 photos are gone or have changed, and were left out: ")
    assert {gone.name, changed.name} == set(exported.warnings[0].split(": ")[1].split(", "))


def test_labels_of_the_audit_that_were_not_blind_are_left_out(
    project: Project, labelled: dict[str, str], tmp_path: Path
) -> None:
    project.photos.add_folder(save_photos(tmp_path / "more", 60, first=20))  # more photos are held back, and others
    moved = {photo for photo in labelled if photo in project.audits.current().held}
    blind = {photo for photo, event in project.events.labels().items() if event.how == "audit"}
    rows = {row.photo.sha256: row for row in decisions(project)}
    assert {photo for photo in moved if rows[photo].trainable} == moved & blind
    assert all(rows[photo].trainable for photo in set(labelled) - moved)


def test_an_export_is_of_one_moment(project: Project, photos: list[str]) -> None:
    """A writer changes pairs of photos together: no export may see half of a change."""
    labels = [project.labels.create(name).id for name in ("cat", "dog")]
    stop = threading.Event()

    def write() -> None:
        for number in itertools.count():
            if stop.is_set():
                return
            label = labels[number % 2]
            project.events.label({photos[0]: label, photos[1]: label}, who="ann", how="click")
            if number % 5 == 4:
                project.labels.merge(project.labels.create(f"new {number}").id, labels[0], who="ann")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            for _ in range(150):
                rows = {row.photo.sha256: row for row in decisions(project)}
                assert rows[photos[0]].label == rows[photos[1]].label
                list(history_csv(project))
        finally:
            stop.set()
        writing.result(30)


def test_the_table_has_every_photo(project: Project, labelled: dict[str, str]) -> None:
    guess = Prediction("Maine Coon", 0.75, "model 3")
    photo = next(iter(labelled))
    rows = {row["sha256"]: row for row in table(decisions_csv(decisions(project, {photo: guess})))}
    assert len(rows) == 16
    assert {sha256: row["label"] for sha256, row in rows.items() if row["state"] == "label"} == labelled
    assert sorted(row["state"] for row in rows.values()) == sorted([*["label"] * 14, *["can't tell"] * 2])
    row = rows[photo]
    assert (row["prediction"], row["probability"], row["model"]) == guess._replace(probability="0.75")
    assert (row["who"], row["how"], row["split"]) == ("ann", "lasso", "train")


def test_the_history_has_every_event(project: Project, labelled: dict[str, str]) -> None:
    project.events.undo("ann")
    rows = table(history_csv(project))
    assert len(rows) == len(project.events.history()) == 17
    assert [row["how"] for row in rows] == [*["lasso"] * 7, *["audit"] * 7, "click", "audit", "undo"]
    assert [row["label"] for row in rows[:7]] == [labelled[row["sha256"]] for row in rows[:7]]
    assert rows[-1]["label"] == ""


def test_label_studio_gets_labelled_photos(project: Project, labelled: dict[str, str]) -> None:
    guess = Prediction("a/b", 0.5, "model 3")
    tasks = label_studio_tasks(project, predictions=dict.fromkeys(labelled, guess))
    found = {}
    for task in tasks:
        assert isinstance(task, dict)
        found[task["data"]["sha256"]] = task["annotations"][0]["result"][0]["value"]["choices"]
        assert task["predictions"][0]["score"] == 0.5
    assert found == {photo: [label] for photo, label in labelled.items()}
    view = ElementTree.fromstring(label_studio_config(['<"a">', "b"]))
    assert [choice.get("value") for choice in view.iter("Choice")] == ['<"a">', "b"]


def test_folder_names_are_safe_and_different(tmp_path: Path) -> None:
    labels = [
        "cat",
        "Cat ",
        "a/b",
        "a\\b",
        "..",
        ".",
        "__MACOSX1",
        "x" * 100,
        "x" * 99,
        "猫",
        "con:",
        "~",
        "-rf",
        "a\u202eb",
    ]
    labels += [f".{word}." for word in RESERVED]
    names = folder_names(labels)
    assert set(names) == set(labels)
    assert len({name.casefold() for name in names.values()}) == len(labels)
    for name in names.values():
        assert not set(name) & set("/\\:\0\u202e")
        assert not name.startswith((".", "__MACOSX"))
        assert name.casefold() not in RESERVED
        (tmp_path / name).mkdir()
    assert names["猫"] == "猫"
    shutil.rmtree(tmp_path)
