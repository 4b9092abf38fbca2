"""handlers.telemetry.audit_log: a line for each request while there is room, and none lost without being counted."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from handlers.telemetry.audit_log import AuditLog

Meanwhile = Callable[[str, Callable[[], None]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Lets something happen just before a function is called for the first time."""

    def let(name: str, happen: Callable[[], None]) -> None:
        function = resolve_name(name)

        def late(*arguments: Any, **options: Any) -> Any:
            monkeypatch.setattr(name, function)
            happen()
            return function(*arguments, **options)

        monkeypatch.setattr(name, late)

    return let


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def ask(log: AuditLog, number: int) -> None:
    if log.room(1):
        write(log, {"id": number})


def write(log: AuditLog, line: dict[str, Any]) -> None:
    log.put(line)
    log.flush()


def test_each_request_has_its_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(5):
        ask(log, number)
    written = lines(tmp_path / "audit.jsonl")
    assert [line["id"] for line in written] == [0, 1, 2, 3, 4]
    assert not any("left_out" in line for line in written)


def test_under_load_the_lines_are_bounded_and_those_left_out_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.audit_log.time.monotonic", lambda: now)
    log = AuditLog(tmp_path / "audit.jsonl", per_second=10)
    for number in range(100):
        ask(log, number)
    assert len(lines(tmp_path / "audit.jsonl")) == 10
    now += 0.1
    for number in range(100, 150):
        ask(log, number)
    (*_, last) = lines(tmp_path / "audit.jsonl")
    assert (last["id"], last["left_out"]) == (100, 90)
    now += 3600
    for number in range(150, 300):
        ask(log, number)
    written = lines(tmp_path / "audit.jsonl")
    assert len(written) == 21  # an hour's rest makes room for a second, not for an hour
    assert written[11]["left_out"] == 49


def test_many_get_room_together_and_pay_for_it_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.audit_log.time.monotonic", lambda: now)
    log = AuditLog(tmp_path / "audit.jsonl", per_second=10)
    assert [log.room(7), log.room(7), log.room(7)] == [7, 7, 0]
    write(log, {"id": 1})
    assert lines(tmp_path / "audit.jsonl")[0]["left_out"] == 7
    now += 10
    assert [log.room(1000), log.room(1)] == [10, 0]  # no batch has more than a second's
    granted = 0
    for _ in range(1000):  # a minute of batches of 8, 16 a second
        now += 0.06
        granted += log.room(8)
    assert granted == pytest.approx(600, abs=10)


def test_what_was_left_out_is_said_when_nothing_comes_for_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("handlers.telemetry.audit_log.time.monotonic", lambda: now)
    log = AuditLog(tmp_path / "audit.jsonl", per_second=1)
    for number in range(3):
        for _ in range(log.room(1)):
            log.put({"id": number})
    log.put({"id": object()})  # which no line can have
    log.flush()
    now += 0.5
    log.room(4)
    log.flush()
    assert lines(tmp_path / "audit.jsonl") == [{"id": 0, "left_out": 2}]
    now += 0.5
    for _ in range(2):
        log.flush()
    _, told = lines(tmp_path / "audit.jsonl")
    assert (told.pop("left_out"), [*told]) == (5, ["time"])
    assert [log.room(1), log.room(1)] == [1, 0]
    log.flush(last=True)
    assert [line["left_out"] for line in lines(tmp_path / "audit.jsonl")] == [2, 5, 1]


def test_a_file_that_was_moved_away_begins_anew(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    ask(log, 1)
    (tmp_path / "audit.jsonl").rename(tmp_path / "yesterday.jsonl")
    ask(log, 2)
    assert [line["id"] for line in lines(tmp_path / "yesterday.jsonl")] == [1]
    assert [line["id"] for line in lines(tmp_path / "audit.jsonl")] == [2]


def test_what_a_full_disk_does_not_take_is_told_once_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "audit.jsonl"
    file.symlink_to("/dev/full")
    log = AuditLog(file)
    for number in range(3):
        ask(log, number)
    (told,) = caplog.messages
    assert f"the audit log {file} can't be written" in told
    assert "No space left on device" in told
    file.unlink()
    ask(log, 3)
    ask(log, 4)
    assert [(line["id"], line.get("left_out")) for line in lines(file)] == [(3, 3), (4, None)]


def test_a_line_that_a_full_disk_cut_does_not_spoil_the_next_of_any_worker(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    log, other = AuditLog(file), AuditLog(file)
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
    whole, cut, *after = file.read_text().splitlines()
    assert cut == '{"id'
    assert [json.loads(line) for line in (whole, *after)] == [{"id": 1}, {"id": 4}, {"id": 5, "left_out": 2}]


def test_two_that_find_a_line_cut_end_it_once(tmp_path: Path, meanwhile: Meanwhile) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text('{"id')
    log, other = AuditLog(file), AuditLog(file)
    meanwhile("handlers.telemetry.audit_log.lock", lambda: ask(other, 1))
    ask(log, 2)
    assert file.read_text().splitlines() == ['{"id', '{"id":1}', '{"id":2}']


def test_a_long_file_is_moved_by_whoever_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.telemetry.audit_log.MAX_BYTES", 500)
    one, other = AuditLog(tmp_path / "audit.jsonl", 1000), AuditLog(tmp_path / "audit.jsonl", 1000)
    for number in range(100):
        ask((one, other)[number % 2], number)
    kept = [*lines(tmp_path / "audit.jsonl.1"), *lines(tmp_path / "audit.jsonl")]
    assert [line["id"] for line in kept] == list(range(100 - len(kept), 100))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 600


@pytest.mark.parametrize("moment", ["handlers.telemetry.audit_log.lock", "pathlib.Path.replace"])
def test_two_that_find_a_file_long_move_it_once(
    tmp_path: Path, moment: str, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "audit.jsonl"
    log, other = AuditLog(file, 1000), AuditLog(file, 1000)
    for number in range(100):
        ask((log, other)[number % 2], number)
    monkeypatch.setattr("handlers.telemetry.audit_log.MAX_BYTES", file.stat().st_size - 1)
    meanwhile(moment, lambda: ask(other, 100))
    ask(log, 101)
    kept = [*lines(tmp_path / "audit.jsonl.1"), *lines(file)]
    assert [line["id"] for line in kept] == list(range(102))


def test_what_a_client_sends_can_not_break_a_line(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    write(log, {"id": 'a"\n{"id": 2}\x00ü\u2028'})
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line["id"] == 'a"\n{"id": 2}\x00ü\u2028'
