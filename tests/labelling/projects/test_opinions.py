"""labelling.projects.rows: a share of the labels is given a second time, by somebody who has not seen the first."""

from pathlib import Path

import pytest

from labelling.features.table import PhotoFacts
from labelling.projects.rows import SECOND_SHARE, second_opinions
from labelling.projects.store import Project
from tests.labelling.projects.pictures import save_photos


@pytest.fixture
def seen(project: Project, tmp_path: Path) -> list[str]:
    """Hashes of the photos that are not held back, of 150."""
    added = project.photos.add_folder(save_photos(tmp_path / "photos", 150)).new
    project.photos.record([PhotoFacts(photo, 24, 16, number) for number, photo in enumerate(added)])
    return [photo for photo in added if photo not in project.audits.current().held]


def test_a_random_tenth_of_the_labels_waits_for_another_person(project: Project, seen: list[str]) -> None:
    label = project.labels.create("cat").id
    assert second_opinions(project, "bob").waiting == ()
    project.events.label(dict.fromkeys(seen[:60], label), who="ann", how="lasso")
    some = second_opinions(project, "bob").waiting
    project.events.label(dict.fromkeys(seen[60:], label), who="ann", how="lasso")
    waiting = second_opinions(project, "bob").waiting
    assert 1 <= len(waiting) <= 4 * SECOND_SHARE * len(seen)
    assert set(some) <= set(waiting) <= set(seen)
    assert [photo for photo in waiting if photo in some] == [*some]  # the order stays
    assert second_opinions(project, "ann").waiting == ()  # her own labels
    asked = project.audits.current().asked[0]
    project.events.label({asked: label}, who="ann", how="audit")
    assert second_opinions(project, "bob").waiting == waiting


def test_a_pair_is_what_both_said_before_anybody_corrected_it(project: Project, seen: list[str]) -> None:
    cat, dog = (project.labels.create(name).id for name in ("cat", "dog"))
    project.events.label(dict.fromkeys(seen, cat), who="ann", how="lasso")
    first, second, *rest = second_opinions(project, "bob").waiting
    project.events.label({first: dog}, who="bob", how="second")
    project.events.label({second: 0}, who="bob", how="second")
    project.events.label({first: dog}, who="ann", how="click")  # she agrees, now that she has seen it
    found = second_opinions(project, "bob")
    assert sorted(found.pairs) == [(cat, 0), (cat, dog)]
    assert found.waiting == (*rest,)
    assert second_opinions(project, "eve").waiting == (*rest,)  # two opinions are enough
    project.events.undo("bob")
    assert second_opinions(project, "bob").pairs == ((cat, dog),)
    assert second_opinions(project, "bob").waiting == (second, *rest)


def test_a_correction_is_no_second_opinion(project: Project, seen: list[str]) -> None:
    """Whoever sees the first label answers most of all where it is wrong."""
    cat, dog = (project.labels.create(name).id for name in ("cat", "dog"))
    project.events.label(dict.fromkeys(seen, cat), who="ann", how="lasso")
    project.events.label({seen[0]: dog}, who="bob", how="click")
    assert second_opinions(project, "ann").pairs == ()
