"""Fixtures of the worker's HTTP server."""

from collections.abc import Iterator

import pytest

from tests.handlers.python.running import Client, Running, running


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Running]:
    """A server without a gateway."""
    with running() as server:
        yield server


@pytest.fixture
def server(shared_server: Running) -> Running:
    """The server, with no batches so far."""
    shared_server.model.batches.clear()
    return shared_server


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    """A connection to the server."""
    with server.connect() as client:
        yield client
