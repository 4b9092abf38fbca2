"""labelling.projects.store: projects are created whole, stay private, and are deleted with their data."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import picture


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def test_projects_are_listed_from_the_oldest(store: ProjectStore) -> None:
    ids = [store.create(name).id for name in ("Zoo", "Été à Paris", "Zoo", "猫")]
    assert ids == ["zoo", "ete-a-paris", "zoo-2", "project"]
    assert [(summary.id, summary.name) for summary in store.list()] == list(
        zip(ids, ["Zoo", "Été à Paris", "Zoo", "猫"], strict=True)
    )


def test_a_summary_counts_photos_and_labels(project: Project, photos: list[str]) -> None:
    label = project.labels.create("tabby").id
    project.events.label({photos[0]: label, photos[1]: 0}, who="ann", how="click")
    project.events.label({photos[0]: None}, who="ann", how="click")
    assert (project.summary.photos, project.summary.labelled) == (16, 1)


def test_only_the_owner_may_read_a_project(store: ProjectStore) -> None:
    previous = os.umask(0)
    try:
        project = store.create("Secret")
        with project.upload("cat.png") as upload:
            upload.write(picture(1))
            photo = upload.finish()
        project.events.label({photo.sha256: 0}, who="ann", how="click")
        found = modes(store.folder)
    finally:
        os.umask(previous)
    assert {"project.sqlite", "project.sqlite-wal", photo.sha256} <= set(found)
    folders = {path.name for path in (store.folder, *store.folder.rglob("*")) if path.is_dir()}
    assert {name: mode for name, mode in found.items() if mode != (0o700 if name in folders else 0o600)} == {}


def test_a_renamed_project_keeps_its_id(store: ProjectStore) -> None:
    store.create("Cats").rename("  Dogs ")
    assert [(summary.id, summary.name) for summary in store.list()] == [("cats", "Dogs")]


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "two\nlines", "null\0"])
def test_a_name_that_can_not_be_shown_is_rejected(store: ProjectStore, name: str) -> None:
    with pytest.raises(ProjectError, match=r"^name: "):
        store.create(name)
    assert store.list() == []


def test_an_archived_project_rejects_changes_until_it_is_restored(store: ProjectStore, project: Project) -> None:
    other = store.open(project.id)
    project.archive()
    assert store.list()[0].archived
    with pytest.raises(ProjectError, match="is archived; restore it"):
        other.labels.create("tabby")
    other.restore()
    assert project.labels.create("tabby").name == "tabby"


def test_a_deleted_project_is_gone_with_its_data(store: ProjectStore, project: Project, photos: list[str]) -> None:
    other = store.open(project.id)
    folder = Path(other.photos[photos[0]].file.path).parent
    store.delete(project.id)
    assert list(store.folder.iterdir()) == []
    assert len(list(folder.iterdir())) == 16  # photos in place stay
    with pytest.raises(UnknownError, match="has been deleted"):
        other.events.label({photos[0]: 0}, who="ann", how="click")
    with pytest.raises(UnknownError, match="no project 'cats'"):
        store.open("cats")
    with pytest.raises(UnknownError):
        store.delete("cats")


@pytest.mark.parametrize("project", ["../cats", "", ".", "..", "a/b", "Cats", ".deleted-1", "/etc"])
def test_ids_never_leave_the_folder(store: ProjectStore, project: str) -> None:
    store.create("Cats")
    for use in (store.open, store.delete):
        with pytest.raises(UnknownError, match="no project"):
            use(project)
    assert len(store.list()) == 1


def test_a_folder_that_is_no_project_is_never_deleted(store: ProjectStore) -> None:
    (store.folder / "mine").mkdir()
    (store.folder / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(UnknownError, match="no project; nothing was deleted"):
        store.delete("mine")
    assert (store.folder / "mine" / "diary.txt").exists()
    assert store.list()[0].error is not None


def change(file: Path, pragma: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()


def test_other_versions_and_foreign_files_are_named(store: ProjectStore) -> None:
    files = {name: store.create(name).folder / "project.sqlite" for name in ("new", "old", "alien", "text", "cut")}
    change(files["new"], "user_version = 2")
    change(files["old"], "user_version = 0")
    change(files["alien"], "application_id = 7")
    files["text"].write_text("dear diary, this is a text and no database")
    content = files["cut"].read_bytes()
    files["cut"].write_bytes(content[: len(content) // 2])
    store.create("good")
    errors = {summary.id: summary.error for summary in store.list()}
    assert errors.pop("good") is None
    assert "a later version of Shopcat (format 2, here 1); run that version" in str(errors["new"])
    assert "an older version of Shopcat (format 0, here 1)" in str(errors["old"])
    assert "a database of another program" in str(errors["alien"])
    assert "is no database, or is damaged" in str(errors["text"])
    assert "is no database, or is damaged" in str(errors["cut"])
    for project in errors:
        store.delete(project)
    assert [summary.id for summary in store.list()] == ["good"]


def test_folders_of_killed_processes_are_no_projects_and_are_removed(store: ProjectStore) -> None:
    whole = store.create("whole")
    shutil.copytree(whole.folder, store.folder / ".cats.abcdefgh.part")
    shutil.copytree(whole.folder, store.folder / ".deleted-0123")
    store.create("cats")
    assert [summary.id for summary in store.list()] == ["whole", "cats"]
    store.delete("cats")
    assert [path.name for path in store.folder.iterdir()] == ["whole"]
