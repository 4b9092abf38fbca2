"""Uploads: photos arrive as bytes, are verified by their hash, and stay what they were sent as."""

import hashlib
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from labelling.projects.uploads import Upload
from tests.console.labels.conftest import problem, send
from tests.labelling.projects.pictures import picture

BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture(autouse=True)
def _project(ann: TestClient) -> None:
    ann.post("/labels", json={"name": "Cats"})


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stored(app: Starlette) -> list[Path]:
    """Return the files of uploaded photos."""
    folder = app.state.labelling.store.folder / "cats" / "photos"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_photo_is_kept_byte_for_byte_and_once(ann: TestClient, app: Starlette) -> None:
    content = picture(1)
    path = f"/labels/cats/photos/{digest(content)}"
    assert ann.head(path).status_code == 404
    first = ann.put(path, params={"name": "a.png"}, content=content, headers=BYTES)
    assert (first.status_code, first.json()) == (201, {"sha256": digest(content), "name": "a.png", "state": "new"})
    again = ann.put(path, params={"name": "b.png"}, content=content, headers=BYTES)
    assert (again.status_code, again.json()["name"]) == (200, "a.png")
    posted = ann.post("/labels/cats/photos", content=content, headers={"content-type": "image/png"})
    assert (posted.status_code, posted.json()["sha256"]) == (200, digest(content))
    assert (ann.head(path).status_code, ann.head(path).content) == (200, b"")
    assert [file.read_bytes() for file in stored(app)] == [content]
    assert ann.get("/labels/cats").json()["photos"] == 1


def test_bytes_with_another_hash_are_rejected_and_leave_nothing(ann: TestClient, app: Starlette) -> None:
    content = picture(1)
    answer = ann.put(f"/labels/cats/photos/{digest(content)}", content=content[:-1], headers=BYTES)
    assert problem(answer) == (422, "invalid-request")
    assert digest(content[:-1]) in answer.json()["detail"]
    assert (stored(app), ann.get("/labels/cats").json()["photos"]) == ([], 0)
    assert ann.put(f"/labels/cats/photos/{digest(content)}", content=content, headers=BYTES).status_code == 201


@pytest.mark.parametrize("name", ["../../etc/passwd", "<img src=x onerror=alert(1)>.svg", "猫.jpg", "a" * 1000, "/a"])
def test_a_name_is_text_and_no_path(ann: TestClient, app: Starlette, name: str) -> None:
    content = picture(1)
    answer = ann.post("/labels/cats/photos", params={"name": name}, content=content, headers=BYTES)
    assert (answer.status_code, answer.json()["name"]) == (201, name)
    (file,) = stored(app)
    assert file.name == digest(content)


@pytest.mark.parametrize("name", ["a" * 1001, "a\nb", " "])
def test_a_name_that_nobody_can_read_is_rejected(ann: TestClient, name: str) -> None:
    answer = ann.post("/labels/cats/photos", params={"name": name}, content=picture(1), headers=BYTES)
    assert problem(answer) == (422, "invalid-request")


def test_no_bytes_are_no_photo(ann: TestClient) -> None:
    assert problem(ann.post("/labels/cats/photos", headers=BYTES)) == (422, "invalid-request")


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x", "application/json"])
def test_content_that_a_form_can_send_is_no_photo(ann: TestClient, kind: str) -> None:
    answer = ann.post("/labels/cats/photos", content=picture(1), headers={"content-type": kind})
    assert problem(answer) == (415, "unsupported-media-type")


def test_a_photo_beyond_the_limit_is_rejected_before_it_has_arrived(ann: TestClient, app: Starlette) -> None:
    def endless(pieces: int):  # type: ignore[no-untyped-def]
        for _ in range(pieces):
            yield bytes(1 << 20)

    assert problem(ann.post("/labels/cats/photos", content=bytes(10_000_001), headers=BYTES)) == (413, "too-large")
    assert problem(ann.post("/labels/cats/photos", content=endless(12), headers=BYTES)) == (413, "too-large")
    assert stored(app) == []


def test_a_full_disk_is_reported_and_keeps_what_is_there(
    ann: TestClient, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = send(ann, "cats", files[0])
    monkeypatch.setattr("labelling.projects.uploads.RESERVE", 10**18)
    answer = ann.post("/labels/cats/photos", content=picture(1), headers=BYTES)
    assert problem(answer) == (507, "storage-full")
    assert ann.head(f"/labels/cats/photos/{photo}").status_code == 200


def test_an_upload_that_breaks_off_leaves_no_part(
    ann: TestClient, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Upload) -> None:
        raise OSError("the connection is gone")

    monkeypatch.setattr(Upload, "finish", fail)
    assert ann.post("/labels/cats/photos", content=picture(1), headers=BYTES).status_code == 500
    assert stored(app) == []


def test_a_page_of_another_site_sends_no_photo(ann: TestClient) -> None:
    answer = ann.post("/labels/cats/photos", content=picture(1), headers={**BYTES, "origin": "https://evil.example"})
    assert problem(answer) == (403, "forbidden")
