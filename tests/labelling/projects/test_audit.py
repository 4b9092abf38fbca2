"""labelling.projects.audit and rows: held-back photos are fixed before any label, and answered blind."""

from pathlib import Path

import numpy as np
import pytest

from labelling.features.table import PhotoFacts
from labelling.learning.arrays import CANT_TELL, UNLABELLED
from labelling.learning.audit import draw_audit
from labelling.photos.files import BrokenFile
from labelling.projects.errors import ProjectError
from labelling.projects.rows import audit_rows, seen_labels, seen_rows
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import save_photos


def decode(project: Project) -> list[str]:
    """Record facts of all photos; return their hashes."""
    hashes = [photo.sha256 for photo in project.photos]
    project.photos.record([PhotoFacts(photo, 24, 16, number) for number, photo in enumerate(hashes)])
    return hashes


def test_the_set_is_that_of_the_random_order(project: Project, photos: list[str]) -> None:
    hashes = decode(project)
    expected = draw_audit(hashes, project.seed)
    current = project.audits.current()
    assert current.asked == tuple(hashes[row] for row in expected.asked)
    assert current.held == {hashes[row] for row in np.flatnonzero(expected.held)}
    assert (len(current.asked), current.draw) == (8, 1)


def test_labels_do_not_move_the_set(store: ProjectStore, project: Project, photos: list[str]) -> None:
    before = project.audits.current()
    project.events.label(dict.fromkeys(photos, 0), who="ann", how="lasso")
    project.events.label({before.asked[0]: 0}, who="ann", how="audit")
    decode(project)
    assert project.audits.current() == before
    assert store.open(project.id).audits.current() == before


def test_each_project_holds_other_photos_back(
    store: ProjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # of the seed that is the same in all other tests
    folder = save_photos(tmp_path / "photos", 40)
    sets = []
    for _ in range(2):
        project = store.create("Cats")
        project.photos.add_folder(folder)
        sets.append(project.audits.current().held)
    assert sets[0] != sets[1]


def test_held_back_photos_are_labelled_by_the_audit_alone(project: Project, photos: list[str]) -> None:
    asked = project.audits.current().asked
    for how in ("lasso", "click", "similar", "suggestion", "confirm"):
        with pytest.raises(ProjectError, match="is held back for the audit, with 0 others"):
            project.events.label({photos[0]: 0, asked[0]: 0}, who="ann", how=how)
    with pytest.raises(ProjectError, match="is no photo of the audit"):
        project.events.label({photos[0]: 0}, who="ann", how="audit")
    assert project.events.labels() == {}
    project.events.label({asked[0]: 0, photos[0]: 0}, who="ann", how="import")


def test_only_blind_answers_count(project: Project, photos: list[str]) -> None:
    label, other = project.labels.create("cat").id, project.labels.create("dog").id
    asked = project.audits.current().asked
    project.events.label({asked[0]: label, asked[1]: 0}, who="ann", how="audit")
    project.events.label({asked[1]: label, asked[2]: label}, who="bob", how="import")
    rows = audit_rows(project)
    assert rows.photos == asked
    assert rows.answers.tolist() == [label] + [UNLABELLED] * (len(asked) - 1)
    assert rows.open == asked[1:]
    project.events.undo("bob")
    project.events.label({asked[0]: other}, who="bob", how="audit")
    assert audit_rows(project).answers.tolist()[:3] == [other, CANT_TELL, UNLABELLED]
    project.events.undo("bob")
    assert audit_rows(project).answers.tolist()[:3] == [label, CANT_TELL, UNLABELLED]


def test_a_merge_of_labels_leaves_answers_blind(project: Project, photos: list[str]) -> None:
    one, two, three = (project.labels.create(name).id for name in ("cat", "kitten", "kitty"))
    asked = project.audits.current().asked
    project.events.label({asked[0]: three, asked[1]: one}, who="ann", how="audit")
    project.events.label({photos[0]: three}, who="ann", how="lasso")
    project.labels.merge(three, two, who="bob")
    project.labels.merge(two, one, who="bob")
    assert audit_rows(project).answers.tolist()[:3] == [one, one, UNLABELLED]
    assert {event.how for event in project.events.labels().values()} == {"audit", "lasso"}
    project.events.undo("bob")
    assert audit_rows(project).answers.tolist()[:3] == [two, one, UNLABELLED]
    project.events.undo("bob")
    project.events.redo("bob")
    assert audit_rows(project).answers.tolist()[:3] == [two, one, UNLABELLED]


def test_seen_rows_never_have_a_held_back_photo(project: Project, photos: list[str]) -> None:
    label = project.labels.create("cat").id
    hashes = decode(project)
    asked = project.audits.current().asked
    project.photos.group({photos[0]: asked[0], asked[0]: asked[0], photos[3]: photos[2], photos[2]: photos[2]})
    held = project.audits.current().held
    project.events.label(dict.fromkeys(hashes, label), who="ann", how="import")
    rows = seen_rows(project)
    assert set(rows.photos) == set(hashes) - held
    assert {asked[0], photos[0]} <= held or not {asked[0], photos[0]} & held  # near duplicates stay together
    assert set(rows.labels.tolist()) == {label}
    assert seen_labels(project) == dict.fromkeys(rows.photos, label)
    project.events.label({rows.photos[0]: None, rows.photos[1]: 0}, who="ann", how="click")
    assert seen_labels(project) == dict.fromkeys(rows.photos[1:], label) | {rows.photos[1]: CANT_TELL}
    places = {photo: place for place, photo in enumerate(rows.photos)}
    if photos[2] in places:
        assert rows.groups[places[photos[3]]] == rows.groups[places[photos[2]]] == places[photos[2]]
    assert not rows.audit.any()
    assert len(rows.audit) == len(rows.labels) == len(rows.groups) == len(rows.photos)


def test_photos_without_features_and_broken_ones_are_not_seen(project: Project, photos: list[str]) -> None:
    assert seen_rows(project).photos == ()
    project.photos.record([PhotoFacts(photo, 24, 16, 0) for photo in photos[:3]])
    assert seen_rows(project).photos == tuple(photos[:3])
    asked = project.audits.current().asked[0]
    broken = BrokenFile(project.photos[asked].file.path, "damaged-image", "it is broken")
    project.photos.record(broken={asked: broken})
    assert asked not in project.audits.current().held


def test_a_fresh_draw_gives_the_old_photos_back(project: Project, photos: list[str], tmp_path: Path) -> None:
    old = project.audits.current()
    project.events.label({old.asked[0]: 0}, who="ann", how="audit")
    fresh = project.audits.draw_fresh()
    assert fresh.draw == 2
    assert fresh.asked
    assert not fresh.held & old.held
    assert audit_rows(project).answers.tolist() == [UNLABELLED] * len(fresh.asked)
    project.events.label({old.asked[1]: 0}, who="ann", how="click")
    with pytest.raises(ProjectError, match="all photos were asked about already"):
        project.audits.draw_fresh()
    assert project.audits.current() == fresh
    project.photos.add_folder(save_photos(tmp_path / "more", 30, first=50))
    assert not project.audits.current().held & old.held
