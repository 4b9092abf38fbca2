"""console.labels.opened.rows: photos that may be seen and have components, and arrays that fit to them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from console.labels.opened import rows as module
from console.labels.opened.rows import RowReader, StaleError
from labelling.features.arrays import SpaceArrays
from labelling.features.layout import FeatureLayout
from labelling.features.spaces import Space
from labelling.features.table import FeatureTable, PhotoFacts
from labelling.learning.arrays import CANT_TELL, UNLABELLED
from labelling.projects.progress import Progress, features
from labelling.projects.store import Project, ProjectStore
from tests.labelling.projects.pictures import save_photos

WHAT, WHERE = Space("final", "what"), Space("final", "where")
LAYOUT = FeatureLayout("a" * 64, {WHAT: slice(0, 4), WHERE: slice(4, 12)}, 12)


class Embedder:
    """Embeds photos as the process does, with random features."""

    def __init__(self, project: Project, layout: FeatureLayout = LAYOUT) -> None:
        self._project = project
        self.table: FeatureTable
        self.arrays: SpaceArrays
        self.table, self.arrays = features(project, layout)

    def embed(self, photos: list[str]) -> None:
        """Embed photos, and project them if there are components."""
        facts = [PhotoFacts(photo, 24, 16, int(photo[:8], 16)) for photo in photos]
        values = np.array([np.random.default_rng(int(photo[:8], 16)).normal(size=12) for photo in photos])
        self.table.append(facts, values)
        self._project.photos.record(facts)
        if self.arrays.fitted_on:
            self.arrays.add(photos)

    def fit(self) -> None:
        """Fit components on the photos that may be seen."""
        held = self._project.audits.current().held
        self.arrays.fit([fact.sha256 for fact in self.table.facts if fact.sha256 not in held])


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = ProjectStore(tmp_path / "store").create("Cats")
    project.photos.add_folder(save_photos(tmp_path / "photos", 20))
    yield project
    project.close()


@pytest.fixture
def reader(project: Project) -> RowReader:
    return RowReader(project, lambda: LAYOUT)


def test_rows_are_the_photos_with_components_that_are_not_held_back(project: Project, reader: RowReader) -> None:
    assert reader.table().photos == ()
    photos = [photo.sha256 for photo in project.photos]
    embedder = Embedder(project)
    embedder.embed(photos[:16])
    assert reader.table().photos == ()
    embedder.fit()
    table = reader.table()
    held = project.audits.current().held
    assert table.photos == tuple(photo for photo in photos[:16] if photo not in held)
    assert table.place == {photo: row for row, photo in enumerate(table.photos)}
    assert table.labels.tolist() == [UNLABELLED] * len(table.photos)
    embedder.embed(photos[16:])
    later = reader.table()
    assert {*later.photos} == {*photos} - project.audits.current().held
    assert later.version != table.version


def test_labels_change_and_the_version_does_not(project: Project, reader: RowReader) -> None:
    embedder = Embedder(project)
    embedder.embed([photo.sha256 for photo in project.photos])
    embedder.fit()
    before = reader.table()
    assert reader.table() is before
    label = project.labels.create("cat").id
    batch = project.events.label({before.photos[1]: label, before.photos[2]: 0}, who="ann", how="click")
    after = reader.table()
    assert after.version == before.version
    assert after.labels[:4].tolist() == [UNLABELLED, label, CANT_TELL, UNLABELLED]
    assert after.last_event == batch.last_event
    assert after.array(WHAT) is before.array(WHAT)


def test_groups_are_first_rows(project: Project, reader: RowReader) -> None:
    embedder = Embedder(project)
    embedder.embed([photo.sha256 for photo in project.photos])
    embedder.fit()
    before = reader.table()
    twins = dict.fromkeys(before.photos[:6], before.photos[0])
    project.photos.group(twins)
    after = reader.table()
    grouped = [row for row, photo in enumerate(after.photos) if photo in twins]
    assert len(grouped) > 1
    rest = [row for row in range(len(after.photos)) if row not in grouped]
    assert {*after.groups[grouped].tolist()} == {min(grouped)}
    assert after.groups[rest].tolist() == rest


def test_arrays_are_those_of_the_rows(project: Project, reader: RowReader) -> None:
    embedder = Embedder(project)
    embedder.embed([photo.sha256 for photo in project.photos])
    embedder.fit()
    table = reader.table()
    for space, array in table.arrays().items():
        np.testing.assert_array_equal(array, embedder.arrays.array(space, table.photos))
        assert array.dtype == np.float32
        assert not array.flags.writeable


def test_rows_stay_for_a_while_during_the_embedding_and_arrays_fit_to_them(
    project: Project, reader: RowReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map that a page asks for belongs to the version that it knows."""
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(module, "read_progress", lambda project: Progress(running=True))
    photos = [photo.sha256 for photo in project.photos]
    embedder = Embedder(project)
    embedder.embed(photos[:10])
    embedder.fit()
    table = reader.table()
    embedder.embed(photos[10:])
    clock[0] += module.HOLD_S - 1
    assert reader.table().version == table.version
    assert len(table.array(WHAT)) == len(table.photos)
    clock[0] += 1
    fresh = reader.table()
    assert len(fresh.photos) > len(table.photos)
    assert len(fresh.array(WHAT)) == len(fresh.photos)
    with pytest.raises(StaleError, match="rows_version"):
        table.array(WHERE)


def test_a_photo_that_the_audit_holds_back_now_is_not_seen_any_more(project: Project, reader: RowReader) -> None:
    embedder = Embedder(project)
    embedder.embed([photo.sha256 for photo in project.photos])
    embedder.fit()
    before = reader.table()
    project.audits.draw_fresh()
    held = project.audits.current().held
    assert held & {*before.photos}
    assert not held & {*reader.table().photos}


def test_another_network_has_other_rows(project: Project) -> None:
    layout = [LAYOUT]
    reader = RowReader(project, lambda: layout[0])
    embedder = Embedder(project)
    embedder.embed([photo.sha256 for photo in project.photos])
    embedder.fit()
    assert reader.table().photos
    layout[0] = LAYOUT._replace(key="b" * 64)
    assert reader.table().photos == ()
    other = Embedder(project, layout[0])
    other.embed([photo.sha256 for photo in project.photos])
    other.fit()
    assert reader.table().photos


def test_nothing_is_written_to_look_at_rows(project: Project, reader: RowReader) -> None:
    before = {path for path in project.folder.rglob("*") if "sqlite" not in path.name}
    assert reader.table().photos == ()
    assert {path for path in project.folder.rglob("*") if "sqlite" not in path.name} == before
