"""ProjectStore.copy: a separate project, with photos, labels, history, audit and caches."""

import os
from pathlib import Path

import numpy as np
import pytest

from labelling.features.layout import FeatureLayout
from labelling.features.spaces import Space
from labelling.features.table import PhotoFacts
from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.photos import is_unchanged
from labelling.projects.progress import features
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import picture, save_photos
from tests.labelling.projects.test_uploads import send

WHAT = Space("final", "what")
LAYOUT = FeatureLayout("a" * 64, {WHAT: slice(0, 8)}, 8)


def test_a_copy_knows_all_that_the_project_knows(store: ProjectStore, project: Project, photos: list[str]) -> None:
    send(project, picture(99))
    label = project.labels.create("cat").id
    project.events.label(dict.fromkeys(photos[:3], label), who="ann", how="lasso")
    project.events.undo("ann")
    project.archive()
    copied = store.copy(project.id, "Cats of bob")
    assert (copied.id, copied.summary.name, copied.summary.archived) == ("cats-of-bob", "Cats of bob", False)
    assert copied.summary.created > project.summary.created
    assert [photo.sha256 for photo in copied.photos] == [photo.sha256 for photo in project.photos]
    assert copied.labels.list() == project.labels.list()
    assert copied.events.history() == project.events.history()
    assert copied.audits.current() == project.audits.current()
    assert [copied.photos.read(photo.sha256) for photo in project.photos]
    copied.events.redo("ann")
    assert len(copied.events.labels()) == 3
    assert project.events.labels() == {}


def test_photos_are_shared_and_outlive_the_project(store: ProjectStore, project: Project) -> None:
    content = picture(1)
    photo = send(project, content).sha256
    project.thumbnails.get(photo, 64)
    copied = store.copy(project.id, "Copy")
    one, other = (folder.photos[photo].file.path for folder in (project, copied))
    assert os.stat(one).st_ino == os.stat(other).st_ino
    store.delete(project.id)
    assert copied.photos.read(photo) == content
    assert copied.thumbnails.cached(photo, 64) is not None


def test_features_are_copied_because_both_projects_append_to_theirs(
    store: ProjectStore, project: Project, tmp_path: Path
) -> None:
    project.photos.add_folder(save_photos(tmp_path / "in place", 12))
    facts = [PhotoFacts(photo.sha256, 24, 16, 1) for photo in project.photos]
    values = np.random.default_rng(0).normal(size=(12, 8))
    table, arrays = features(project, LAYOUT)
    table.append(facts[:8], values[:8])
    arrays.fit([fact.sha256 for fact in facts[:8]])
    copied = store.copy(project.id, "Copy")
    other_table, other_arrays = features(copied, LAYOUT)
    names = [fact.sha256 for fact in facts[:8]]
    np.testing.assert_array_equal(other_arrays.array(WHAT, names), arrays.array(WHAT, names))
    table.append(facts[8:10], values[8:10])
    other_table.append(facts[10:], values[10:])
    assert (table.refresh(), other_table.refresh()) == (10, 10)
    np.testing.assert_allclose(other_table.read(np.array([9]), slice(0, 8))[0], values[11], atol=2e-3)
    np.testing.assert_allclose(table.read(np.array([9]), slice(0, 8))[0], values[9], atol=2e-3)


def test_drawn_photos_are_found_in_the_copy(store: ProjectStore, project: Project) -> None:
    project.photos.add_demonstration(3)
    copied = store.copy(project.id, "Copy")
    assert all(photo.file.path.is_relative_to(copied.folder) for photo in copied.photos)
    store.delete(project.id)
    assert all(is_unchanged(photo.file) for photo in copied.photos)


def test_photos_of_a_folder_in_place_stay_there(store: ProjectStore, project: Project, tmp_path: Path) -> None:
    folder = save_photos(tmp_path / "in place", 2)
    project.photos.add_folder(folder)
    copied = store.copy(project.id, "Copy")
    assert all(photo.file.path.parent == folder for photo in copied.photos)


def test_a_copy_that_can_not_be_made_leaves_nothing(
    store: ProjectStore, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ProjectError, match="name"):
        store.copy(project.id, " ")
    with pytest.raises(UnknownError):
        store.copy("dogs", "Copy")

    def fail(*_: object) -> None:
        raise OSError("broken")

    monkeypatch.setattr("labelling.projects.store.move_photos", fail)
    with pytest.raises(ProjectError, match="broken"):
        store.copy(project.id, "Copy")
    assert [path.name for path in store.folder.iterdir()] == [project.id]
