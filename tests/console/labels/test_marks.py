"""Labels and events: two people label, undo and redo; the audit stays hidden, and nothing is lost."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.labels.opened.news import News
from labelling.projects.events import Event, Events
from labelling.projects.store import Project
from tests.console.labels.conftest import Connect, problem, send


@pytest.fixture
def project(ann: TestClient, app: Starlette, files: list[Path]) -> Project:
    """A project with sixteen photos, of which some are held back, and the labels 1 and 2."""
    ann.post("/labels", json={"name": "Cats"})
    for file in files:
        send(ann, "cats", file)
    for name in ("cat", "dog"):
        ann.post("/labels/cats/labels", json={"name": name})
    opened: Project = app.state.labelling.store.open("cats")
    return opened


@pytest.fixture
def seen(project: Project) -> list[str]:
    """Hashes of the photos that may be labelled."""
    held = project.audits.current().held
    return [photo.sha256 for photo in project.photos if photo.sha256 not in held]


def give(client: TestClient, photos: list[str], label: int | None, **fields: Any) -> Any:
    answer = client.post("/labels/cats/events", json={"photos": photos, "label": label, "how": "click"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_labels_are_created_changed_and_retired(ann: TestClient, project: Project) -> None:
    made = ann.post("/labels/cats/labels", json={"name": "bird", "colour": "#00ff00"})
    assert (made.status_code, made.json()) == (
        201,
        {"id": 3, "name": "bird", "colour": "#00FF00", "retired": False},
    )
    changed = ann.patch("/labels/cats/labels/3", json={"name": "Bird", "colour": "#0000ff"})
    assert changed.json() == {"id": 3, "name": "Bird", "colour": "#0000FF", "retired": False}
    assert problem(ann.patch("/labels/cats/labels/3", json={"name": "DOG"})) == (422, "invalid-request")
    assert problem(ann.patch("/labels/cats/labels/9", json={"name": "x"})) == (404, "not-found")
    assert problem(ann.patch("/labels/cats/labels/0", json={"name": "x"})) == (404, "not-found")
    assert problem(ann.patch(f"/labels/cats/labels/{10**30}", json={"name": "x"})) == (404, "not-found")
    assert problem(ann.post("/labels/cats/labels", json={"name": "BIRD"})) == (422, "invalid-request")
    assert problem(ann.post("/labels/cats/labels", json={"name": "x", "colour": "red"})) == (422, "invalid-request")
    assert ann.delete("/labels/cats/labels/3").status_code == 204
    listed = {label["name"]: label["retired"] for label in ann.get("/labels/cats").json()["labels"]}
    assert listed == {"cat": False, "dog": False, "Bird": True}


def test_a_write_whose_news_can_not_be_sent_is_saved_all_the_same(
    ann: TestClient,
    project: Project,
    seen: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(news: News) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(News, "publish", fail)
    give(ann, seen[:1], 1)
    assert ann.delete("/labels/cats/labels/2").status_code == 204
    assert ann.get("/labels/cats/state").json()["labels"] == {seen[0]: 1}
    assert caplog.text.count("project cats: a change is saved, but its news can't be sent yet") == 2


def test_a_label_is_saved_and_counted(ann: TestClient, project: Project, seen: list[str]) -> None:
    batch = give(ann, seen[:3], 1, space="final-what")
    assert batch["labels"] == dict.fromkeys(seen[:3], 1)
    give(ann, seen[3:4], 0)
    give(ann, seen[:1], None)
    state = ann.get("/labels/cats/state").json()
    assert state["labels"] == {**dict.fromkeys(seen[1:3], 1), seen[3]: 0}
    shown = ann.get("/labels/cats").json()
    assert {label["id"]: label["photos"] for label in shown["labels"]} == {1: 2, 2: 0}
    assert (shown["cant_tell"], shown["labelled"], shown["last_event"]) == (1, 3, state["last_event"])
    events = ann.get("/labels/cats/events").json()["events"]
    assert [(event["photo"], event["label"], event["who"], event["space"]) for event in events] == [
        *((photo, 1, "ann", "final-what") for photo in seen[:3]),
        (seen[3], 0, "ann", None),
        (seen[0], None, "ann", None),
    ]
    assert ann.get("/labels/cats/events", params={"after": events[2]["id"], "most": 1}).json()["events"] == [events[3]]
    of_one = ann.get("/labels/cats/events", params={"photo": seen[0]}).json()["events"]
    assert [event["label"] for event in of_one] == [1, None]


def test_everyone_undoes_their_own_batches(connect: Connect, project: Project, seen: list[str]) -> None:
    ann, bob = connect("ann"), connect("bob")
    give(ann, seen[:2], 1)
    give(bob, seen[1:3], 2)
    undone = ann.post("/labels/cats/undo").json()
    assert undone["labels"] == {seen[0]: None}
    assert ann.get("/labels/cats/state").json()["labels"] == dict.fromkeys(seen[1:3], 2)
    assert ann.post("/labels/cats/undo").json() == {
        "batch": None,
        "last_event": undone["last_event"],
        "labels": {},
        "held_back": 0,
    }
    assert ann.post("/labels/cats/redo").json()["labels"] == {seen[0]: 1}
    assert ann.post("/labels/cats/redo").json()["batch"] is None
    assert bob.post("/labels/cats/undo").json()["labels"] == {seen[1]: 1, seen[2]: None}


def test_an_answer_has_what_others_did_since(connect: Connect, project: Project, seen: list[str]) -> None:
    ann, bob = connect("ann"), connect("bob")
    known = give(ann, seen[:1], 1)["last_event"]
    give(bob, seen[1:3], 2)
    answer = give(ann, seen[3:4], 1, since=known)
    assert answer["labels"] == {**dict.fromkeys(seen[1:3], 2), seen[3]: 1}


def test_merged_photos_change_and_come_back(ann: TestClient, project: Project, seen: list[str]) -> None:
    give(ann, seen[:2], 1)
    assert ann.post("/labels/cats/labels/1/merge", json={"into": 2}).json() == {"photos": 2}
    assert ann.get("/labels/cats/state").json()["labels"] == dict.fromkeys(seen[:2], 2)
    assert problem(ann.post("/labels/cats/labels/2/merge", json={"into": 2})) == (422, "invalid-request")
    assert problem(ann.post("/labels/cats/labels/2/merge", json={"into": 0})) == (422, "invalid-request")
    ann.post("/labels/cats/undo")
    assert ann.get("/labels/cats/state").json()["labels"] == dict.fromkeys(seen[:2], 1)
    assert problem(ann.delete("/labels/cats/labels/1")) == (422, "invalid-request")


def test_refused_photos_are_kept(ann: TestClient, project: Project, seen: list[str]) -> None:
    give(ann, seen[:1], 1, how="confirm", negatives=seen[1:3])
    assert project.events.refused() == {(photo, 1) for photo in seen[1:3]}
    answer = give(ann, [], 2, how="confirm", negatives=seen[:1])  # all of a group were deselected
    assert answer["labels"] == {}
    assert (seen[0], 2) in project.events.refused()
    body = {"photos": seen[:1], "label": None, "how": "click", "negatives": seen[1:2]}
    assert problem(ann.post("/labels/cats/events", json=body)) == (422, "invalid-request")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"photos": []}, (422, "invalid-request")),
        ({"photos": ["0" * 64]}, (404, "not-found")),
        ({"photos": ["../x"]}, (422, "invalid-request")),
        ({"label": 9}, (404, "not-found")),
        ({"label": 2**60}, (422, "invalid-request")),
        ({"label": "cat"}, (422, "invalid-request")),
        ({"how": "audit"}, (422, "invalid-request")),
        ({"how": "import"}, (422, "invalid-request")),
        ({"space": "none"}, (422, "invalid-request")),
        ({"since": -1}, (422, "invalid-request")),
    ],
)
def test_an_invalid_label_changes_nothing(
    ann: TestClient, project: Project, seen: list[str], fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = ann.post("/labels/cats/events", json={"photos": seen[:1], "label": 1, "how": "click"} | fields)
    assert problem(answer) == expected
    assert ann.get("/labels/cats/events").json()["events"] == []


@pytest.mark.parametrize("query", ["after=x", "after=-1", "most=0", "most=10001", "after=99999999999999999999"])
def test_an_invalid_range_of_the_history_is_rejected(ann: TestClient, project: Project, query: str) -> None:
    assert problem(ann.get(f"/labels/cats/events?{query}")) == (422, "invalid-request")


def test_nothing_shows_the_answers_of_the_audit(ann: TestClient, project: Project, seen: list[str]) -> None:
    """Neither blind answers, nor their undo, nor labels that were imported for photos that are held back."""
    asked = project.audits.current().asked
    assert asked
    give(ann, seen[:1], 1)
    project.events.label({asked[0]: 2}, who="ann", how="audit")
    project.events.label({asked[1]: 2}, who="bob", how="import")
    assert ann.get("/labels/cats/state").json()["labels"] == {seen[0]: 1}
    events = ann.get("/labels/cats/events").json()["events"]
    assert [event["photo"] for event in events] == [seen[0]]
    undone = ann.post("/labels/cats/undo").json()
    assert (undone["labels"], undone["held_back"]) == ({}, 1)
    assert [event["photo"] for event in ann.get("/labels/cats/events").json()["events"]] == [seen[0]]
    assert ann.get("/labels/cats/events", params={"photo": asked[1]}).json()["events"] == []
    assert {label["id"]: label["photos"] for label in ann.get("/labels/cats").json()["labels"]} == {1: 1, 2: 0}
    answer = ann.post("/labels/cats/events", json={"photos": [asked[0]], "label": 1, "how": "click"})
    assert problem(answer) == (422, "invalid-request")
    assert "audit" in answer.json()["detail"]


def test_labels_of_thousands_of_photos_arrive_in_one_request(ann: TestClient, project: Project) -> None:
    unknown = [f"{number:064x}" for number in range(20_000)]
    answer = ann.post("/labels/cats/events", json={"photos": unknown, "label": 1, "how": "lasso"})
    assert problem(answer) == (404, "not-found")  # read, and no photo of the project
    endless = ann.post("/labels/cats/events", content=b"[" * 9_000_000, headers={"content-type": "application/json"})
    assert problem(endless) == (413, "too-large")


def test_the_history_is_read_in_pages(
    ann: TestClient, project: Project, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        project.events.label({seen[number % 4]: 1 + number % 2}, who="bob", how="click")
        project.events.label({project.audits.current().asked[0]: 1}, who="bob", how="audit")
    found = ann.get("/labels/cats/events").json()["events"]
    assert [event["who"] for event in found] == ["bob"] * 30
    read: list[int] = []
    history = Events.history

    def counted(events: Events, **asked: Any) -> list[Event]:
        read.append(len(page := history(events, **asked)))
        return page

    monkeypatch.setattr(Events, "history", counted)
    monkeypatch.setattr("console.labels.opened.news._PAGE", 7)
    assert ann.get("/labels/cats/events", params={"most": 3}).json()["events"] == found[:3]
    assert read == [7]
    assert ann.get("/labels/cats/events", params={"most": 9, "after": found[4]["id"]}).json()["events"] == found[5:14]
    of_one = ann.get("/labels/cats/events", params={"most": 5, "photo": seen[0]}).json()["events"]
    assert of_one == [event for event in found if event["photo"] == seen[0]][:5]
    assert ann.get("/labels/cats/events").json()["events"] == found
