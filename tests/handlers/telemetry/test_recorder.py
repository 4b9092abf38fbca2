"""handlers.telemetry.recorder: what is told of batches, after they were answered."""

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from handlers.batch import Sent, answer_batch
from handlers.protocol import Batch
from handlers.telemetry.audit_log import AuditLog
from handlers.telemetry.recorder import Telemetry
from schemas.problems import Problem, ProblemError

ROOT = Path(__file__).parents[3]


class Reply:
    def to_json(self) -> bytes:
        return b"{}"


def parse(sent: Sent) -> bytes:
    if sent.body() == b"bad":
        raise ProblemError(Problem.of("malformed-request", "bad"))
    return bytes(sent.body())


class Told:
    """A telemetry of its own model, and what it has told."""

    def __init__(self, model: str, folder: Path, *, per_second: float = 20) -> None:
        self.model, self.file, self.counted = model, folder / "audit.jsonl", [0]
        audit = AuditLog(self.file, per_second)
        self.telemetry = Telemetry(
            model, "1", gist=list, count=self.count, describe=lambda reply: {"warnings": {}}, audit=audit
        )

    def count(self, model: str, gists: Sequence[Any]) -> None:
        assert model == self.model
        self.counted.append(sum(len(replies) for replies in gists))

    def answer(self, *requests: tuple[bytes, dict[str, str]]) -> None:
        batch = Batch()
        for number, (body, headers) in enumerate(requests):
            named = [(name.encode(), value.encode()) for name, value in headers.items()]
            # A form's field may be called as a header is.
            batch.append(b"ts-%d" % number, named, [("body", b"", body), ("Traceparent", b"text/plain", b"")])
        run = lambda asked: [Reply() for _ in asked]  # noqa: E731
        answer_batch(batch.fields, batch, parse=parse, run=run, telemetry=self.telemetry)
        batch.finish()

    def sample(self, name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, {"model": self.model, **labels}) or 0.0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nothing_is_told_before_and_nothing_twice(tmp_path: Path) -> None:
    told = Told("before", tmp_path)
    told.answer((b"1", {}), (b"bad", {}), (b"2", {}))
    assert (told.lines(), told.sample("shopcat_requests_total", status="200")) == ([], 0)
    told.telemetry.tell()
    told.telemetry.tell()
    assert told.sample("shopcat_requests_total", status="200") == 2
    assert told.sample("shopcat_requests_total", status="400") == 1
    assert told.sample("shopcat_batch_size_sum") == 3
    assert told.sample("shopcat_batch_size_count") == 1
    assert told.counted == [0, 2]
    assert [line["status"] for line in told.lines()] == [200, 400, 200]


