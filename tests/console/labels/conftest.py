"""A console for tests of labelling, clients with names, and small photos."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.app import create_app
from console.settings import Settings
from labelling.projects import store as projects
from schemas.problems import Problem
from tests.labelling.projects.pictures import save_photos

BUNDLE = Path(__file__).parents[3] / "model_store" / "pets"
HERE = "http://127.0.0.1:8080"

Connect = Callable[..., TestClient]


@pytest.fixture(autouse=True)
def fixed_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same photos are held back in each run of a test."""
    monkeypatch.setattr(projects, "new_seed", lambda: "seed")


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> Settings:
    return Settings(data=data, gateway=HERE, keys=True, socket=tmp_path / "socket")


@pytest.fixture
def app(settings: Settings) -> Starlette:
    return create_app(settings)


@pytest.fixture
def connect(app: Starlette) -> Iterator[Connect]:
    """Return a function that makes clients of one application, as the gateway passes them on: name and roles."""
    with ExitStack() as stack:
        stack.enter_context(TestClient(app))  # runs the application's lifespan

        def client(name: str | None = "ann", roles: str = "label") -> TestClient:
            headers = {} if name is None else {"x-shopcat-client": name, "x-shopcat-roles": roles}
            return TestClient(app, HERE, headers=headers, raise_server_exceptions=False)

        yield client


@pytest.fixture
def ann(connect: Connect) -> TestClient:
    """A client with the role label."""
    return connect("ann")


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Sixteen small photos."""
    return sorted(save_photos(tmp_path / "photos", 16).iterdir())


def problem(response: Any) -> tuple[int, str]:
    """Check that a response is a problem, and return its status and kind."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    found = Problem.model_validate(response.json())
    assert found.status == response.status_code
    return found.status, found.type.rpartition(":")[2]


def send(client: TestClient, project: str, file: Path) -> str:
    """Upload a photo, and return its hash."""
    answer = client.post(
        f"/labels/{project}/photos",
        params={"name": file.name},
        content=file.read_bytes(),
        headers={"content-type": "application/octet-stream"},
    )
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["sha256"])


def wait_for(is_done: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until a function returns something true."""
    until = time.monotonic() + seconds
    while not is_done():
        assert time.monotonic() < until, "it does not happen"
        time.sleep(0.05)
