"""A running service with keys, and people who label on it."""

from collections.abc import Iterator

import psutil
import pytest

from tests.integration.labels.people import Person, write_keys
from tests.integration.runners.kinds import PYTHON
from tests.integration.service.shopcat import Running, serving
from tests.integration.waiting import until
from tests.pets.fake_classifier import BUNDLE


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    keys = write_keys(folder / "keys.txt")
    options = ("--workers", "1", "--data", str(folder / "data"), "--log-format", "text", "--api-keys", str(keys))
    with serving(BUNDLE, folder, PYTHON, *options, "--idle-at-stop", "0", console=True) as running:
        yield running


@pytest.fixture
def ann(service: Running) -> Person:
    return Person(service.port, "ann")


@pytest.fixture
def bob(service: Running) -> Person:
    return Person(service.port, "bob")


def console_of(service: Running) -> psutil.Process:
    """Return the process of the console, once it runs."""
    assert until(lambda: service.descendants("-m console"), 300)
    return service.descendants("-m console")[0]