def test_nothing_is_counted_twice_or_left_out_while_the_worker_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told("load", tmp_path)
    monkeypatch.setattr("handlers.telemetry.recorder._EVERY_S", 0.0001)
    told.telemetry.start()
    asked = 4000
    for _ in range(asked // 2):
        told.answer((b"1", {}), (b"2", {}))
    told.telemetry.tell()
    assert told.sample("shopcat_requests_total", status="200") == asked
    assert told.sample("shopcat_batch_size_sum") == asked


def test_no_figure_waits_for_a_log_that_nobody_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And lines do not pile up."""
    monkeypatch.setattr("handlers.telemetry.audit_log.MAX_WAITING", 200)
    os.mkfifo(tmp_path / "audit.jsonl")
    reader = os.open(tmp_path / "audit.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(tmp_path / "audit.jsonl", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.write(filler, b"{}\n"):
            pass
    told = Told("pipe", tmp_path, per_second=1e9)
    told.telemetry.start()
    asked = 3000
    for _ in range(asked):
        told.answer((b"1", {}))
    wait_for(lambda: told.sample("shopcat_requests_total", status="200") == asked)
    got = b""

    def all_is_told() -> bool:
        nonlocal got
        with contextlib.suppress(BlockingIOError):
            got += os.read(reader, 1 << 20)
        lines = [json.loads(line) for line in got[: got.rfind(b"\n")].splitlines()]
        return sum(("id" in line) + line.get("left_out", 0) for line in lines) == asked

    wait_for(all_is_told)
    assert got.count(b'"id"') <= 201


def test_it_tells_by_itself(tmp_path: Path) -> None:
    told = Told("itself", tmp_path)
    told.telemetry.start()
    told.answer((b"1", {}))
    wait_for(lambda: told.sample("shopcat_requests_total", status="200") == 1 and len(told.lines()) == 1)


def test_what_was_not_told_yet_is_when_the_worker_ends(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from tests.handlers.telemetry.test_recorder import Told\n"
        f"told = Told('ends', Path({str(tmp_path)!r}), per_second=2)\n"
        "told.telemetry.start()\n"
        "told.answer(*[(b'1', {})] * 5)\n"
        "import atexit\n"
        "atexit._run_exitfuncs()\n"
        "assert told.sample('shopcat_requests_total', status='200') == 5\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    written = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line.get("left_out") for line in written] == [3, None]


def test_stages_are_a_batchs_and_the_total_each_requests_own(tmp_path: Path) -> None:
    told = Told("stages", tmp_path)
    early, later = (str(int((time.time() - ago) * 1e6)) for ago in (2.0, 0.5))
    told.answer((b"1", {"x-request-start": early}), (b"2", {"x-request-start": later}))
    told.telemetry.tell()
    for stage, count in {"parse": 1, "encode": 1, "queue": 2, "total": 2, "explain": 0}.items():
        assert told.sample("shopcat_stage_seconds_count", stage=stage) == count, stage
    assert told.sample("shopcat_stage_seconds_sum", stage="total") == pytest.approx(2.5, abs=0.3)
    assert told.sample("shopcat_stage_seconds_sum", stage="queue") == pytest.approx(2.5, abs=0.3)
    assert [line["seconds"]["total"] for line in told.lines()] == pytest.approx([2.0, 0.5], abs=0.15)


@pytest.mark.parametrize("start", ["soon", "", "-5", "1e6", "5", str(10**30), "9" * 5000, "²", "٣"])
def test_a_start_that_is_none_or_in_the_future_makes_no_negative_time(tmp_path: Path, start: str) -> None:
    told = Told(f"start {start[:40]}", tmp_path)
    told.answer((b"1", {"x-request-start": start}))
    told.telemetry.tell()
    assert 0 <= told.sample("shopcat_stage_seconds_sum", stage="total") < 1
    assert told.sample("shopcat_stage_seconds_count", stage="total") == 1


def test_an_audit_line_has_what_an_auditor_asks_for_and_no_content(tmp_path: Path) -> None:
    told = Told("audit", tmp_path)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told.answer((b"a photo", {"x-request-id": "theirs", "traceparent": trace}), (b"bad", {"x-request-id": "x" * 500}))
    told.telemetry.tell()
    good, bad = told.lines()
    assert (good["id"], good["traceparent"], good["model"], good["version"]) == ("theirs", trace, "audit", "1")
    assert (good["bytes_in"], good["bytes_out"], good["batch"], good["warnings"]) == (7, 2, 2, {})
    assert set(good["seconds"]) >= {"parse", "encode", "total"}
    now = dt.datetime.now(dt.UTC)
    assert now - dt.timedelta(minutes=1) < dt.datetime.fromisoformat(good["time"]) <= now
    assert bad["problem"].endswith("malformed-request")
    assert len(bad["id"]) <= 128
    assert "a photo" not in told.file.read_text()


def test_a_client_without_a_front_door_before_it_spells_headers_as_it_likes(tmp_path: Path) -> None:
    told = Told("spelt", tmp_path)
    told.answer((b"1", {"X-Request-ID": "theirs", "Traceparent": "00-4bf9-00f0-01"}))
    told.telemetry.tell()
    (line,) = told.lines()
    assert (line["id"], line["traceparent"]) == ("theirs", "00-4bf9-00f0-01")


def test_without_an_id_of_the_clients_torchserves_is_named(tmp_path: Path) -> None:
    told = Told("named", tmp_path)
    told.answer((b"1", {}), (b"2", {}))
    told.telemetry.tell()
    assert [line["id"] for line in told.lines()] == ["ts-0", "ts-1"]


def test_a_count_that_fails_is_no_clients_business(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = Told("fails", tmp_path)
    told.telemetry._count = lambda *_: 1 / 0  # type: ignore[assignment,return-value]
    told.answer((b"1", {}))
    told.telemetry.tell()
    assert "not all is counted" in caplog.text
    assert told.sample("shopcat_requests_total", status="200") == 1


def test_a_line_that_can_not_be_made_or_written_is_no_clients_business(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = Told("no line", tmp_path)
    told.telemetry._describe = lambda _: 1 / 0  # type: ignore[assignment,return-value]
    told.answer((b"1", {}))
    assert "not all is told of it" in caplog.text
    told.telemetry._describe = lambda _: {"warnings": object()}
    told.answer((b"2", {}))
    told.telemetry.tell()
    assert "could not be written" in caplog.text
    told.telemetry._describe = lambda _: {}
    told.answer((b"3", {}))
    told.telemetry.tell()
    assert [line["id"] for line in told.lines()] == ["ts-0"]
    assert told.sample("shopcat_requests_total", status="200") == 3
