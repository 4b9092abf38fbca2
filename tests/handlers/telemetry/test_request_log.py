"""handlers.telemetry.request_log: a line for each request within the quota, and a count of all others."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from handlers.telemetry.request_log import RequestLog

Meanwhile = Callable[[str, Callable[[], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Make a call just before the first call of a function."""

    def before_first_call(name: str, call: Callable[[], None]) -> None:
        function = resolve_name(name)

        def late(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(name, function)
            call()
            return function(*arguments, **options)

        monkeypatch.setattr(name, late)

    return before_first_call


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ask(log: RequestLog, number: int) -> None:
    if log.reserve(1)[0]:
        write(log, {"id": number})


def write(log: RequestLog, line: dict[str, Any]) -> None:
    log.append(line)
    log.flush()


def test_each_request_has_a_line(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests.jsonl")
    for number in range(5):
        ask(log, number)
    written = lines(tmp_path / "requests.jsonl")
    assert [line["id"] for line in written] == [0, 1, 2, 3, 4]
    assert not any("left_out" in line for line in written)


def test_lines_beyond_the_quota_are_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.request_log.time.monotonic", lambda: now)
    log = RequestLog(tmp_path / "requests.jsonl", per_second=10)
    for number in range(100):
        ask(log, number)
    assert len(lines(tmp_path / "requests.jsonl")) == 10
    now += 0.1
    for number in range(100, 150):
        ask(log, number)
    (*_, last) = lines(tmp_path / "requests.jsonl")
    assert (last["id"], last["left_out"]) == (100, 90)
    now += 3600
    for number in range(150, 300):
        ask(log, number)
    written = lines(tmp_path / "requests.jsonl")
    assert len(written) == 21  # a quiet hour gives one second's quota, not an hour's
    assert written[11]["left_out"] == 49


def test_a_batch_gets_all_lines_and_the_quota_pays_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.request_log.time.monotonic", lambda: now)
    log = RequestLog(tmp_path / "requests.jsonl", per_second=10)
    assert [log.reserve(7)[0], log.reserve(7)[0], log.reserve(7)[0]] == [7, 7, 0]
    write(log, {"id": 1})
    assert lines(tmp_path / "requests.jsonl")[0]["left_out"] == 7
    now += 10
    assert [log.reserve(1000)[0], log.reserve(1)[0]] == [10, 0]  # no batch has more than a second's
    granted = 0
    for _ in range(1000):  # a minute of batches of 8, 16 a second
        now += 0.06
        granted += log.reserve(8)[0]
    assert granted == pytest.approx(600, abs=10)


def test_answers_displace_no_problem(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests.jsonl", per_second=10)
    assert [log.reserve(20, 3), log.reserve(20, 3)] == [(10, 3), (0, 3)]


def test_a_rate_of_0_means_all_lines(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests.jsonl", per_second=0)
    for number in range(3_000):
        assert log.reserve(2, 1) == (2, 1)
        log.append({"id": number})
    log.flush()
    assert [line["id"] for line in lines(tmp_path / "requests.jsonl")] == [*range(3_000)]


def test_lines_are_counted_by_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.telemetry.request_log.MAX_WAITING", 3)
    file = tmp_path / "requests.jsonl"
    log = RequestLog(file, per_second=3)
    for number in range(log.reserve(5)[0]):
        log.append({"id": number})
    assert log.reserve(0, 4) == (0, 0)  # too many wait
    log.flush()
    file.unlink()
    file.symlink_to("/dev/full")
    log.append({"id": 3})
    log.flush()
    assert log.counts == {"written": 3, "left_out": 2, "failed": 5}


def test_a_quiet_second_reports_the_lines_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.request_log.time.monotonic", lambda: now)
    log = RequestLog(tmp_path / "requests.jsonl", per_second=1)
    for number in range(3):
        for _ in range(log.reserve(1)[0]):
            log.append({"id": number})
    log.append({"id": object()})  # which JSON does not have
    log.flush()
    now += 0.5
    log.reserve(4)
    log.flush()
    assert lines(tmp_path / "requests.jsonl") == [{"id": 0, "left_out": 2}]
    now += 0.5
    for _ in range(2):
        log.flush()
    _, report = lines(tmp_path / "requests.jsonl")
    assert (report.pop("left_out"), [*report]) == (5, ["time"])
    assert [log.reserve(1)[0], log.reserve(1)[0]] == [1, 0]
    log.flush(last=True)
    assert [line["left_out"] for line in lines(tmp_path / "requests.jsonl")] == [2, 5, 1]


def test_a_renamed_file_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests.jsonl")
    ask(log, 1)
    (tmp_path / "requests.jsonl").rename(tmp_path / "yesterday.jsonl")
    ask(log, 2)
    assert [line["id"] for line in lines(tmp_path / "yesterday.jsonl")] == [1]
    assert [line["id"] for line in lines(tmp_path / "requests.jsonl")] == [2]


def test_a_full_disk_is_reported_once_and_its_lines_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "requests.jsonl"
    file.symlink_to("/dev/full")
    log = RequestLog(file)
    for number in range(3):
        ask(log, number)
    (error,) = caplog.messages
    assert f"the request log {file} can't be written" in error
    assert "No space left on device" in error
    file.unlink()
    ask(log, 3)
    ask(log, 4)
    assert [(line["id"], line.get("left_out")) for line in lines(file)] == [(3, 3), (4, None)]


def test_a_line_cut_by_a_full_disk_spoils_no_other_line(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    log, other = RequestLog(file), RequestLog(file)
    ask(log, 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 4, hard))
    try:
        ask(log, 2)
        ask(log, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    ask(other, 4)
    ask(log, 5)
    first, cut, *after = file.read_text().splitlines()
    assert cut == '{"id'
    assert [json.loads(line) for line in (first, *after)] == [{"id": 1}, {"id": 4}, {"id": 5, "left_out": 2}]


def test_two_workers_end_a_cut_line_once(tmp_path: Path, meanwhile: Meanwhile) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text('{"id')
    log, other = RequestLog(file), RequestLog(file)
    meanwhile("handlers.telemetry.request_log.lock", lambda: ask(other, 1))
    ask(log, 2)
    assert file.read_text().splitlines() == ['{"id', '{"id":1}', '{"id":2}']


def test_any_worker_rotates_a_full_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.telemetry.request_log.MAX_BYTES", 500)
    one, other = RequestLog(tmp_path / "requests.jsonl", 1000), RequestLog(tmp_path / "requests.jsonl", 1000)
    for number in range(100):
        ask((one, other)[number % 2], number)
    kept = [*lines(tmp_path / "requests.jsonl.1"), *lines(tmp_path / "requests.jsonl")]
    assert [line["id"] for line in kept] == list(range(100 - len(kept), 100))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 600


@pytest.mark.parametrize("moment", ["handlers.telemetry.request_log.lock", "pathlib.Path.replace"])
def test_two_workers_rotate_a_full_file_once(
    tmp_path: Path, moment: str, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "requests.jsonl"
    log, other = RequestLog(file, 1000), RequestLog(file, 1000)
    for number in range(100):
        ask((log, other)[number % 2], number)
    monkeypatch.setattr("handlers.telemetry.request_log.MAX_BYTES", file.stat().st_size - 1)
    meanwhile(moment, lambda: ask(other, 100))
    ask(log, 101)
    kept = [*lines(tmp_path / "requests.jsonl.1"), *lines(file)]
    assert [line["id"] for line in kept] == list(range(102))


def test_client_text_can_not_break_a_line(tmp_path: Path) -> None:
    log = RequestLog(tmp_path / "requests.jsonl")
    write(log, {"id": 'a"\n{"id": 2}\x00ü\u2028'})
    (line,) = lines(tmp_path / "requests.jsonl")
    assert line["id"] == 'a"\n{"id": 2}\x00ü\u2028'
