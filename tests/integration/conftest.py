"""The runners of a service, and one TorchServe for all tests that only ask it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.archives.archive import archive
from serving.ports import Ports
from serving.torchserve.server import Server, running_server
from tests.integration.runners.kinds import KINDS, RunnerKind


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def runner(request: pytest.FixtureRequest) -> RunnerKind:
    """The runner of the test's service: each test runs with both."""
    kind = request.param
    assert isinstance(kind, RunnerKind)
    return kind


@pytest.fixture(scope="session")
def archived(demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration bundle's archive, in a model store with a path such as people have."""
    return archive(demo_bundle, tmp_path_factory.mktemp("store") / "my models, ü")


@pytest.fixture(scope="session")
def server(archived: Path) -> Iterator[Server]:
    """A running TorchServe with two workers, on free ports."""
    with running_server([archived], port=Ports.any_free().inference, workers=2) as running:
        yield running
