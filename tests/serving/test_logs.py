"""serving.logs: lines on stderr and in a file, whatever happens to their readers and the disk."""

import io
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from serving import logs
from serving.logs import LogError, logging_to
from tests.integration.waiting import until

logger = logging.getLogger("serving")


@pytest.fixture(autouse=True)
def _levels() -> Any:
    before = logger.level
    logger.setLevel(logging.INFO)
    yield
    logger.setLevel(before)


def messages(text: str) -> list[str]:
    return [json.loads(line)["message"] for line in text.splitlines()]


def test_json_lines_go_to_stderr_and_are_appended_to_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new" / "serve.log"
    for number in range(2):
        with logging_to("json", file):
            logger.info("line %d", number, extra={"source": "gateway"})
    assert messages(capsys.readouterr().err) == messages(file.read_text()) == ["line 0", "line 1"]


def test_text_shows_warnings_of_other_processes_and_all_lines_of_this_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "serve.log"
    with logging_to("text", file):
        logger.info("own")
        logger.info("chatter", extra={"source": "worker"})
        logger.warning("trouble", extra={"source": "worker", "model": "sales"})
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("INFO    shopcat: own")
    assert second.endswith("WARNING worker, sales: trouble")
    assert messages(file.read_text()) == ["own", "chatter", "trouble"]


def test_a_traceback_is_in_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to("json", tmp_path / "serve.log"):
        try:
            raise OSError("disk")
        except OSError:
            logger.exception("failed")
    for text in (capsys.readouterr().err, (tmp_path / "serve.log").read_text()):
        assert "OSError: disk" in json.loads(text)["exception"]


def test_handlers_are_restored(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger().handlers[:]
    with logging_to("json"):
        assert logging.getLogger().handlers != before
    assert logging.getLogger().handlers == before


def test_a_renamed_file_gets_a_successor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As logrotate renames it."""
    file = tmp_path / "serve.log"
    with logging_to("json", file):
        logger.info("before")
        assert until(lambda: "before" in file.read_text())
        file.rename(tmp_path / "serve.log.1")
        logger.info("after")
    assert messages(file.read_text()) == ["after"]


def test_a_file_that_cannot_be_written_is_reported_once_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logging_to("json", Path("/dev/full")):
        for number in range(3):
            logger.info("line %d", number)
    reported, *lines = sorted(messages(capsys.readouterr().err), reverse=True)
    assert "/dev/full can't be written" in reported
    assert lines == ["line 2", "line 1", "line 0"]


def test_a_file_that_cannot_be_opened_is_named() -> None:
    with (
        pytest.raises(LogError, match=r"--log /dev/null/serve\.log can't be opened"),
        logging_to("json", Path("/dev/null/serve.log")),
    ):
        pass


class Blocked(io.StringIO):
    """A stderr that nobody reads, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.released.wait(30)
        return super().write(text)


def test_a_reader_that_hangs_delays_nobody_and_missing_lines_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Blocked()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(logs, "_WAITING", 10)
    with logging_to("json"):
        logger.info("first")
        assert stderr.reached.wait(10)  # the writer holds this line
        for number in range(30):
            logger.info("line %d", number)  # returns at once
        stderr.released.set()
    lines = messages(stderr.getvalue())
    assert lines[:11] == ["first", *(f"line {number}" for number in range(10))]
    assert lines[11].startswith("20 log lines were left out")
