"""One TorchServe for all tests that only ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.archive import archive
from handlers.ports import Ports
from handlers.server import Server, running_server


@pytest.fixture(scope="session")
def model_store(demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model store with the demonstration bundle's archive; its path is such as people have."""
    store = tmp_path_factory.mktemp("store") / "my models, ü"
    archive(demo_bundle, store)
    return store


@pytest.fixture(scope="session")
def server(model_store: Path) -> Iterator[Server]:
    """A running server with two workers, on ports of its own."""
    with running_server(model_store, ports=Ports.any_free(), workers=2) as running:
        yield running
