"""serving.python.output: what Python writes at the end of a worker is one line of the log."""

import json
import logging
import subprocess
import sys

import pytest

from serving.python.output import WorkerOutput


def read(program: str, caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the records of a program's output."""
    caplog.set_level(logging.DEBUG)
    output = WorkerOutput(3)
    command = [sys.executable, "-X", "faulthandler", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        output.read(process.stdout)
    assert output.ended.is_set()
    return caplog.records


@pytest.mark.parametrize(
    ("end", "message", "last"),
    [
        ("raise ValueError('no model')", "ValueError: no model", "ValueError: no model"),
        ("os.abort()", "Fatal Python error: Aborted", 'File "<string>", line 2 in <module>'),
        (
            "faulthandler.register(signal.SIGALRM, chain=True); signal.raise_signal(signal.SIGALRM)",
            "stacks at a signal",
            'File "<string>", line 2 in <module>',
        ),
    ],
)
def test_the_stack_of_a_worker_that_ends_is_one_record(
    caplog: pytest.LogCaptureFixture, end: str, message: str, last: str
) -> None:
    line = json.dumps({"time": "2026-01-01T00:00:00.000+00:00", "level": "warning", "source": "worker", "message": "1"})
    first, stack = read(f"import faulthandler, os, signal; print('''{line}''', flush=True)\n{end}", caplog)
    assert (first.getMessage(), first.levelname) == ("1", "WARNING")
    assert (stack.getMessage(), stack.levelname) == (message, "ERROR")
    assert last in str(stack.exc_text)
    assert (vars(stack)["source"], vars(stack)["instance"]) == ("worker", 3)


def test_a_line_after_a_stack_is_a_record_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    program = "import traceback\ntry:\n  1 / 0\nexcept Exception:\n  traceback.print_exc()\nprint('later')"
    assert [record.getMessage() for record in read(program, caplog)] == [
        "ZeroDivisionError: division by zero",
        "later",
    ]
