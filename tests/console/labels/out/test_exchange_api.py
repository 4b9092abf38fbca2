"""Exports and imports over their addresses: all files come out, and come back in."""

import csv
import json
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.labels.out.exports import _joined
from labelling.projects.store import Project
from tests.console.labels.conftest import Connect, problem, send
from tests.console.labels.learning.conftest import Sample, sample
from training.pets.data.photos import read_pets

__all__ = ["sample"]  # a fixture

CSV = {"content-type": "text/csv"}


@pytest.fixture
def project(ann: TestClient, app: Starlette, files: list[Path]) -> Project:
    """A project with sixteen photos, all of them labelled; eight are of the audit."""
    ann.post("/labels", json={"name": "Cats"})
    for file in files:
        send(ann, "cats", file)
    opened: Project = app.state.labelling.store.open("cats")
    labels = [opened.labels.create(name).id for name in ("=cat", "dog")]
    audit = opened.audits.current()
    seen = [photo.sha256 for photo in opened.photos if photo.sha256 not in audit.held]
    opened.events.label({photo: labels[i % 2] for i, photo in enumerate(seen)}, who="ann", how="lasso")
    opened.events.label({photo: labels[i % 2] for i, photo in enumerate(audit.asked)}, who="ann", how="audit")
    return opened


def table(client: TestClient, path: str) -> list[dict[str, str]]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(answer.text.splitlines()))


def models(sample: Sample) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sample.client.get(f"{sample.base}/import").json()["models"]
    return found


def test_an_export_says_before_what_it_has_and_lacks(ann: TestClient, project: Project) -> None:
    found = ann.get("/labels/cats/export").json()
    numbers = {"train": 8, "valid": 8, "blind": 8}
    assert found == {"missing": [], "warnings": [], **numbers, "labels": ["=cat", "dog"], "other_models": []}
    ann.post("/labels", json={"name": "Empty"})
    assert len(ann.get("/labels/empty/export").json()["missing"]) == 2
    answer = ann.get("/labels/empty/export/photos.zip")
    assert problem(answer) == (409, "not-ready")
    assert "answer questions of the audit" in answer.json()["detail"]


