"""labelling.projects.events: nothing is forgotten, and everyone undoes what they have done themselves."""

import sqlite3
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.store import Project, ProjectStore


def labels(project: Project) -> dict[str, int | None]:
    return {photo: current.label for photo, current in project.events.labels().items()}


@pytest.fixture
def names(project: Project) -> list[int]:
    return [project.labels.create(name).id for name in ("cat", "dog", "fox")]


def test_a_label_is_kept_with_all_that_is_known_of_it(project: Project, photos: list[str], names: list[int]) -> None:
    first = project.events.label({photos[0]: names[0], photos[1]: 0}, who=" ann ", how="lasso", space="final-what")
    second = project.events.label({photos[0]: names[1]}, who="bob", how="similar")
    history = project.events.history()
    assert [event[2:] for event in history] == [
        ("ann", first.id, photos[0], names[0], "lasso", "final-what", None),
        ("ann", first.id, photos[1], 0, "lasso", "final-what", None),
        ("bob", second.id, photos[0], names[1], "similar", None, None),
    ]
    assert [event.id for event in history] == [1, 2, 3]
    assert (first.last_event, second.last_event) == (2, 3)
    assert history[0].time <= history[2].time
    assert project.events.history(after=2) == history[2:]
    assert project.events.history(most=1) == history[:1]
    assert project.events.history(photo=photos[1]) == [history[1]]
    assert labels(project) == {photos[0]: names[1], photos[1]: 0}


def test_undo_is_a_new_event(project: Project, photos: list[str], names: list[int]) -> None:
    project.events.label({photos[0]: names[0]}, who="ann", how="click")
    project.events.label({photos[0]: names[1], photos[1]: names[1]}, who="ann", how="lasso")
    undone = project.events.undo("ann")
    assert undone is not None
    assert undone.labels == {photos[0]: names[0], photos[1]: None}
    assert [(event.how, event.label, event.source) for event in project.events.history()][-2:] == [
        ("undo", names[0], 1),
        ("undo", None, None),
    ]
    current = project.events.labels()
    assert current == {photos[0]: (names[0], 1, "click")}
    redone = project.events.redo("ann")
    assert redone is not None
    assert redone.labels == {photos[0]: names[1], photos[1]: names[1]}
    assert project.events.labels()[photos[0]].how == "lasso"


def test_undo_keeps_what_another_person_has_decided_since(
    project: Project, photos: list[str], names: list[int]
) -> None:
    project.events.label(dict.fromkeys(photos[:3], names[0]), who="ann", how="lasso")
    project.events.label({photos[1]: names[1]}, who="bob", how="click")
    undone = project.events.undo("ann")
    assert undone is not None
    assert undone.labels == {photos[0]: None, photos[2]: None}
    assert labels(project) == {photos[1]: names[1]}
    # Bob's undo does not bring a label back that Ann has undone.
    project.events.undo("bob")
    assert labels(project) == {}
    project.events.redo("ann")
    assert labels(project) == dict.fromkeys(photos[:3], names[0])
    project.events.redo("bob")
    assert labels(project) == {photos[0]: names[0], photos[1]: names[1], photos[2]: names[0]}


def test_a_new_label_ends_the_redos_of_its_author_only(project: Project, photos: list[str], names: list[int]) -> None:
    project.events.label({photos[0]: names[0]}, who="ann", how="click")
    project.events.label({photos[1]: names[0]}, who="bob", how="click")
    project.events.undo("ann")
    project.events.undo("bob")
    project.events.label({photos[2]: names[0]}, who="ann", how="click")
    assert project.events.redo("ann") is None
    assert project.events.redo("bob") is not None
    assert project.events.undo("carl") is None
    assert project.events.redo("carl") is None


def test_wrong_labels_change_nothing(project: Project, photos: list[str], names: list[int]) -> None:
    good = {photos[0]: names[0]}
    with pytest.raises(UnknownError, match="no photo abc"):
        project.events.label({**good, "abc": names[0]}, who="ann", how="click")
    with pytest.raises(UnknownError, match="no label 9"):
        project.events.label({**good, photos[1]: 9}, who="ann", how="click")
    with pytest.raises(ProjectError, match="how: 'undo' is none of lasso"):
        project.events.label(good, who="ann", how="undo")
    with pytest.raises(ProjectError, match="who: it is empty"):
        project.events.label(good, who=" ", how="click")
    with pytest.raises(ProjectError, match="there are no photos"):
        project.events.label({}, who="ann", how="click")
    assert project.events.history() == []


def test_history_can_not_be_changed(project: Project, photos: list[str], names: list[int]) -> None:
    project.events.label({photos[0]: names[0]}, who="ann", how="click")
    for statement in ("UPDATE events SET label = NULL", "DELETE FROM events", "DELETE FROM batches"):
        with (
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
            project.database.writing() as connection,
        ):
            connection.execute(statement)
    assert labels(project) == {photos[0]: names[0]}


def test_disagreements_name_both_labels(project: Project, photos: list[str], names: list[int]) -> None:
    project.events.label(dict.fromkeys(photos[:3], names[0]), who="ann", how="lasso")
    project.events.label({photos[0]: names[1], photos[1]: names[0], photos[2]: names[2]}, who="bob", how="click")
    assert project.events.disagreements() == {
        photos[0]: {"ann": names[0], "bob": names[1]},
        photos[2]: {"ann": names[0], "bob": names[2]},
    }
    project.events.label({photos[0]: names[1]}, who="ann", how="click")
    project.events.undo("bob")
    assert project.events.disagreements() == {}


