"""serving.gateway.reloaded: files that change while the service runs, and that can't be used for a while."""

import logging
from pathlib import Path

import pytest

from serving.gateway import reloaded
from serving.gateway.errors import GatewayError
from serving.gateway.reloaded import Reloaded


def settle(values: Reloaded[str]) -> str:
    """Look at the files twice: a change counts once they have rested."""
    values.refresh()
    values.refresh()
    return values.value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("first")
    return path


def test_a_change_of_the_permissions_alone_is_a_change(file: Path) -> None:
    """The file is readable by root alone at first, and then the operator mends it."""
    may_read = [True]

    def read() -> str:
        if not may_read[0]:
            raise GatewayError("not allowed")
        return file.read_text()

    values = Reloaded((file,), read)
    may_read[0] = False
    file.write_text("second")
    assert settle(values) == "first"
    may_read[0] = True
    file.chmod(0o600)
    assert settle(values) == "second"


def test_a_failed_read_is_tried_again_and_logged_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reloaded, "_RETRY_S", 0.0)
    failures = [OSError("too many open files")] * 3

    def read() -> str:
        if file.read_text() == "second" and failures:
            raise failures.pop()
        return file.read_text()

    values = Reloaded((file,), read)
    file.write_text("second")
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            values.refresh()
    assert values.value == "second"
    assert len(caplog.records) == 1
