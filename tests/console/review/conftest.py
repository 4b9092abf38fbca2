"""A database, and an application with kept photos, for tests of the review."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.app import create_app
from console.settings import Settings
from console.storage import Database, open_database
from tests.console.review.cases import KEY

BUNDLE = Path(__file__).parents[3] / "model_store" / "pets"

Connect = Callable[..., TestClient]


@pytest.fixture
def database(tmp_path: Path, database_address: str) -> Iterator[Database]:
    found = open_database(tmp_path, database_address)
    yield found
    found.close()


@pytest.fixture
def settings(tmp_path: Path, database_address: str) -> Settings:
    key = tmp_path / "receipt.key"
    key.write_bytes(KEY)
    return Settings(
        data=tmp_path,
        database=database_address,
        gateway="http://127.0.0.1:8080",
        keys=True,
        receipt_key=key,
        keep_for_review=True,
        second_opinions=0.0,
        socket=tmp_path / "socket",
        bundles={"pets": BUNDLE},
    )


@pytest.fixture
def shared(settings: Settings) -> Iterator[Database]:
    """The application's database, opened a second time."""
    found = open_database(settings.data, settings.database)
    yield found
    found.close()


@pytest.fixture
def connect(settings: Settings) -> Iterator[Connect]:
    """Return a function that makes clients of one application, as the gateway passes them on: name and roles."""
    app = create_app(settings)
    with ExitStack() as stack:
        stack.enter_context(TestClient(app))  # runs the application's lifespan

        def client(name: str | None = None, roles: str = "") -> TestClient:
            headers = {} if name is None else {"x-shopcat-client": name, "x-shopcat-roles": roles}
            return TestClient(app, "http://127.0.0.1:8080", headers=headers, raise_server_exceptions=False)

        yield client
