"""The console without a gateway, and its databases."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Server, running_postgres

_names = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running PostgreSQL."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.integration)])
def database_address(request: pytest.FixtureRequest) -> str:
    """Address of an empty database: "" for a file of SQLite, or one of PostgreSQL."""
    if request.param == "sqlite":
        return ""
    server: Server = request.getfixturevalue("postgres")
    return server.create(f"test{next(_names)}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Folder for the console's data."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder
