"""console.labels.service: projects stay open while they are needed, and the network is that of the served bundle."""

import os
from pathlib import Path

import anyio
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.app import create_app
from console.labels import service
from console.labels.service import Labelling
from console.settings import Settings
from labelling.features.network import FeatureNetwork
from tests.console.labels.conftest import BUNDLE


@pytest.fixture
def labelling(settings: Settings) -> Labelling:
    app = create_app(settings)
    found: Labelling = app.state.labelling
    return found


def test_the_least_recently_used_projects_are_closed_but_those_that_somebody_looks_at(labelling: Labelling) -> None:
    names = [labelling.store.create(f"p{number}").id for number in range(service._OPEN + 5)]

    async def run() -> None:
        watched = await labelling.project(names[0])
        with watched.hub.stream("ann"):
            for name in names[1:]:
                await labelling.project(name)
            assert [*labelling._opened] == [names[0], *names[-service._OPEN :]]
            assert await labelling.project(names[0]) is watched
        again = await labelling.project(names[1])
        assert again.project.summary.name == "p1"
        assert await labelling.project(names[1]) is again

    anyio.run(run)


def test_the_network_is_that_of_the_bundle_and_changes_with_a_reload(settings: Settings, tmp_path: Path) -> None:
    app = create_app(settings.model_copy(update={"bundles": {"sales": BUNDLE.with_name("demo"), "tips": BUNDLE}}))
    labelling: Labelling = app.state.labelling

    async def run() -> None:
        await labelling.read_network()
        assert (labelling.bundle, labelling.network_error) == ("tips", None)
        assert labelling.network == FeatureNetwork.load(BUNDLE).layout
        app.state.settings = settings.model_copy(update={"bundles": {"pets": tmp_path}})
        await labelling.read_network()
        assert (labelling.bundle, labelling.network) == (None, None)
        assert str(tmp_path) not in (labelling.network_error or "")
        labelling.decoder._kill()

    anyio.run(run)


def test_a_class_keeps_what_it_knows_about_a_project_once(labelling: Labelling) -> None:
    labelling.store.create("Cats").close()

    async def run() -> None:
        opened = await labelling.project("cats")
        part = opened.part(Kept)
        assert opened.part(Kept) is part
        assert part.opened is opened

    anyio.run(run)


class Kept:
    def __init__(self, opened: service.OpenProject) -> None:
        self.opened = opened


def test_workers_end_when_nobody_needs_them(labelling: Labelling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.labels.opened.worker._IDLE_S", 0.2)
    monkeypatch.setattr("console.labels.opened.worker._CHECK_S", 0.05)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(labelling.worker.retire)
            process = await labelling.worker.run(os.getpid)
            with anyio.fail_after(60):
                while Path(f"/proc/{process}").exists():
                    await anyio.sleep(0.05)
            assert await labelling.worker.run(os.getpid) != process
            tasks.cancel_scope.cancel()

    anyio.run(run)


def test_errors_of_workers_come_back_as_they_are(labelling: Labelling) -> None:
    async def run() -> None:
        with pytest.raises(ZeroDivisionError):
            await labelling.worker.run(divmod, 1, 0)
        assert await labelling.worker.run(divmod, 7, 2) == (3, 1)
        labelling.worker._kill()

    anyio.run(run)


def test_a_look_changes_nothing(ann: TestClient, app: Starlette) -> None:
    ann.post("/labels", json={"name": "Cats"})
    store: Path = app.state.labelling.store.folder
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if "sqlite" not in path.name}
    database = app.state.labelling.store.open("cats").database
    for path in ("", "/cats", "/cats/photos", "/cats/state", "/cats/events", f"/cats/thumbs/64/{'0' * 64}.webp"):
        ann.get(f"/labels{path}")
    ann.head(f"/labels/cats/photos/{'0' * 64}")
    assert {path: path.stat().st_mtime_ns for path in store.rglob("*") if "sqlite" not in path.name} == before
    with database.reading() as connection:
        assert connection.execute("SELECT COUNT(*) FROM batches").fetchone()[0] == 0


def test_a_network_that_takes_long_keeps_no_page_waiting(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_NETWORK_S", 0.05)
    reading = anyio.Event()
    app = create_app(settings.model_copy(update={"bundles": {"pets": BUNDLE}}))
    labelling: Labelling = app.state.labelling
    layout = FeatureNetwork.load(BUNDLE).layout

    async def read(*_: object) -> object:
        await reading.wait()
        return layout

    monkeypatch.setattr(labelling.decoder, "run", read)
    labelling.store.create("Cats").close()

    async def run() -> None:
        opened = await labelling.project("cats")
        assert (labelling.network, opened.rows().photos) == (None, ())
        reading.set()
        await labelling.read_network()
        assert (labelling.network, labelling.bundle) == (layout, "pets")

    anyio.run(run)