def test_the_training_reads_the_photos(ann: TestClient, project: Project, tmp_path: Path) -> None:
    answer = ann.get("/labels/cats/export/photos.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="cats-photos.zip"'
    (tmp_path / "photos.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "photos.zip") as archive:
        archive.extractall(tmp_path / "photos")
    data = read_pets(tmp_path / "photos", labels="folders")
    assert (len(data.train.files), len(data.valid.files)) == (8, 8)
    assert [breed.name for breed in data.classes] == ["_cat", "dog"]


def test_tables_come_back_exactly_and_no_cell_is_a_formula(ann: TestClient, project: Project) -> None:
    text = ann.get("/labels/cats/export/labels.csv").text
    assert "'=cat" in text
    ann.post("/labels/cats/copy", json={"name": "Copy"})
    ann.post("/labels/cats/undo", json={})
    answer = ann.post("/labels/cats/import", content=text.encode(), headers=CSV)
    assert answer.json() == {
        "imported": 8, "same": 8, "blind": 0, "new_labels": [], "models": [], "unknown": [], "unknown_count": 0,
    }  # fmt: skip
    assert {label.name for label in project.labels.list()} == {"=cat", "dog"}
    assert len(table(ann, "/labels/cats/export/history.csv")) == 16 + 8 + 8
    again = ann.post("/labels/cats/import", content=text.encode(), headers=CSV).json()
    assert (again["imported"], again["same"]) == (0, 16)
    assert len(table(ann, "/labels/cats/export/history.csv")) == 16 + 8 + 8
    assert ann.post("/labels/cats/undo", json={}).json()["batch"] is not None


def test_label_studio_gets_tasks_and_its_interface(ann: TestClient, project: Project) -> None:
    tasks = ann.get("/labels/cats/export/label-studio.json").json()
    assert len(tasks) == 16
    view = ElementTree.fromstring(ann.get("/labels/cats/export/label-studio.xml").text)
    assert [choice.get("value") for choice in view.iter("Choice")] == ["=cat", "dog"]
    answer = ann.post("/labels/cats/import", json=tasks)
    assert (answer.json()["imported"], answer.json()["same"]) == (0, 16)


def test_unknown_photos_are_counted_and_new_labels_named(ann: TestClient, project: Project) -> None:
    rows = "".join(f"no-{number}.png,fox\n" for number in range(50))
    given = project.events.labels()
    name = next(photo.name for photo in project.photos if given[photo.sha256].how != "audit")
    content = f"name,label\n{name},Fox\n{rows}".encode()
    answer = ann.post("/labels/cats/import", content=content, headers=CSV).json()
    assert (answer["imported"], answer["new_labels"], answer["unknown_count"]) == (1, ["Fox"], 50)
    assert len(answer["unknown"]) == 20


@pytest.mark.parametrize(
    ("content", "headers", "query", "expected"),
    [
        (b"photo,label\na,b\n", CSV, "", (422, "invalid-request")),
        (b"name,label\n\xff,b\n", CSV, "", (400, "malformed-request")),
        (b"{}", {"content-type": "application/json"}, "", (422, "invalid-request")),
        (b"[" * 100_000, {"content-type": "application/json"}, "", (422, "invalid-request")),
        (b"name,label\n", {"content-type": "text/plain"}, "", (415, "unsupported-media-type")),
        (b"[]", {"content-type": "application/json"}, "?what=predictions", (415, "unsupported-media-type")),
        (b"name,label\n", CSV, "?what=everything", (422, "invalid-request")),
        (b"name,label,probability\n000.png,cat,2\n", CSV, "?what=predictions", (422, "invalid-request")),
    ],
)
def test_a_file_that_can_not_be_used_changes_nothing(
    ann: TestClient, project: Project, content: bytes, headers: dict[str, str], query: str, expected: tuple[int, str]
) -> None:
    before = len(project.events.history())
    assert problem(ann.post(f"/labels/cats/import{query}", content=content, headers=headers)) == expected
    assert len(project.events.history()) == before


def test_a_file_that_is_too_large_is_refused(
    ann: TestClient, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.labels.out.imports.MAX_IMPORT", 10)
    answer = ann.post("/labels/cats/import", content=b"name,label\n", headers=CSV)
    assert problem(answer) == (413, "too-large")


def test_all_of_it_needs_the_role_label(connect: Connect, project: Project) -> None:
    stranger = connect("eve", "predict,review")
    for path in ("export", "export/labels.csv", "export/photos.zip", "import", "bundle", "bundle/bundle.zip"):
        assert problem(stranger.get(f"/labels/cats/{path}")) == (403, "forbidden"), path
    assert problem(stranger.post("/labels/cats/import", content=b"", headers=CSV)) == (403, "forbidden")


def test_predictions_stand_beside_those_of_another_model(sample: Sample) -> None:
    sample.label(sample.seen[:120])
    asked = sample.project.audits.current().asked
    sample.label(asked[:40], how="audit")
    names = ["Bengal", "pug", "Sphynx", "beagle"]
    wrong = set(asked[:10]) | set(sample.seen[120:150])
    rows = [f"{photo},{names[(sample.breed[photo] + (photo in wrong)) % 4].upper()},0.9" for photo in sample.hashes]
    rows[0] = f"{sample.hashes[0]},Manx,0.9"
    content = "\n".join(["sha256,label,probability", *rows]).encode()
    answer = sample.client.post(
        f"{sample.base}/import", params={"what": "predictions", "model": "theirs"}, content=content, headers=CSV
    )
    assert (answer.json()["imported"], answer.json()["models"]) == (300, ["theirs"])
    (model,) = models(sample)
    assert (model["name"], model["photos"], model["strange"], model["compared"]) == ("theirs", 300, ["Manx"], 250)
    assert 200 <= model["agreed"] <= 225  # ours has nearly all right, theirs 30 seen ones wrong
    right = 30 - (sample.hashes[0] in asked[10:40])
    assert (model["audit"]["right"], model["audit"]["of"]) == (right, 40)
    assert model["audit"]["low"] < right / 40 < model["audit"]["high"]
    found = sample.client.get(f"{sample.base}/import/disagreements", params={"model": "theirs"}).json()
    assert found["count"] == model["compared"] - model["agreed"] == len(found["photos"])
    shown = {photo["sha256"] for photo in found["photos"]}
    assert not shown & sample.project.audits.current().held
    assert len(shown & wrong) >= 28
    lines = table(sample.client, f"{sample.base}/export/predictions.csv")
    assert {line["model"] for line in lines if not line["model"].startswith("classifier ")} == {"theirs"}
    assert not {line["sha256"] for line in lines} & set(asked[40:])  # no answer yet
    assert len(lines) == 2 * (250 + 40)
    assert sample.client.delete(f"{sample.base}/import", params={"model": "theirs"}).status_code == 204
    assert models(sample) == []
    for method, path in (("DELETE", "import"), ("GET", "import/disagreements")):
        unknown = sample.client.request(method, f"{sample.base}/{path}", params={"model": "theirs"})
        assert problem(unknown) == (404, "not-found")
        assert problem(sample.client.request(method, f"{sample.base}/{path}")) == (422, "invalid-request")


def test_there_are_no_predictions_before_two_labels(sample: Sample) -> None:
    assert table(sample.client, f"{sample.base}/export/predictions.csv") == []
    assert all(row["prediction"] == "" for row in table(sample.client, f"{sample.base}/export/labels.csv"))


def test_short_lines_are_sent_in_larger_pieces() -> None:
    pieces = list(_joined(iter(["x" * 1000] * 1000)))
    assert b"".join(pieces) == b"x" * 1_000_000
    assert len(pieces) == 16
    assert json.dumps(len(list(_joined(iter([]))))) == "0"
