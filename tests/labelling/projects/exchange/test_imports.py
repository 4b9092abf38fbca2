"""labelling.projects.exchange.imports: what was exported comes back, and what can't be used changes nothing."""

import json
from pathlib import Path

import pytest

from labelling.projects.errors import ProjectError
from labelling.projects.exchange.decisions import decisions
from labelling.projects.exchange.export import export_folder
from labelling.projects.exchange.imports import import_csv, import_folder, import_label_studio
from labelling.projects.exchange.label_studio import label_studio_tasks
from labelling.projects.exchange.tables import decisions_csv
from labelling.projects.rows import audit_rows
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.exchange.test_export import NAMES, labelled
from tests.labelling.projects.pictures import save_photos

__all__ = ["labelled"]  # a fixture


@pytest.fixture
def other(store: ProjectStore, tmp_path: Path) -> Project:
    """A second project with the same photos, and one of the labels in other letters."""
    project = store.create("Other")
    project.photos.add_folder(save_photos(tmp_path / "others", 16))
    project.labels.create("MAINE COON")
    return project


def named(project: Project) -> dict[str, str]:
    return {row.photo.sha256: row.label.casefold() for row in decisions(project) if row.state == "label"}


def folded(labels: dict[str, str]) -> dict[str, str]:
    return {photo: label.casefold() for photo, label in labels.items()}


def test_a_table_comes_back(project: Project, other: Project, labelled: dict[str, str]) -> None:
    imported = import_csv(other, "".join(decisions_csv(decisions(project))), who="carl")
    assert imported.batch is not None
    assert named(other) == folded(labelled)
    assert sum(row.state == "can't tell" for row in decisions(other)) == 2
    assert set(imported.created) == set(NAMES) - {"Maine Coon"}
    assert imported.unknown == ()
    assert {event.how for event in other.events.history()} == {"import"}
    other.events.undo("carl")
    assert named(other) == {}


def test_a_folder_comes_back(project: Project, other: Project, labelled: dict[str, str], tmp_path: Path) -> None:
    exported = export_folder(project, tmp_path / "out")
    imported = import_folder(other, exported.folder, who="carl")
    assert named(other) == folded(labelled)
    assert (set(imported.created), imported.unknown) == (set(NAMES) - {"Maine Coon"}, ())


def test_tasks_of_label_studio_come_back(project: Project, other: Project, labelled: dict[str, str]) -> None:
    import_label_studio(other, json.dumps(label_studio_tasks(project)), who="carl")
    assert named(other) == folded(labelled)


def test_blind_answers_stay_what_they_are(project: Project, labelled: dict[str, str]) -> None:
    before = audit_rows(project)
    rows = "".join(f"{photo},fox\n" for photo in labelled)
    imported = import_csv(project, f"sha256,label\n{rows}", who="carl")
    n_blind = sum(event.how == "audit" for photo, event in project.events.labels().items() if photo in labelled)
    assert (imported.changed, imported.same, imported.blind) == (len(labelled) - n_blind, 0, n_blind)
    after = audit_rows(project)
    assert (after.photos, after.answers.tolist()) == (before.photos, before.answers.tolist())


def test_a_table_by_names_is_enough(project: Project, photos: list[str]) -> None:
    text = "\ufeffname,label\n000.png,cat\n001.png,\nnowhere.png,dog\n002.png,cat\n002.png,fox\n"
    imported = import_csv(project, text, who="carl")
    assert imported.created == ("cat", "fox")
    assert imported.unknown == ("nowhere.png",)
    names = {photo.sha256: photo.name for photo in project.photos}
    assert {names[photo]: label for photo, label in named(project).items()} == {"000.png": "cat", "002.png": "fox"}


def test_labels_that_photos_have_already_are_counted_and_no_step_of_the_history(
    project: Project, photos: list[str]
) -> None:
    import_csv(project, "name,label\n000.png,Cat\n001.png,can't tell\n002.png,dog\n", who="carl")
    before = project.events.history()
    text = "name,label,state\n000.png, cat,\n001.png,,can't tell\n002.png,dog,\n"
    again = import_csv(project, text, who="ann")
    assert (again.batch, again.changed, again.same, again.blind, again.created) == (None, 0, 3, 0, ())
    assert project.events.history() == before
    text = "name,label,state\n000.png,cat,\n001.png,fox,\n002.png,,can't tell\n"
    other = import_csv(project, text, who="ann")
    assert (other.changed, other.same, other.created) == (2, 1, ("fox",))


def test_a_name_of_several_photos_is_not_guessed(project: Project, tmp_path: Path) -> None:
    for number, folder in enumerate(("one", "two")):
        project.photos.add_folder(save_photos(tmp_path / folder, 2, first=0).rename(tmp_path / f"{folder}{number}"))
    save_photos(tmp_path / "three", 1, first=30)
    (tmp_path / "three" / "030.png").rename(tmp_path / "three" / "000.png")
    project.photos.add_folder(tmp_path / "three")
    assert import_csv(project, "name,label\n000.png,cat\n", who="carl").unknown == ("000.png",)


@pytest.mark.parametrize(
    "text",
    ["", "photo,label\na,b\n", "sha256,name\na,b\n", "name,label\n000.png,train\n", "name,label\n000.png,a\tb\n"],
)
def test_a_table_that_can_not_be_used_changes_nothing(project: Project, photos: list[str], text: str) -> None:
    with pytest.raises(ProjectError, match=r"^(columns|name): "):
        import_csv(project, text, who="carl")
    assert project.labels.list() == []
    assert project.events.history() == []


@pytest.mark.parametrize("text", ["", "{}x", "[1]", '[{"annotations": [{"result": [{"type": "choices"}]}]}]', "7"])
def test_tasks_that_can_not_be_used_change_nothing(project: Project, photos: list[str], text: str) -> None:
    with pytest.raises(ProjectError, match="export them there as JSON"):
        import_label_studio(project, text, who="carl")
    assert project.events.history() == []
