"""runtime.log_lines: one JSON object a line, text for terminals, and lines of other processes read back."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from runtime.log_lines import JsonFormatter, TextFormatter, read_line

CREATED = datetime(2026, 11, 28, 12, 30, 1, 250_000, UTC).timestamp()


def record(message: str = "hello", level: int = logging.WARNING, **extra: Any) -> logging.LogRecord:
    return logging.makeLogRecord(
        {"msg": message, "created": CREATED, "levelno": level, "levelname": logging.getLevelName(level), **extra}
    )


def failure() -> logging.LogRecord:
    try:
        raise ValueError("a cause\nwith two lines")
    except ValueError as error:
        return record(exc_info=(type(error), error, error.__traceback__))


def test_a_line_is_one_json_object_with_time_level_source_and_fields() -> None:
    line = JsonFormatter("worker", pid=7).format(record(model="sales", request_id="r-1", error_id="e-1", instance=0))
    assert json.loads(line) == {
        "time": "2026-11-28T12:30:01.250+00:00",
        "level": "warning",
        "source": "worker",
        "message": "hello",
        "model": "sales",
        "instance": 0,
        "pid": 7,
        "request_id": "r-1",
        "error_id": "e-1",
    }


def test_a_traceback_stays_in_its_line() -> None:
    line = JsonFormatter().format(failure())
    assert line.splitlines() == [line]
    assert json.loads(line)["exception"].endswith("ValueError: a cause\nwith two lines")


@pytest.mark.parametrize("message", ["two\nlines", "a\u2028b", "\ud800", "\x1b[2J", "ü"])
def test_any_message_stays_in_one_line_of_ascii(message: str) -> None:
    line = JsonFormatter().format(record(message))
    assert line.isascii()
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == message


def test_a_line_read_back_is_written_unchanged() -> None:
    written = JsonFormatter("worker").format(failure())
    other = json.dumps({**json.loads(written), "model": "pets", "pid": 12, "code": 429})
    for line in (written, other):
        read = read_line(line)
        assert read is not None
        assert json.loads(JsonFormatter("shopcat").format(read)) == json.loads(line)


@pytest.mark.parametrize("level", ["WARN", "warning", "Warning"])
def test_levels_of_other_programs_are_translated(level: str) -> None:
    read = read_line(json.dumps({"time": "2026-11-28T12:30:01Z", "level": level, "message": ""}))
    assert read is not None
    assert (read.levelno, read.levelname, read.created) == (logging.WARNING, "WARNING", CREATED - 0.25)


@pytest.mark.parametrize("line", ["", "text", "{", "[]", "{}", '{"time": 1, "level": "info", "message": ""}'])
def test_other_lines_are_not_read(line: str) -> None:
    assert read_line(line) is None


def test_text_names_the_origin_and_cannot_control_the_terminal() -> None:
    text = TextFormatter().format(record("red \x1b[31m\rforged", model="sales", instance=1, request_id="r\x07"))
    assert text[8:] == r" WARNING shopcat, sales, instance 1: red \x1b[31m\rforged (request id r\x07)"


def test_text_has_the_traceback_below_the_message() -> None:
    first, *others = TextFormatter("worker").format(failure()).splitlines()
    assert first.endswith("worker: hello")
    assert others[0] == "Traceback (most recent call last):"
    assert others[-1] == "with two lines"
