"""A project that is archived or deleted while somebody looks at it, labels it and uploads to it."""

import http.client
import threading
from pathlib import Path

import pytest

from serving.ports import HOST
from tests.integration.labels.people import KEYS, Person
from tests.integration.service.shopcat import Running
from tests.integration.waiting import until
from tests.training.pets.drawn import draw_photos

pytestmark = pytest.mark.integration


@pytest.fixture
def project(ann: Person, tmp_path: Path) -> str:
    """A project whose photos are being embedded."""
    project = ann.create("Deleted")
    for photo in sorted(draw_photos(tmp_path, photos=12).rglob("*.jpg")):
        assert ann.put(project, photo.read_bytes(), photo.name).status == 201
    return project


def test_the_deletion_of_a_project_ends_its_streams_and_its_addresses(
    service: Running, ann: Person, bob: Person, project: str
) -> None:
    other = ann.create("Other")
    assert until(lambda: ann.get(project)["progress"]["fitted"], 300)
    photo = bob.get(f"{project}/photos")["photos"][0]["sha256"]
    stream = http.client.HTTPConnection(HOST, service.port, timeout=30)
    stream.request("GET", f"{project}/stream", headers={"X-API-Key": KEYS["bob"]})
    answer = stream.getresponse()
    assert until(lambda: ann.get(project)["people"] == ["bob"])
    ended = threading.Thread(target=answer.read)
    ended.start()
    assert ann.ask("DELETE", project).status == 204
    ended.join(30)
    assert not ended.is_alive()
    stream.close()
    asked = [
        ("GET", "", None),
        ("GET", "/photos", None),
        ("GET", "/state", None),
        ("GET", "/stream", None),
        ("GET", f"/thumbs/64/{photo}.webp", None),
        ("POST", "/events", {"photos": [photo], "label": None, "how": "click"}),
        ("POST", "/undo", {}),
        ("POST", "/labels", {"name": "cat"}),
        ("DELETE", "", None),
    ]
    for method, path, body in asked:
        assert bob.ask(method, f"{project}{path}", body).problem == (404, "not-found"), path
    assert bob.put(project, b"x", "cat.jpg").problem == (404, "not-found")
    folder = service.log.parent / "data" / "projects"
    assert until(lambda: not service.pids(f"{folder}/deleted"))
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".")] == [other.rpartition("/")[2]]
    assert [found["id"] for found in bob.get("/labels")["projects"]] == [other.rpartition("/")[2]]
    assert "Traceback" not in service.output()
    assert ann.ask("DELETE", other).status == 204


def test_an_archived_project_can_be_looked_at_and_not_changed(ann: Person, bob: Person, project: str) -> None:
    assert until(lambda: ann.is_embedded(project), 300)
    photo = bob.get(f"{project}/photos")["photos"][0]["sha256"]
    assert ann.ask("PATCH", project, {"archived": True}).status == 200
    body = {"photos": [photo], "label": None, "how": "click"}
    assert bob.ask("POST", f"{project}/events", body).problem == (409, "conflict")
    assert bob.put(project, b"x", "cat.jpg").problem == (409, "conflict")
    assert bob.ask("GET", f"{project}/thumbs/64/{photo}.webp").status == 200
    assert ann.ask("PATCH", project, {"archived": False}).status == 200
    assert bob.ask("POST", f"{project}/labels", {"name": "cat"}).status == 201
    assert ann.ask("DELETE", project).status == 204
