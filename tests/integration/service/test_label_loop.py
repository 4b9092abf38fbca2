"""The loop closes: labels become a bundle, which the service serves and takes back, without a restart."""

import http.client
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest

from console.choices import Choice, choose
from labelling.demonstration import draw, vehicles
from pets.bundle import load
from runtime.folder import sha256
from serving.ports import HOST
from tests.integration.runners.kinds import PYTHON
from tests.integration.service.shopcat import Running, serving, serving_in_place
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

PETS = Path(__file__).parents[3] / "model_store" / "pets"
PHOTOS = 60
TRUTH = {vehicle.name: vehicle for vehicle in vehicles(PHOTOS)}
LABELS = ("front", "right", "back", "left")  # no breeds, and nothing that ImageNet has a name for
SECONDS = 900.0  # at the lowest priority, a training waits for everything else
VERSION = "20270101-chosen"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    options = ("--workers", "1", "--data", str(tmp_path / "data"), "--log-format", "text")
    with serving(PETS, tmp_path, PYTHON, *options, console=True) as running:
        assert until(lambda: ask(running, "GET", "/console/session")[0] == 200)
        yield running


def ask(
    service: Running, method: str, path: str, body: object = None, kind: str = "application/json"
) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(HOST, service.port, timeout=60)) as connection:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, {} if body is None else {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        is_json = "json" in (answer.headers["content-type"] or "")
        return answer.status, json.loads(text) if is_json else text


def get(service: Running, path: str) -> Any:
    status, found = ask(service, "GET", path)
    assert status == 200, found
    return found


def predict(service: Running, photo: bytes) -> dict[str, Any]:
    status, found = ask(service, "POST", "/predictions/pets?top_k=4&heatmap=gradcam", photo, "image/jpeg")
    assert status == 200, found
    return dict(found)


def label_all(service: Running) -> str:
    """Create a project of drawn vehicles and label all of its photos by the truth; return its id."""
    status, made = ask(service, "POST", "/labels", {"name": "Vehicles", "demonstration": True, "photos": PHOTOS})
    assert status == 201, made
    project = f"/labels/{made['id']}"
    ids = {}
    for name in LABELS:
        status, label = ask(service, "POST", f"{project}/labels", {"name": name})
        assert status == 201, label
        ids[name] = label["id"]
    assert until(lambda: get(service, project)["progress"]["finished"], SECONDS), get(service, project)
    views: dict[str, list[str]] = {name: [] for name in LABELS}
    for photo in get(service, f"{project}/photos")["photos"]:
        views[TRUTH[photo["name"]].view].append(photo["sha256"])
    for name, photos in views.items():
        given = {"photos": photos, "label": ids[name], "how": "lasso"}
        status, batch = ask(service, "POST", f"{project}/events", given)
        assert status == 200, batch
    drawn = (service.log.parent / "data" / "projects").rglob("vehicle_*.jpg")
    names = {sha256(file): file.name for file in drawn}  # the audit is blind: no address tells the name of its photo
    answered = 0
    while (photo := ask(service, "POST", f"{project}/audit/next", {})[1]["photo"]) is not None:
        answer = {"photo": photo["sha256"], "label": ids[TRUTH[names[photo["sha256"]]].view]}
        status, audit = ask(service, "POST", f"{project}/audit", answer)
        assert status == 200, audit
        answered += 1
    assert answered == PHOTOS // 2
    return project


def make_bundle(service: Running, project: str) -> dict[str, Any]:
    status, begun = ask(service, "POST", f"{project}/bundle", {"network": "quick"})
    assert status == 202, begun
    assert begun["job"]["state"] == "running"
    assert ask(service, "POST", f"{project}/bundle", {})[0] == 409
    assert until(lambda: get(service, f"{project}/bundle")["job"]["state"] != "running", SECONDS)
    state = get(service, f"{project}/bundle")
    assert state["job"]["state"] == "done", state
    return dict(state)


def wait_for_serving(service: Running, project: str) -> dict[str, Any]:
    assert until(lambda: get(service, f"{project}/bundle")["serving"]["state"] != "reloading", SECONDS)
    return dict(get(service, f"{project}/bundle")["serving"])


def test_labels_become_the_served_model_and_are_taken_back(service: Running) -> None:
    photo = io.BytesIO()
    draw(vehicles(PHOTOS + 1, seed=7)[0]).save(photo, "JPEG", quality=90)
    before = predict(service, photo.getvalue())
    own = {file.name: file.read_bytes() for file in service.bundle.iterdir()}
    project = label_all(service)
    maps = get(service, project)["rows_version"]

    state = make_bundle(service, project)
    bundle = state["bundle"]
    assert bundle["labels"] == sorted(LABELS)
    assert bundle["held_out"]["of"] == PHOTOS // 2
    assert predict(service, photo.getvalue())["version"] == before["version"]  # until somebody serves it

    status, serve = ask(service, "POST", f"{project}/bundle/serve", {})
    assert (status, serve["serving"]["state"]) == (202, "reloading"), serve
    serving_state = wait_for_serving(service, project)
    assert (serving_state["state"], serving_state["version"]) == ("served", bundle["version"]), service.output()
    answer = predict(service, photo.getvalue())
    assert answer["version"] == bundle["version"]
    assert {guess["breed"] for guess in answer["top"]} == set(LABELS)
    assert answer["species"] is None
    assert answer["decision"] in ("accept", "review")
    assert answer["heatmap"] is not None
    (model,) = [model for model in get(service, "/console/api/models")["models"] if model["name"] == "pets"]
    assert [breed["breed"] for breed in model["classes"]] == sorted(LABELS)  # what the breed page shows
    assert get(service, project)["rows_version"] == maps  # the maps come from the former network
    assert "made from the labels of Vehicles" in service.output()
    assert {file.name: file.read_bytes() for file in service.bundle.iterdir()} == own

    status, back = ask(service, "DELETE", f"{project}/bundle/serve")
    assert status == 202, back
    assert wait_for_serving(service, project)["state"] == "none"
    again = predict(service, photo.getvalue())
    assert (again["version"], again["breed"]) == (before["version"], before["breed"])


def test_a_choice_survives_a_restart_and_ends_with_a_deployment(tmp_path: Path, chosen: Path) -> None:
    photo = (PETS.parents[1] / "docs" / "cat.jpg").read_bytes()
    own = Path(shutil.copytree(PETS, tmp_path / "own"))
    with again(own, tmp_path / "first", chosen) as service:
        assert predict(service, photo)["version"] == VERSION
        assert f"serving version {VERSION} from" in service.output()
        assert "made from the labels of Cats, in place of version" in service.output()
    with again(own, tmp_path / "second", chosen, "--no-console") as service:
        assert predict(service, photo)["version"] == load(own).manifest.version
        assert "is not served, because without the console nobody could take it back" in service.output()
    manifest = json.loads((own / "bundle.json").read_text())
    (own / "bundle.json").write_text(json.dumps(manifest | {"version": "20990101-deployed"}))
    with again(own, tmp_path / "third", chosen) as service:
        assert predict(service, photo)["version"] == "20990101-deployed"
        assert "is not served, because it replaces version" in service.output()


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """Data with a choice: the shipped bundle under another version, in place of a copy of it."""
    made = Path(shutil.copytree(PETS, tmp_path / "made"))
    manifest = json.loads((made / "bundle.json").read_text())
    (made / "bundle.json").write_text(json.dumps(manifest | {"version": VERSION}))
    choice = Choice(
        version=VERSION, instead_of=tmp_path / "own", instead_of_version=manifest["version"], who="ann", origin="Cats",
        time=1.0,
    )  # fmt: skip
    choose(tmp_path / "data", "pets", made, choice)
    return tmp_path / "data"


def again(own: Path, folder: Path, data: Path, *options: str) -> AbstractContextManager[Running]:
    """Run a service on the same bundle and the same data."""
    folder.mkdir()
    given = ("--workers", "1", "--data", str(data), "--log-format", "text", *options)
    return serving_in_place(own, folder, PYTHON, *given, console="--no-console" not in options)
