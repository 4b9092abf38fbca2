"""console.labels.out.bundles and serving: a made bundle is described, downloaded, served and taken back."""

import io
import json
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console import choices
from console.choices import chosen_folder, resolve
from console.labels.out import making, serving
from console.labels.out.serving import feature_bundles
from console.settings import Settings
from labelling.projects.models import Models
from labelling.projects.rows import seen_rows
from labelling.projects.store import ProjectStore
from pets.bundle import load
from tests.console.labels.conftest import BUNDLE, Connect, problem, send, wait_for

SERVICE = 4_000_000  # beyond the ids of Linux


class FakeService:
    """A service that reloads as `shopcat serve` does, when the test says so."""

    def __init__(self, app: Starlette, monkeypatch: pytest.MonkeyPatch) -> None:
        self.app, self.signals, self.error = app, 0, ""
        monkeypatch.setattr(serving.os, "getppid", lambda: SERVICE)
        monkeypatch.setattr(serving.os, "kill", self._signal)

    def _signal(self, process: int, number: int) -> None:
        assert (process, number) == (SERVICE, signal.SIGHUP)
        self.signals += 1

    def reload(self) -> None:
        settings: Settings = self.app.state.settings
        bundles = settings.bundles
        if not self.error:
            copies = settings.data / f"archives-{settings.reloads}"  # as the service runs private copies
            bundles = {
                name: Path(shutil.copytree(resolve(settings.data, given).bundle, copies / name))
                for name, given in settings.given_bundles.items()
            }
        update = {"bundles": bundles, "reloads": settings.reloads + 1, "reload_error": self.error}
        self.app.state.settings = settings.model_copy(update=update)


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> Settings:
    given = {"pets": BUNDLE}
    return Settings(
        data=data, gateway="http://127.0.0.1:8080", keys=True, socket=tmp_path / "socket", bundles=given,
        given_bundles=given, service=SERVICE,
    )  # fmt: skip


@pytest.fixture
def connect(app: Starlette) -> Iterator[Connect]:
    """Return a function that makes clients on one event loop, since reloads and requests wait for each other."""
    with TestClient(app) as first:

        def client(name: str | None = "ann", roles: str = "label") -> TestClient:
            headers = {"x-shopcat-client": str(name), "x-shopcat-roles": roles}
            made = TestClient(app, "http://127.0.0.1:8080", headers=headers, raise_server_exceptions=False)
            made.portal = first.portal
            return made

        yield client


@pytest.fixture
def admin(connect: Connect) -> TestClient:
    return connect("ada", "label,admin")


@pytest.fixture
def service(app: Starlette, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    return FakeService(app, monkeypatch)


@pytest.fixture
def project(ann: TestClient) -> str:
    return str(ann.post("/labels", json={"name": "Cars"}).json()["id"])


@pytest.fixture(params=["pets"])
def made(data: Path, project: str, request: pytest.FixtureRequest) -> str:
    """Version of a bundle that a job of the project has made: the shipped one under another version."""
    return make(data, project, "20270101-aaaaaaaa", name=request.param)


def make(data: Path, project: str, version: str, *, number: int = 1, name: str = "pets", right: int = 40) -> str:
    folder = data / "projects" / project / "bundles" / str(number)
    shutil.copytree(BUNDLE, folder / "model")
    manifest = json.loads((folder / "model" / "bundle.json").read_text())
    metrics = manifest["metrics"] | {"photos": 50, "accuracy": right / 50}
    (folder / "model" / "bundle.json").write_text(
        json.dumps(manifest | {"version": version, "name": name, "metrics": metrics})
    )
    saved = {"state": "done", "who": "ann", "name": name, "started": 1.0, "ended": 2.0}
    (folder / "job.json").write_text(json.dumps(saved))
    snapshot = {"train": 100, "valid": 50, "blind": 50, "labels": [], "warnings": ["a warning"], "model": 1, "draw": 1}
    (folder / "snapshot.json").write_text(json.dumps(snapshot))
    return version


def state(client: TestClient, project: str) -> dict[str, Any]:
    answer = client.get(f"/labels/{project}/bundle")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def served(client: TestClient, project: str) -> dict[str, Any]:
    return dict(state(client, project)["serving"])


def test_there_is_nothing_before_the_first_job(ann: TestClient, admin: TestClient, project: str) -> None:
    found = state(ann, project)
    assert (found["job"]["state"], found["bundle"], found["serving"]["state"]) == ("none", None, "none")
    assert problem(admin.post(f"/labels/{project}/bundle/serve")) == (409, "not-ready")
    assert problem(ann.get(f"/labels/{project}/bundle/bundle.zip")) == (409, "not-ready")
    assert ann.delete(f"/labels/{project}/bundle").json()["job"]["state"] == "none"


def test_missing_labels_are_named_before_anything_starts(
    ann: TestClient, project: str, files: list[Path], data: Path
) -> None:
    send(ann, project, files[0])
    answer = ann.post(f"/labels/{project}/bundle", json={})
    assert problem(answer) == (409, "not-ready")
    assert "give at least two labels" in answer.json()["detail"]
    assert "answer questions of the audit" in answer.json()["detail"]
    assert not (data / "projects" / project / "bundles").exists()


def test_an_installation_without_torch_says_so(ann: TestClient, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "find_spec", lambda name: None)
    assert "shopcat[train]" in state(ann, project)["refused"]
    answer = ann.post(f"/labels/{project}/bundle", json={})
    assert problem(answer) == (409, "not-supported")
    assert "needs torch" in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"name": "Not a name"}, {"network": "huge"}, {"more": 1}])
