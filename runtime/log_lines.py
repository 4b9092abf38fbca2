"""Log lines: one JSON object a line for programs, or text for a terminal.

Every process of the service writes them, and `shopcat serve` passes the lines of its processes on unchanged. A logger
adds fields with ``extra``.

>>> record = logging.makeLogRecord({"msg": "internal error", "levelname": "ERROR", "error_id": "6c1f"})
>>> line = json.loads(JsonFormatter("worker").format(record))
>>> {name: value for name, value in line.items() if name != "time"}
{'level': 'error', 'source': 'worker', 'message': 'internal error', 'error_id': '6c1f'}
"""

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

LogFormat = Literal["json", "text"]
Source = Literal["shopcat", "gateway", "torchserve", "worker", "console"]

FIELDS = ("model", "instance", "pid", "client", "request_id", "error_id")  # optional attributes of a record, in order
_OTHER_FIELDS = "fields"  # attribute of a record: a mapping of all other fields
_TIME, _LEVEL, _SOURCE, _MESSAGE, _EXCEPTION = "time", "level", "source", "message", "exception"
# A client must not move the cursor of an operator's terminal, or forge a line in it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LEVELS = {"trace": "debug", "warn": "warning", "fatal": "critical"}  # names that other programs use


class JsonFormatter(logging.Formatter):
    """Formatter that writes one JSON object a line.

    Its fields are ``time`` (ISO 8601, UTC, milliseconds), ``level``, ``source`` and ``message``, then those of `FIELDS`
    that the record has and ``exception``, the text of a traceback.
    """

    def __init__(self, source: Source = "shopcat", **fields: str | int) -> None:
        """Set up.

        Args:
            source: part of the service that writes, unless a record names another in ``source``.
            fields: values of `FIELDS` that every line gets, unless a record has another.
        """
        super().__init__()
        self._source, self._fields = source, fields

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, Any] = {
            _TIME: datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            _LEVEL: record.levelname.lower(),
            _SOURCE: getattr(record, _SOURCE, self._source),
            _MESSAGE: record.getMessage(),
        }
        for name in FIELDS:
            if (value := getattr(record, name, self._fields.get(name))) is not None:
                line[name] = value
        line |= getattr(record, _OTHER_FIELDS, {})
        if exception := self._exception(record):
            line[_EXCEPTION] = exception
        return json.dumps(line, default=str)  # ASCII, so that any terminal, file and reader can take it

    def _exception(self, record: logging.LogRecord) -> str | None:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text


class TextFormatter(logging.Formatter):
    """Formatter for a terminal: time, level, source, model and instance before the message, a traceback after it."""

    def __init__(self, source: Source = "shopcat") -> None:
        super().__init__(datefmt="%H:%M:%S")
        self._source = source

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the message with its prefix."""
        origin = [getattr(record, _SOURCE, self._source)]
        for name, prefix in (("model", ""), ("instance", "instance "), ("pid", "PID ")):
            if (value := getattr(record, name, None)) is not None:
                origin.append(f"{prefix}{value}")
        ids = [
            f" ({name.replace('_', ' ')} {value})"
            for name in ("request_id", "error_id")
            if (value := getattr(record, name, None)) is not None and str(value) not in record.message
        ]
        time = self.formatTime(record, self.datefmt)
        return f"{time} {record.levelname:7} {', '.join(origin)}: {record.message}{''.join(ids)}"

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, with control characters escaped."""
        return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], super().format(record))


def read_line(line: str) -> logging.LogRecord | None:
    """Return the record of a line that `JsonFormatter`, or another program in the same form, wrote.

    Returns:
        The record, which a `JsonFormatter` writes with the same fields; None if the line is not such an object. Fields
        that are unknown here are kept in the attribute ``fields``.
    """
    if not line.startswith("{"):
        return None
    try:
        content = json.loads(line)
        created = datetime.fromisoformat(content.pop(_TIME)).timestamp()
        level = str(content.pop(_LEVEL)).lower()
        record = logging.makeLogRecord({"msg": str(content.pop(_MESSAGE)), "created": created})
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return None
    set_level(record, level)
    record.exc_text = str(content.pop(_EXCEPTION, "")) or None
    set_fields(record, content)
    return record


def set_level(record: logging.LogRecord, level: str) -> None:
    """Set a record's level by name; an unknown name counts as "info"."""
    number = logging.getLevelNamesMapping().get(_LEVELS.get(level.lower(), level.lower()).upper(), logging.INFO)
    record.levelno, record.levelname = number, logging.getLevelName(number)


def set_fields(record: logging.LogRecord, fields: Mapping[str, Any]) -> None:
    """Set fields of a record's line: attributes for `FIELDS` and the source, ``fields`` for all others."""
    for name in (_SOURCE, *FIELDS):
        if name in fields:
            setattr(record, name, fields[name])
    others = {name: value for name, value in fields.items() if name not in (_SOURCE, *FIELDS)}
    if others:
        setattr(record, _OTHER_FIELDS, others)