def test_two_people_at_once_lose_nothing(store: ProjectStore, project: Project, photos: list[str]) -> None:
    label = project.labels.create("cat").id
    failures: list[BaseException] = []

    def work(who: str, opened: Project) -> None:
        try:
            for number in range(40):
                opened.events.label({photos[number % 8]: label if number % 3 else 0}, who=who, how="click")
                if number % 4 == 3:
                    opened.events.undo(who)
        except BaseException as error:
            failures.append(error)

    people = [("ann", project), ("bob", project), ("carl", store.open(project.id)), ("dora", store.open(project.id))]
    threads = [threading.Thread(target=work, args=person) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    history = project.events.history()
    assert history == people[-1][1].events.history()
    for who, _ in people:
        assert sum(event.who == who and event.how == "click" for event in history) == 40
    assert [event.id for event in history] == list(range(1, len(history) + 1))


class Model:
    """The simple model: all batches in a list, with a mark for those that are undone."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, dict[int, int | None]]] = []
        self.undone: list[int] = []  # in the order of the undos
        self.stacks: dict[str, list[int]] = {}

    def label(self, who: str, labels: dict[int, int | None]) -> None:
        self.batches.append((who, labels))
        self.stacks[who] = []

    def undo(self, who: str) -> bool:
        live = [number for number, batch in enumerate(self.batches) if batch[0] == who and number not in self.undone]
        if live:
            self.undone.append(live[-1])
            self.stacks[who].append(live[-1])
        return bool(live)

    def redo(self, who: str) -> bool:
        if not self.stacks.get(who):
            return False
        self.undone.remove(self.stacks[who].pop())
        return True

    def labels(self) -> dict[int, int | None]:
        result: dict[int, int | None] = {}
        for number, (_, labels) in enumerate(self.batches):
            if number not in self.undone:
                result |= labels
        return {photo: label for photo, label in result.items() if label is not None}


_PEOPLE = st.sampled_from(["ann", "bob", "carl"])
_LABELS = st.dictionaries(st.integers(0, 4), st.sampled_from([None, 0, 1, 2]), min_size=1)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("label"), _PEOPLE, _LABELS),
        st.tuples(st.sampled_from(["undo", "undo", "redo"]), _PEOPLE, st.none()),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=_STEPS)
def test_any_chain_of_labels_undos_and_redos_equals_the_model(
    store: ProjectStore, photos: list[str], steps: list[tuple[str, str, dict[int, int | None] | None]]
) -> None:
    project = store.open("cats")
    created = store.create("chain")
    with created.database.writing() as connection, project.database.reading() as source:
        for row in source.execute("SELECT * FROM photos").fetchall():
            connection.execute(f"INSERT INTO photos VALUES ({','.join('?' * len(row))})", tuple(row))
        connection.execute("UPDATE project SET seed = ?", (project.seed,))  # so that it holds back the same
    created.close()
    fresh = store.open(created.id)
    try:
        for name in ("cat", "dog"):
            fresh.labels.create(name)
        model = Model()
        for step, who, given_labels in steps:
            if given_labels is not None:
                model.label(who, given_labels)
                fresh.events.label(
                    {photos[photo]: label for photo, label in given_labels.items()}, who=who, how="click"
                )
            else:
                done = model.undo(who) if step == "undo" else model.redo(who)
                batch = fresh.events.undo(who) if step == "undo" else fresh.events.redo(who)
                assert (batch is not None) == done
            assert labels(fresh) == {photos[photo]: label for photo, label in model.labels().items()}
        last: dict[str, int | None] = {}
        for event in fresh.events.history():
            last[event.photo] = event.label
        assert {photo: label for photo, label in last.items() if label is not None} == labels(fresh)
    finally:
        fresh.close()
        project.close()
        store.delete(fresh.id)


def test_refused_photos_are_kept_with_their_batch(project: Project, photos: list[str], names: list[int]) -> None:
    cat, dog, _ = names
    project.events.label({photos[0]: cat}, who="ann", how="confirm", refused={photos[1]: cat, photos[2]: cat})
    project.events.label({}, who="bob", how="similar", refused={photos[1]: dog})  # all were deselected
    assert project.events.refused() == {(photos[1], cat), (photos[2], cat), (photos[1], dog)}
    assert labels(project) == {photos[0]: cat}
    assert [event.photo for event in project.events.history()] == [photos[0]]
    undone = project.events.undo("bob")
    assert undone is not None
    assert undone.labels == {}
    project.events.undo("ann")
    assert project.events.refused() == set()
    project.events.redo("ann")
    assert project.events.refused() == {(photos[1], cat), (photos[2], cat)}


def test_refused_photos_are_checked_like_labelled_ones(project: Project, photos: list[str], names: list[int]) -> None:
    held = project.audits.current().asked[0]
    with pytest.raises(ProjectError, match="is held back for the audit"):
        project.events.label({photos[0]: names[0]}, who="ann", how="confirm", refused={held: names[0]})
    with pytest.raises(UnknownError, match="there is no photo"):
        project.events.label({}, who="ann", how="confirm", refused={"f" * 64: names[0]})
    with pytest.raises(UnknownError, match="there is no label 99"):
        project.events.label({}, who="ann", how="confirm", refused={photos[0]: 99})
    assert project.events.refused() == set()