def test_a_wrong_wish_is_refused(ann: TestClient, project: str, body: dict[str, object]) -> None:
    assert problem(ann.post(f"/labels/{project}/bundle", json=body)) == (422, "invalid-request")


def test_the_bundle_is_described_with_its_limits(ann: TestClient, project: str, made: str) -> None:
    found = state(ann, project)["bundle"]
    assert (found["version"], found["name"], found["warnings"]) == (made, "pets", ["a warning"])
    assert found["path"] == f"{project}/bundles/1/model"
    figure = found["held_out"]
    assert (figure["right"], figure["of"], figure["share"]) == (40, 50, 0.8)
    assert 0.66 < figure["low"] < 0.68  # Wilson's interval, as in the tables of textbooks
    assert 0.88 < figure["high"] < 0.89
    assert (
        figure["text"]
        == "40 of 50 photos of the audit right: 80% accuracy, and with 95 % confidence between 67% and 89%."
    )


def test_a_bundle_is_a_look_at_the_audit_and_a_request_is_none(
    ann: TestClient, project: str, made: str, data: Path
) -> None:
    opened = ProjectStore(data / "projects").open(project)
    models = Models(opened.database, opened.audits)
    (data / "projects" / project / "bundles" / "lock").touch()
    assert models.record(seen_rows(opened), {"bundle": "1"}).id == 1
    assert state(ann, project)["bundle"]["held_out"]["looks"] == 1
    assert models.looks() == 0

    async def begin_again() -> None:
        async with making.BundleJobs(data / "projects", lambda *_: None).running():
            pass

    for _ in range(2):  # counted once
        anyio.run(begin_again)
        assert models.looks() == 1
    opened.close()


def test_a_figure_of_few_or_of_other_labels_says_so(ann: TestClient, project: str, made: str, data: Path) -> None:
    folder = data / "projects" / project / "bundles" / "1"
    snapshot = json.loads((folder / "snapshot.json").read_text())
    (folder / "snapshot.json").write_text(json.dumps(snapshot | {"blind": 20}))
    assert "Only 20 of them have a blind answer" in state(ann, project)["bundle"]["held_out"]["text"]
    manifest = json.loads((folder / "model" / "bundle.json").read_text())
    manifest["metrics"] |= {"photos": 29, "accuracy": 1.0}
    (folder / "model" / "bundle.json").write_text(json.dumps(manifest))
    figure = state(ann, project)["bundle"]["held_out"]
    assert (figure["share"], figure["low"], figure["high"]) == (None, None, None)
    assert "not yet known" in figure["text"]


