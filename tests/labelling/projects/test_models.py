"""labelling.projects.models: a model is recorded with its labels, and each draw of the audit counts its models."""

from labelling.features.table import PhotoFacts
from labelling.projects.models import Models, labels_hash
from labelling.projects.rows import seen_rows
from labelling.projects.store import Project, ProjectStore


def test_models_are_kept_with_their_figures(store: ProjectStore, project: Project, photos: list[str]) -> None:
    project.photos.record([PhotoFacts(photo, 24, 16, 0) for photo in photos])
    models = Models(project.database, project.audits)
    rows = seen_rows(project)
    first = models.record(rows, {"right": 30, "interval": [0.5, 0.75]})
    project.events.label({photos[0]: 0}, who="ann", how="click")
    second = models.record(seen_rows(project), {})
    other = store.open(project.id)
    assert Models(other.database, other.audits).list() == [first, second]
    assert first.labels_hash == labels_hash(rows) != second.labels_hash
    project.events.undo("ann")
    assert labels_hash(seen_rows(project)) == first.labels_hash


def test_looks_count_the_models_that_somebody_has_seen_judged(project: Project, photos: list[str]) -> None:
    models = Models(project.database, project.audits)
    assert models.looks() == 0
    recorded = []
    for photo in photos[:3]:
        project.photos.record([PhotoFacts(photo, 24, 16, 0)])
        recorded.append(models.record(seen_rows(project), {"space": "final-what"}))
    assert models.looks() == 0
    for model in (recorded[0], recorded[2], recorded[2]):
        models.judge(model.id)
    assert models.looks() == 2
    assert [models.is_judged(model.id) for model in recorded] == [True, False, True]
    project.audits.draw_fresh()
    assert models.looks() == 0
    assert len(models.list()) == 3


def test_training_again_on_the_same_labels_is_the_same_model(project: Project, photos: list[str]) -> None:
    project.photos.record([PhotoFacts(photo, 24, 16, 0) for photo in photos])
    models = Models(project.database, project.audits)
    first = models.record(seen_rows(project), {"space": "final-what"})
    assert models.record(seen_rows(project), {"space": "final-what"}) == first
    assert models.record(seen_rows(project), {"space": "last-what"}).id != first.id
    project.audits.draw_fresh()
    assert models.record(seen_rows(project), {"space": "final-what"}).id != first.id
