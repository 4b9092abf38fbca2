"""/labels: projects are listed, created, changed, copied and deleted, by whoever has the role label."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labelling.projects.drawing import draw_requested
from labelling.projects.store import ProjectStore
from tests.console.labels.conftest import Connect, problem, send

MARKUP = "<img src=x onerror=alert(1)> & ../../etc"


def test_only_the_role_label_opens_projects(connect: Connect) -> None:
    ann, shop, nobody = connect("ann"), connect("shop", "predict,review"), connect(None)
    assert ann.post("/labels", json={"name": "Cats"}).status_code == 201
    for path in ("/labels", "/labels/cats", "/labels/cats/photos", "/labels/cats/state", "/labels/cats/stream"):
        assert problem(shop.get(path)) == (403, "forbidden")
        assert problem(nobody.get(path)) == (401, "unauthorized")
    assert problem(shop.delete("/labels/cats")) == (403, "forbidden")
    assert ann.get("/labels/cats").status_code == 200


def test_a_new_project_is_empty_and_listed(ann: TestClient) -> None:
    assert ann.get("/labels").json() == {
        "projects": [],
        "bundle": None,
        "bundle_error": "no model of the kind pets is served; serve a pets bundle to embed photos",
    }
    made = ann.post("/labels", json={"name": "  Cats & dogs "})
    assert made.status_code == 201
    assert made.headers["location"] == "/labels/cats-dogs"
    project = made.json()
    assert (project["id"], project["name"], project["photos"], project["labels"]) == ("cats-dogs", "Cats & dogs", 0, [])
    assert (project["last_event"], project["progress"]["running"], project["people"]) == (0, False, [])
    (listed,) = ann.get("/labels").json()["projects"]
    assert (listed["id"], listed["archived"], listed["labelled"], listed["error"]) == ("cats-dogs", False, 0, None)
    assert ann.get("/labels/cats-dogs").json() == project


@pytest.mark.parametrize("name", [MARKUP, "../../x", "猫", "a" * 100, "‮evil"])
def test_a_name_of_any_letters_stays_a_name(ann: TestClient, app: Starlette, name: str) -> None:
    made = ann.post("/labels", json={"name": name})
    assert (made.status_code, made.json()["name"]) == (201, name)
    store: ProjectStore = app.state.labelling.store
    assert [path.name for path in store.folder.iterdir()] == [made.json()["id"]]
    assert made.json()["id"].isascii()


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "  "}, {"name": "a\0b"}, {"name": "a" * 101}, {"name": "a", "x": 1}, {"name": 1}],
)
def test_an_invalid_name_is_rejected(ann: TestClient, body: object) -> None:
    answer = ann.post("/labels", json=body)
    assert problem(answer) == (422, "invalid-request")
    assert ann.get("/labels").json()["projects"] == []


def test_a_demonstration_is_drawn_by_the_process_that_embeds(ann: TestClient, app: Starlette) -> None:
    made = ann.post("/labels", json={"name": "Cars", "demonstration": True, "photos": 4}).json()
    assert (made["photos"], made["progress"]["photos"], made["progress"]["finished"]) == (0, 4, False)
    draw_requested(app.state.labelling.store.open("cars"))
    shown = ann.get("/labels/cars").json()
    assert shown["photos"] == shown["progress"]["photos"] == 4
    assert ann.get("/labels/cars/photos").json()["waiting"] == 4
    assert problem(ann.post("/labels", json={"name": "x", "demonstration": True, "photos": 10**6}))[0] == 422


def test_the_etag_keeps_two_people_from_overwriting_each_other(connect: Connect) -> None:
    ann, bob = connect("ann"), connect("bob")
    etag = ann.post("/labels", json={"name": "Cats"}).headers["etag"]
    assert bob.get("/labels/cats").headers["etag"] == etag
    renamed = bob.patch("/labels/cats", json={"name": "Dogs"}, headers={"if-match": etag})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Dogs")
    late = ann.patch("/labels/cats", json={"name": "Birds"}, headers={"if-match": etag})
    assert problem(late) == (412, "precondition-failed")
    assert "Dogs" in late.json()["detail"]
    again = ann.patch("/labels/cats", json={"name": "Birds"}, headers={"if-match": renamed.headers["etag"]})
    assert again.json()["name"] == "Birds"
    assert ann.patch("/labels/cats", json={"name": "Cats"}).json()["name"] == "Cats"
    assert problem(ann.patch("/labels/cats", json={})) == (422, "invalid-request")


def test_an_archived_project_is_read_and_not_changed(ann: TestClient, files: list[Path]) -> None:
    ann.post("/labels", json={"name": "Cats"})
    photo = send(ann, "cats", files[0])
    label = ann.post("/labels/cats/labels", json={"name": "cat"}).json()["id"]
    assert ann.patch("/labels/cats", json={"archived": True}).json()["archived"]
    given = {"photos": [photo], "label": label, "how": "click"}
    writes = [
        ann.patch("/labels/cats", json={"name": "Dogs"}),
        ann.post("/labels/cats/events", json=given),
        ann.post("/labels/cats/labels", json={"name": "dog"}),
        ann.post("/labels/cats/undo"),
        ann.put(f"/labels/cats/photos/{'0' * 64}", content=b"x", headers={"content-type": "image/png"}),
    ]
    assert [problem(answer) for answer in writes[:4]] == [(409, "conflict")] * 4
    assert all("restore it" in answer.json()["detail"] for answer in writes[:4])
    assert writes[4].status_code in (409, 422)
    assert ann.get("/labels/cats/state").status_code == 200
    assert not ann.patch("/labels/cats", json={"archived": False, "name": "Dogs"}).json()["archived"]
    assert ann.get("/labels/cats").json()["name"] == "Dogs"


def test_a_deleted_project_is_not_found_by_others(connect: Connect, app: Starlette) -> None:
    ann, bob = connect("ann"), connect("bob")
    ann.post("/labels", json={"name": "Cats"})
    assert bob.get("/labels/cats").status_code == 200
    assert ann.delete("/labels/cats").status_code == 204
    for answer in (
        bob.get("/labels/cats"),
        bob.get("/labels/cats/photos"),
        bob.post("/labels/cats/labels", json={"name": "cat"}),
        ann.delete("/labels/cats"),
    ):
        assert problem(answer) == (404, "not-found")
    assert not list(app.state.labelling.store.folder.iterdir())


def test_a_project_that_another_process_deletes_is_not_found_either(ann: TestClient, app: Starlette) -> None:
    """And a new one of its name is another project."""
    ann.post("/labels", json={"name": "Cats"})
    ann.post("/labels/cats/labels", json={"name": "cat"})
    other = ProjectStore(app.state.labelling.store.folder)
    other.delete("cats")
    assert problem(ann.get("/labels/cats")) == (404, "not-found")
    other.create("Cats").close()
    assert ann.get("/labels/cats").json()["labels"] == []


def test_a_damaged_project_can_be_deleted_and_hides_no_other(ann: TestClient, app: Starlette) -> None:
    ann.post("/labels", json={"name": "Cats"})
    ann.post("/labels", json={"name": "Dogs"})
    folder: Path = app.state.labelling.store.folder
    app.state.labelling.forget("cats")
    for file in (folder / "cats").glob("project.sqlite-*"):
        file.unlink()
    (folder / "cats" / "project.sqlite").write_bytes(b"no database" * 1000)
    answer = ann.get("/labels/cats")
    assert problem(answer) == (409, "unusable-project")
    assert str(folder) not in answer.text
    assert {project["id"]: bool(project["error"]) for project in ann.get("/labels").json()["projects"]} == {
        "dogs": False,
        "cats": True,
    }
    assert str(folder) not in ann.get("/labels").text
    assert ann.delete("/labels/cats").status_code == 204


def test_a_copy_has_photos_labels_and_history_and_is_a_project_of_its_own(
    ann: TestClient, app: Starlette, files: list[Path]
) -> None:
    ann.post("/labels", json={"name": "Cats"})
    photos = [send(ann, "cats", file) for file in files]
    seen = [photo for photo in photos if photo not in app.state.labelling.store.open("cats").audits.current().held]
    label = ann.post("/labels/cats/labels", json={"name": "cat"}).json()["id"]
    ann.post("/labels/cats/events", json={"photos": seen[:3], "label": label, "how": "lasso"})
    made = ann.post("/labels/cats/copy", json={"name": "Cats of bob"})
    assert (made.status_code, made.headers["location"]) == (201, "/labels/cats-of-bob")
    assert made.json() | {"id": 0, "name": 0, "created": 0} == ann.get("/labels/cats").json() | {
        "id": 0,
        "name": 0,
        "created": 0,
    }
    assert ann.get("/labels/cats-of-bob/events").json() == ann.get("/labels/cats/events").json()
    assert ann.get("/labels/cats-of-bob/state").json() == ann.get("/labels/cats/state").json()
    ann.post("/labels/cats-of-bob/undo")
    assert ann.get("/labels/cats-of-bob/state").json()["labels"] == {}
    assert len(ann.get("/labels/cats/state").json()["labels"]) == 3
    assert ann.delete("/labels/cats").status_code == 204
    thumbnail = ann.get(f"/labels/cats-of-bob/thumbs/64/{photos[0]}.webp")
    assert thumbnail.headers["content-type"] == "image/webp"


def test_a_page_of_another_site_changes_nothing(ann: TestClient) -> None:
    ann.post("/labels", json={"name": "Cats"})
    evil = {"origin": "https://evil.example"}
    for method, path in (("POST", "/labels"), ("PATCH", "/labels/cats"), ("DELETE", "/labels/cats")):
        assert problem(ann.request(method, path, json={"name": "x"}, headers=evil)) == (403, "forbidden")
    form = ann.post("/labels", content='{"name": "x"}', headers={"content-type": "text/plain"})
    assert problem(form) == (415, "unsupported-media-type")
    assert [project["name"] for project in ann.get("/labels").json()["projects"]] == ["Cats"]


def test_an_id_never_leaves_the_folder_of_the_projects(ann: TestClient, data: Path) -> None:
    (data / "project.sqlite").write_bytes(b"")
    for project in ("..", "%2e%2e", "..%2f..", "Cats", "a" * 5000, ".deleted-1"):
        answer = ann.get(f"/labels/{project}/state")
        assert answer.status_code == 404
        assert str(data) not in answer.text
