"""labelling.projects.labels: names are unique, and a label in use never disappears."""

import pytest

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.labels import PALETTE, RESERVED
from labelling.projects.store import Project


def test_labels_get_numbers_from_1_and_different_colours(project: Project) -> None:
    labels = [project.labels.create(f"label {number}") for number in range(9)]
    assert [label.id for label in labels] == list(range(1, 10))
    assert [label.colour for label in labels] == [*PALETTE, PALETTE[0]]
    assert project.labels.list() == labels


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Train", "VALID", "can't tell", "", "a\tb", "x" * 101])
def test_names_that_mean_something_else_are_rejected(project: Project, name: str) -> None:
    with pytest.raises(ProjectError, match=r"^name: "):
        project.labels.create(name)
    label = project.labels.create("tabby").id
    with pytest.raises(ProjectError, match=r"^name: "):
        project.labels.rename(label, name)
    assert [label.name for label in project.labels.list()] == ["tabby"]


def test_names_that_differ_in_case_or_accents_form_count_as_one(project: Project) -> None:
    project.labels.create("Siamés")
    with pytest.raises(ProjectError, match="there is a label 'Siamés' already"):
        project.labels.create("siame\u0301s")
    other = project.labels.create("Siames")
    with pytest.raises(ProjectError, match="merge the two"):
        project.labels.rename(other.id, "SIAMÉS")
    assert project.labels.rename(other.id, "SIAMES").name == "SIAMES"


def test_colours_are_checked(project: Project) -> None:
    label = project.labels.create("tabby", "#abcdef")
    assert label.colour == "#ABCDEF"
    assert project.labels.recolour(label.id, "#123456").colour == "#123456"
    for colour in ("red", "#12345", "#12345g", "url(x)"):
        with pytest.raises(ProjectError, match=r"^colour: "):
            project.labels.recolour(label.id, colour)


def test_a_label_in_use_can_not_be_retired(project: Project, photos: list[str]) -> None:
    label = project.labels.create("tabby")
    project.events.label({photos[0]: label.id}, who="ann", how="click")
    with pytest.raises(ProjectError, match="1 photos have 'tabby'; merge it"):
        project.labels.retire(label.id)
    project.events.label({photos[0]: None}, who="ann", how="click")
    assert project.labels.retire(label.id).retired
    assert project.labels.list() == []
    with pytest.raises(ProjectError, match="label 1 is retired"):
        project.events.label({photos[0]: label.id}, who="ann", how="click")
    assert project.labels.create("Tabby") == (label.id, "Tabby", label.colour, False)


def test_undo_brings_a_retired_label_back(project: Project, photos: list[str]) -> None:
    label = project.labels.create("tabby")
    project.events.label({photos[0]: label.id}, who="ann", how="click")
    project.events.label({photos[0]: None}, who="ann", how="click")
    project.labels.retire(label.id)
    undone = project.events.undo("ann")
    assert undone is not None
    assert undone.labels == {photos[0]: label.id}
    assert project.labels.list() == [label]


def test_merged_labels_can_be_parted_again(project: Project, photos: list[str]) -> None:
    one, two = project.labels.create("cat").id, project.labels.create("kitten").id
    project.events.label({photos[0]: one, photos[1]: two, photos[2]: two}, who="ann", how="lasso")
    assert project.labels.merge(two, one, who="bob") == 2
    assert {current.label for current in project.events.labels().values()} == {one}
    assert [label.id for label in project.labels.list()] == [one]
    project.events.undo("bob")
    assert {photo: current.label for photo, current in project.events.labels().items()} == {
        photos[0]: one,
        photos[1]: two,
        photos[2]: two,
    }
    assert [label.id for label in project.labels.list()] == [one, two]
    with pytest.raises(ProjectError, match="into itself"):
        project.labels.merge(one, one, who="bob")


def test_unknown_labels_and_the_built_in_one_are_not_changed(project: Project) -> None:
    for label in (0, 7, -1):
        with pytest.raises(UnknownError, match=f"no label {label}"):
            project.labels.rename(label, "x")
        with pytest.raises(UnknownError, match=f"no label {label}"):
            project.labels.retire(label)