def test_the_download_is_the_bundle(ann: TestClient, project: str, made: str, tmp_path: Path) -> None:
    answer = ann.get(f"/labels/{project}/bundle/bundle.zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="pets-{made}.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    assert load(tmp_path / "model").manifest.version == made


def test_a_bundle_is_served_and_taken_back(
    admin: TestClient, app: Starlette, project: str, made: str, service: FakeService, data: Path
) -> None:
    former = load(BUNDLE).manifest.version
    answer = admin.post(f"/labels/{project}/bundle/serve")
    assert (answer.status_code, answer.json()["serving"]["state"]) == (202, "reloading")
    assert service.signals == 1
    assert problem(admin.post(f"/labels/{project}/bundle/serve")) == (409, "conflict")
    service.reload()
    wait_for(lambda: served(admin, project)["state"] != "reloading")
    found = served(admin, project)
    assert (found["state"], found["version"], found["chosen_by"]) == ("served", made, "ada")
    assert (found["origin"], found["instead_of"], found["address"]) == ("Cars", former, "/predictions/pets")
    assert feature_bundles(app.state.settings) == {"pets": BUNDLE}  # maps of projects stay as they are
    assert admin.get("/labels").json()["bundle"] == "pets"
    assert admin.delete(f"/labels/{project}/bundle/serve").json()["serving"]["state"] == "reloading"
    assert service.signals == 2
    service.reload()
    wait_for(lambda: served(admin, project)["state"] == "none")
    assert served(admin, project)["version"] == former
    assert not chosen_folder(data, "pets").exists()


def test_nobody_else_chooses_while_a_bundle_is_copied(
    admin: TestClient, project: str, made: str, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[tuple[int, str]] = []

    def choose(*arguments: Any) -> None:
        monkeypatch.setattr(serving, "choose", choices.choose)
        others.extend(
            problem(admin.request(method, f"/labels/{project}/bundle/serve")) for method in ("POST", "DELETE")
        )
        choices.choose(*arguments)

    monkeypatch.setattr(serving, "choose", choose)
    assert admin.post(f"/labels/{project}/bundle/serve").status_code == 202
    assert others == [(409, "conflict")] * 2
    assert service.signals == 1
    service.reload()
    wait_for(lambda: served(admin, project)["state"] == "served")


def test_a_reload_that_fails_changes_nothing(
    admin: TestClient, project: str, made: str, service: FakeService, data: Path
) -> None:
    service.error = "not reloaded; the previous bundles are still served: a new instance needs memory"
    admin.post(f"/labels/{project}/bundle/serve")
    service.reload()
    wait_for(lambda: served(admin, project)["state"] == "failed")
    assert served(admin, project)["error"] == service.error
    assert resolve(data, BUNDLE).choice is None
    service.error = ""
    admin.post(f"/labels/{project}/bundle/serve")
    service.reload()
    wait_for(lambda: served(admin, project)["state"] == "served")
    assert served(admin, project)["error"] is None
    later = make(data, project, "20270202-bbbbbbbb", number=2)
    service.error = "not reloaded"
    admin.post(f"/labels/{project}/bundle/serve")
    service.reload()
    wait_for(lambda: served(admin, project)["state"] != "reloading")
    choice = resolve(data, BUNDLE).choice
    assert choice is not None
    assert (choice.version, state(admin, project)["bundle"]["version"]) == (made, later)


def test_only_an_admin_changes_what_is_served(ann: TestClient, project: str, made: str, service: FakeService) -> None:
    for method in ("POST", "DELETE"):
        assert problem(ann.request(method, f"/labels/{project}/bundle/serve")) == (403, "forbidden")
    assert service.signals == 0


@pytest.mark.parametrize("made", ["cars"], indirect=True)
def test_a_bundle_of_a_model_that_is_not_served_can_not_be_served(
    admin: TestClient, project: str, made: str, service: FakeService
) -> None:
    assert "no pets model named 'cars'" in served(admin, project)["refused"]
    assert problem(admin.post(f"/labels/{project}/bundle/serve")) == (409, "not-supported")
    assert service.signals == 0


def test_a_console_without_a_service_says_why_it_can_not_serve(admin: TestClient, project: str, made: str) -> None:
    assert os.getppid() != SERVICE
    assert "not started by `shopcat serve`" in served(admin, project)["refused"]
    assert problem(admin.post(f"/labels/{project}/bundle/serve")) == (409, "not-supported")


def test_a_damaged_bundle_is_not_served(
    admin: TestClient, project: str, made: str, service: FakeService, data: Path
) -> None:
    with (data / "projects" / project / "bundles" / "1" / "model" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    answer = admin.post(f"/labels/{project}/bundle/serve")
    assert problem(answer) == (409, "not-ready")
    assert "damaged" in answer.json()["detail"]
    assert service.signals == 0
