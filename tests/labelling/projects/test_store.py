"""labelling.projects.store: projects are created whole, stay private, and are deleted with their data."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.models import Models
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


VERSION_1 = Path(__file__).with_name("version_1.sql")


def change(file: Path, pragma: str) -> None:
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA {pragma}")
    connection.close()


def test_other_versions_and_foreign_files_are_named(store: ProjectStore) -> None:
    files = {name: store.create(name).folder / "project.sqlite" for name in ("new", "old", "alien", "text", "cut")}
    change(files["new"], "user_version = 3")
    change(files["old"], "user_version = 0")
    change(files["alien"], "application_id = 7")
    files["text"].write_text("dear diary, this is a text and no database")
    content = files["cut"].read_bytes()
    files["cut"].write_bytes(content[: len(content) // 2])
    store.create("good")
    errors = {summary.id: summary.error for summary in store.list()}
    assert errors.pop("good") is None
    assert "a later version of Shopcat (format 3, here 2); run that version" in str(errors["new"])
    assert "an older version of Shopcat (format 0, here 2)" in str(errors["old"])
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


def test_a_project_of_version_1_is_upgraded(store: ProjectStore) -> None:
    """It keeps its labels, and can do what is new."""
    file = store.create("Cats").folder / "project.sqlite"
    for old in file.parent.glob("project.sqlite*"):
        old.unlink()
    connection = sqlite3.connect(file)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.executescript(
        "INSERT INTO project VALUES (1, 'Cats', 1.5, 'seed', 'archived', 0);"
        "INSERT INTO labels VALUES (0, 'can''t tell', 'can''t tell', '#888888', 0), (1, 'cat', 'cat', '#0072B2', 0);"
        "INSERT INTO photos (number, sha256, name, size, modified, state) VALUES "
        f"(1, '{'a' * 64}', 'one', 9, 9, 'ok');"
        "INSERT INTO batches VALUES (1, 2.5, 'ann', 'lasso', 'final-what', NULL), (2, 3.5, 'ann', 'undo', NULL, 1),"
        "(3, 4.5, 'ann', 'redo', NULL, 1);"
        "INSERT INTO events VALUES (1, 1, 1, 1, NULL), (2, 2, 1, NULL, NULL), (3, 3, 1, 1, 1);"
        "INSERT INTO models VALUES (1, 5.5, 'hash', 1, '{}');"
    )
    connection.close()
    project = store.open("cats")
    assert project.summary.archived
    project.restore()
    assert [(event.how, event.label) for event in project.events.history()] == [
        ("lasso", 1),
        ("undo", None),
        ("redo", 1),
    ]
    assert Models(project.database, project.audits).looks() == 1
    project.events.label({"a" * 64: 0}, who="bob", how="second")
    project.events.label({}, who="bob", how="similar", refused={"a" * 64: 1})
    assert project.events.refused() == {("a" * 64, 1)}
    project.events.undo("ann")
    assert {photo: event.how for photo, event in project.events.labels().items()} == {"a" * 64: "second"}
    for change in ("DELETE FROM batches", "UPDATE events SET label = NULL", "DELETE FROM refusals"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), project.database.writing() as connection:
            connection.execute(change)
    assert store.open("cats").events.labels() == project.events.labels()
    fresh = store.create("Dogs")
    with project.database.reading() as one, fresh.database.reading() as other:
        assert columns(one) == columns(other)


def columns(connection: sqlite3.Connection) -> set[tuple[str, ...]]:
    """Return the columns of all tables, and the names of indexes, views and triggers."""
    names = connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall()
    tables = [name for kind, name in names if kind == "table"]
    found = {tuple(row) for row in names}
    for table in tables:
        found |= {(table, *map(str, row)) for row in connection.execute(f"PRAGMA table_info({table})")}
        found |= {(table, *map(str, row[2:])) for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
    return found


def test_a_project_is_found_by_its_folder_and_not_by_another_one(store: ProjectStore, tmp_path: Path) -> None:
    folder = str(tmp_path / os.fsdecode(b"caf\xe9, \xc3\xbc"))
    assert store.find(folder) is None
    project = store.create("Cats", origin=folder)
    store.create("Cats")
    store.create("Dogs", origin=f"{folder}/dogs")
    found = store.find(folder)
    assert found is not None
    assert found.id == project.id
    assert store.find(str(tmp_path)) is None
    store.delete(project.id)
    assert store.find(folder) is None
