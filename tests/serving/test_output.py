"""serving.output and serving.process: lines of processes in the log, their last lines, and how they ended."""

import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runtime.log_lines import JsonFormatter
from serving import output as output_module
from serving.output import ProcessOutput
from serving.process import running_process
from serving.torchserve.output import TorchServeOutput
from tests.integration.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def _all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def run(program: str, folder: Path, output: ProcessOutput) -> None:
    """Run a Python program to its end."""
    before = {*readers()}  # of servers that other tests share
    with running_process([sys.executable, "-c", program], folder, output) as process:
        process.wait(30)
        assert until(lambda: {*readers()} <= before)


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("output of ")]


def fields(record: logging.LogRecord) -> dict[str, object]:
    line: dict[str, object] = json.loads(JsonFormatter().format(record))
    del line["time"]
    return line


def test_the_last_words_of_a_process_are_those_that_are_still_read() -> None:
    output = ProcessOutput("gateway")
    reading, writing = map(os.fdopen, os.pipe(), ("rb", "wb"))
    with reading, writing, ThreadPoolExecutor(1) as pool:
        words = pool.submit(output.last_words)
        writing.write(b"no watch is left\n")
        writing.close()
        output.read(reading)
        assert "no watch is left" in words.result(30)


def test_lines_of_a_process_have_its_source_instance_and_pid(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    output = ProcessOutput("torchserve", instance=2)
    run("import os; print(os.getpid()); print('no end', end='')", folder, output)
    pid, last, end = map(fields, caplog.records)
    assert pid == {
        "level": "info",
        "source": "torchserve",
        "message": str(output.pid),
        "instance": 2,
        "pid": output.pid,
    }
    assert last["message"] == "no end"
    assert "with exit status 0" in str(end["message"])


def test_json_lines_keep_their_fields(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    line = {"time": "2026-11-28T12:00:00.000+00:00", "level": "warning", "source": "worker", "message": "slow"}
    line |= {"pid": 7, "request_id": "r-1", "stage": "decode"}
    run(f"print({json.dumps(line)!r})", folder, ProcessOutput("torchserve", instance=0))
    assert json.loads(JsonFormatter().format(caplog.records[0])) == {**line, "instance": 0}


@pytest.mark.parametrize(
    ("program", "end"),
    [
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
            "killed by SIGKILL, perhaps because memory ran out",
        ),
        ("import os; os.abort()", "killed by SIGABRT"),
        ("import sys; sys.exit('last words')", "with exit status 1"),
    ],
)
def test_an_unexpected_end_is_logged_with_its_last_lines(
    folder: Path, caplog: pytest.LogCaptureFixture, program: str, end: str
) -> None:
    output = ProcessOutput("gateway")
    run(f"print('first words', flush=True); {program}", folder, output)
    last = caplog.records[-1]
    assert last.levelno == logging.ERROR
    assert f"ended unexpectedly, {end}" in last.getMessage()
    assert "first words" in last.getMessage()
    assert fields(last)["pid"] == output.pid
    assert "first words" in output.tail()


def test_a_process_without_output_says_so(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", folder, ProcessOutput("gateway"))
    assert caplog.messages == ["the process ended unexpectedly, killed by SIGTERM\nIt has written nothing."]


def test_a_crash_report_of_java_is_logged_before_it_is_removed(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = "open(f'hs_err_pid{os.getpid()}.log', 'w').write('# SIGSEGV (0xb)\\n' * 1000)"
    run(f"import os; {report}; os.abort()", folder, ProcessOutput("torchserve"))
    assert 50 < caplog.records[-1].getMessage().count("# SIGSEGV") < 100


def test_a_stop_is_no_error(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    program = "import time; print('up', flush=True); time.sleep(60)"
    with running_process([sys.executable, "-c", program], folder, ProcessOutput("gateway")):
        assert until(lambda: caplog.messages)
    assert caplog.messages == ["up"]


def test_a_repeated_line_is_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("for _ in range(500): print('again')\nprint('other')", folder, ProcessOutput("gateway"))
    lines = [message for message in caplog.messages if not message.startswith("the process ended")]
    assert lines == ["again"] * 10 + ["other", "again (repeated 490 more times)"]


def test_repetitions_are_reported_while_the_process_is_quiet(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output_module, "_WINDOW_S", 0.05)
    program = "import time\nfor _ in range(12): print('again')\nprint(flush=True); time.sleep(60)"
    with running_process([sys.executable, "-c", program], folder, ProcessOutput("gateway")):
        assert until(lambda: "again (repeated 2 more times)" in caplog.messages)


def test_a_flood_of_different_lines_is_cut(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("for number in range(5000): print(number)", folder, ProcessOutput("gateway"))
    assert len(caplog.messages) < 2100
    assert any("3000 lines were left out" in message for message in caplog.messages)


def test_a_long_line_is_cut(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    run("print('x' * 1_000_000); print('next')", folder, ProcessOutput("gateway"))
    first, second, *_ = caplog.messages
    assert 60_000 < len(first) < 200_000
    assert second == "next"


def test_only_the_last_lines_are_kept(folder: Path) -> None:
    output = ProcessOutput("gateway")
    run("for number in range(100): print(f'line {number}')", folder, output)
    assert output.tail().splitlines() == ["The last lines of its output:", *(f"  line {n}" for n in range(60, 100))]


# TorchServe's own output


def log4j(
    message: str, *, level: str = "INFO", worker: str = "", logger: str = "MODEL_LOG", exception: str = ""
) -> str:
    return json.dumps(
        {
            "time": "2026-11-28T12:00:00.000+00:00",
            "level": level,
            "thread": worker or "main",
            "logger": logger,
            "message": message,
            "exception": exception,
        }
    )


STDOUT, STDERR = "W-9000-my_sales_1.0-stdout", "W-9000-my_sales_1.0-stderr"
LIFE = "org.pytorch.serve.wlm.WorkerLifeCycle"


@pytest.fixture
def torchserve() -> TorchServeOutput:
    return TorchServeOutput(1, ["my", "my_sales"])


def test_lines_of_a_worker_have_its_model_and_pid(torchserve: TorchServeOutput) -> None:
    (started,) = torchserve.records(log4j("[PID]123", worker=STDOUT))
    (line,) = torchserve.records(log4j("hello", worker=STDERR, level="WARN"))
    assert started.levelno == logging.DEBUG
    expected = {"level": "warning", "source": "worker", "message": "hello", "model": "my_sales", "pid": 123}
    assert fields(line) == expected


def test_json_lines_of_a_worker_are_lifted(torchserve: TorchServeOutput) -> None:
    error = logging.makeLogRecord({"msg": "internal error", "levelname": "ERROR", "levelno": 40, "error_id": "e-1"})
    error.exc_text = "Traceback (most recent call last):\nValueError: cause"
    written = JsonFormatter("worker", model="my_sales", pid=5).format(error)
    (lifted,) = torchserve.records(log4j(written, worker=STDERR, level="WARN"))
    assert json.loads(JsonFormatter().format(lifted)) == json.loads(written)
    assert torchserve.worker_errors() == ["ValueError: cause"]


def test_an_exception_of_java_belongs_to_its_line(torchserve: TorchServeOutput) -> None:
    trace = "java.lang.IllegalStateException\n\tat org.pytorch.serve.Main"
    (record,) = torchserve.records(log4j("failed", level="ERROR", logger="org.pytorch.serve", exception=trace))
    assert fields(record)["exception"] == trace
    assert fields(record)["level"] == "error"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["Traceback (most recent call last):", '  File "x"', "", "a.b.BundleError: broken"],
            "a.b.BundleError: broken",
        ),
        (["Traceback (most recent call last):", '  File "x"', "Odd"], "Odd"),
        (
            [
                "Fatal Python error: Aborted",
                "",
                "Current thread 0x1 (most recent call first):",
                "  x",
                "Extension modules: y",
            ],
            "Fatal Python error: Aborted",
        ),
    ],
)
def test_a_traceback_of_a_worker_is_one_line(torchserve: TorchServeOutput, lines: list[str], message: str) -> None:
    records = [record for line in lines for record in torchserve.records(log4j(line, worker=STDERR))]
    (record,) = records
    assert (record.getMessage(), record.levelno, record.exc_text) == (message, logging.ERROR, "\n".join(lines))


def test_the_end_of_a_worker_is_logged_with_its_last_lines(torchserve: TorchServeOutput) -> None:
    torchserve.records(log4j("[PID]123", worker=STDOUT))
    torchserve.records(log4j("last words", worker=STDERR))
    assert torchserve.records(log4j(f"Stopped Scanner - {STDOUT}", worker=STDOUT, logger=LIFE)) == []
    (end,) = torchserve.records(log4j(f"Stopped Scanner - {STDERR}", worker=STDERR, logger=LIFE))
    assert fields(end) == {
        "level": "error",
        "source": "worker",
        "message": "a worker of my_sales ended, and TorchServe starts another; its last lines:\n  last words",
        "model": "my_sales",
        "pid": 123,
    }


def test_workers_that_are_stopped_with_their_instance_are_no_error(torchserve: TorchServeOutput) -> None:
    torchserve.stopping = True
    for worker in (STDOUT, STDERR):
        assert torchserve.records(log4j("Stopped Scanner - ", worker=worker, logger=LIFE)) == []
