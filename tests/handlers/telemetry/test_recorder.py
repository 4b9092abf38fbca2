"""handlers.telemetry.recorder: metrics and request-log lines of batches, after their responses."""

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

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.telemetry.metrics import STAGES
from handlers.telemetry.recorder import Telemetry
from handlers.telemetry.request_log import RequestLog
from schemas.problems import Problem, ProblemError

ROOT = Path(__file__).parents[3]


class Answer:
    def to_json(self) -> bytes:
        return b"{}"


def parse(request: Request) -> bytes:
    if request.body() == b"bad":
        raise ProblemError(Problem.of("malformed-request", "bad"))
    return request.body()


class Worker:
    """A worker with its telemetry, which observes its answers itself."""

    def __init__(self, model: str, folder: Path, *, per_second: float = 20, **options: Any) -> None:
        self.model, self.file, self.counted = model, folder / "requests.jsonl", [0]
        request_log = RequestLog(self.file, per_second)
        self.telemetry = Telemetry(model, "1", self, request_log=request_log, **options)

    def summarize(self, answers: Sequence[Answer]) -> int:
        return len(answers)

    def count(self, model: str, summaries: Sequence[int]) -> None:
        assert model == self.model
        self.counted.append(sum(summaries))

    def log_fields(self, answer: Answer) -> dict[str, Any]:
        return {"warnings": {}}

    def answer(self, *bodies_and_headers: tuple[bytes, dict[str, str]]) -> None:
        requests = []
        for index, (body, headers) in enumerate(bodies_and_headers):
            encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
            requests.append(Request({"body": body}, encoded, server_id=b"server-%d" % index))

        def run(requests: Sequence[bytes]) -> list[Answer | Problem]:
            if b"bug" in requests:
                raise RuntimeError("a bug")
            return [Answer() for _ in requests]

        responses, finish = answer_batch(requests, parse=parse, run=run, telemetry=self.telemetry)
        self.bodies = [response.body for response in responses]
        finish()

    def sample(self, name: str, **labels: str) -> float:
        client = {"client": labels.pop("client", "")} if name == "shopcat_requests_total" else {}
        return REGISTRY.get_sample_value(name, {"model": self.model, **client, **labels}) or 0.0

    def worked_seconds(self) -> float:
        """Return the seconds of all batches without the queue."""
        return sum(self.sample("shopcat_stage_seconds_sum", stage=stage) for stage in STAGES[1:-1])

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()]


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_flush_counts_and_writes_each_batch_once(tmp_path: Path) -> None:
    worker = Worker("before", tmp_path)
    worker.answer((b"1", {}), (b"bad", {}), (b"2", {}))
    assert (worker.lines(), worker.sample("shopcat_requests_total", status="200")) == ([], 0)
    worker.telemetry.flush()
    worker.telemetry.flush()
    assert worker.sample("shopcat_requests_total", status="200") == 2
    assert worker.sample("shopcat_requests_total", status="400") == 1
    assert worker.sample("shopcat_batch_size_sum") == 3
    assert worker.sample("shopcat_batch_size_count") == 1
    assert worker.counted == [0, 2]
    assert [line["status"] for line in worker.lines()] == [200, 400, 200]


def test_no_request_is_lost_or_counted_twice_while_requests_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker("load", tmp_path)
    monkeypatch.setattr("handlers.telemetry.recorder._FLUSH_INTERVAL_S", 0.0001)
    worker.telemetry.start()
    n_requests = 4000
    for _ in range(n_requests // 2):
        worker.answer((b"1", {}), (b"2", {}))
    worker.telemetry.flush()
    assert worker.sample("shopcat_requests_total", status="200") == n_requests
    assert worker.sample("shopcat_batch_size_sum") == n_requests


def test_metrics_do_not_wait_for_a_request_log_without_a_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of lines in memory is limited too."""
    monkeypatch.setattr("handlers.telemetry.request_log.MAX_WAITING", 200)
    os.mkfifo(tmp_path / "requests.jsonl")
    reader = os.open(tmp_path / "requests.jsonl", os.O_RDONLY | os.O_NONBLOCK)
    filler = os.open(tmp_path / "requests.jsonl", os.O_WRONLY | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.write(filler, b"{}\n"):
            pass
    worker = Worker("pipe", tmp_path, per_second=1e9)
    worker.telemetry.start()
    n_requests = 3000
    for _ in range(n_requests):
        worker.answer((b"1", {}))
    wait_for(lambda: worker.sample("shopcat_requests_total", status="200") == n_requests)
    got = b""

    def all_is_written() -> bool:
        nonlocal got
        with contextlib.suppress(BlockingIOError):
            got += os.read(reader, 1 << 20)
        lines = [json.loads(line) for line in got[: got.rfind(b"\n")].splitlines()]
        return bool(sum(("id" in line) + line.get("left_out", 0) for line in lines) == n_requests)

    wait_for(all_is_written)
    assert got.count(b'"id"') <= 201


def test_a_batch_is_recorded_when_it_is_finished(tmp_path: Path) -> None:
    """The server finishes it after it has sent the responses, so that no client waits."""
    worker = Worker("finished", tmp_path)
    _, finish = answer_batch(
        [Request({"body": b"1"})], parse=parse, run=lambda _: [Answer()], telemetry=worker.telemetry
    )
    worker.telemetry.flush()
    assert worker.sample("shopcat_requests_total", status="200") == 0
    finish()
    worker.telemetry.flush()
    assert worker.sample("shopcat_requests_total", status="200") == 1


def test_a_started_worker_flushes_regularly(tmp_path: Path) -> None:
    worker = Worker("itself", tmp_path)
    worker.telemetry.start()
    worker.answer((b"1", {}))
    wait_for(lambda: worker.sample("shopcat_requests_total", status="200") == 1 and len(worker.lines()) == 1)


def test_the_end_of_the_process_flushes(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from tests.handlers.telemetry.test_recorder import Worker\n"
        f"worker = Worker('ends', Path({str(tmp_path)!r}), per_second=2)\n"
        "worker.telemetry.start()\n"
        "worker.answer(*[(b'1', {})] * 5)\n"
        "import atexit\n"
        "atexit._run_exitfuncs()\n"
        "assert worker.sample('shopcat_requests_total', status='200') == 5\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
    written = [json.loads(line) for line in (tmp_path / "requests.jsonl").read_text().splitlines()]
    assert [line.get("left_out") for line in written] == [3, None]


def test_stages_count_batches_and_the_total_counts_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("stages", tmp_path)
    now = 1_700_000_000
    monkeypatch.setattr("handlers.batch.time.time", lambda: now)
    early, later = (str(int((now - ago) * 1e6)) for ago in (2.0, 0.5))
    worker.answer((b"1", {"x-request-start": early}), (b"2", {"x-request-start": later}))
    worker.telemetry.flush()
    for stage, count in {"parse": 1, "encode": 1, "queue": 2, "total": 2, "explain": 0}.items():
        assert worker.sample("shopcat_stage_seconds_count", stage=stage) == count, stage
    worked = worker.worked_seconds()
    assert worker.sample("shopcat_stage_seconds_sum", stage="total") == pytest.approx(2.5)
    assert worker.sample("shopcat_stage_seconds_sum", stage="queue") == pytest.approx(2.5 - 2 * worked)
    assert [line["seconds"]["total"] for line in worker.lines()] == pytest.approx([2.0, 0.5])


@pytest.mark.parametrize("start", ["soon", "", "-5", "1e6", "5", str(10**30), "9" * 5000, "²", "٣"])
def test_a_forged_start_time_counts_as_no_time_in_the_queue(tmp_path: Path, start: str) -> None:
    worker = Worker(f"start {start[:40]}", tmp_path)
    worker.answer((b"1", {"x-request-start": start}))
    worker.telemetry.flush()
    assert worker.sample("shopcat_stage_seconds_sum", stage="queue") == 0
    assert worker.sample("shopcat_stage_seconds_sum", stage="total") == pytest.approx(worker.worked_seconds(), abs=1e-8)
    assert worker.sample("shopcat_stage_seconds_count", stage="total") == 1


def test_a_request_log_line_describes_the_request_without_its_content(tmp_path: Path) -> None:
    worker = Worker("logged", tmp_path)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    worker.answer((b"a photo", {"x-request-id": "theirs", "traceparent": trace}), (b"bad", {"x-request-id": "x" * 500}))
    worker.telemetry.flush()
    good, bad = worker.lines()
    assert (good["id"], good["traceparent"], good["model"], good["version"]) == ("theirs", trace, "logged", "1")
    assert (good["bytes_in"], good["bytes_out"], good["batch"], good["warnings"]) == (7, 2, 2, {})
    assert set(good["seconds"]) >= {"parse", "encode", "total"}
    now = dt.datetime.now(dt.UTC)
    assert now - dt.timedelta(minutes=1) < dt.datetime.fromisoformat(good["time"]) <= now
    assert bad["problem"].endswith("malformed-request")
    assert len(bad["id"]) <= 128
    assert "a photo" not in worker.file.read_text()


def test_an_error_of_the_observer_costs_no_other_metric(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("fails", tmp_path)
    worker.count = lambda *_: 1 / 0  # type: ignore[method-assign,assignment]
    worker.answer((b"1", {}))
    worker.telemetry.flush()
    assert "metrics of 1 batches are incomplete" in caplog.text
    assert worker.sample("shopcat_requests_total", status="200") == 1


def test_an_error_in_a_line_costs_no_other_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("no line", tmp_path)
    worker.log_fields = lambda _: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    worker.answer((b"1", {}))
    assert "telemetry of a batch is incomplete" in caplog.text
    worker.log_fields = lambda _: {"warnings": object()}  # type: ignore[method-assign,assignment]
    worker.answer((b"2", {}))
    worker.telemetry.flush()
    assert "could not be written" in caplog.text
    worker.log_fields = lambda _: {}  # type: ignore[method-assign,assignment]
    worker.answer((b"3", {}))
    worker.telemetry.flush()
    assert [line["id"] for line in worker.lines()] == ["server-0"]
    assert worker.sample("shopcat_requests_total", status="200") == 3


def test_all_records_of_an_internal_error_have_the_same_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker("ids", tmp_path)
    worker.answer((b"bug", {"x-request-id": "theirs"}), (b"1", {}))
    worker.telemetry.flush()
    body = json.loads(worker.bodies[0])
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    failed, answered = worker.lines()
    assert {body["request_id"], failed["id"], vars(record)["request_id"]} == {"theirs"}
    assert {failed["error_id"], vars(record)["error_id"]} == {body["error_id"]}
    assert body["error_id"] in body["detail"]
    assert "error_id" not in answered


def test_the_client_is_in_the_request_log_and_the_metric(tmp_path: Path) -> None:
    worker = Worker("clients", tmp_path)
    worker.answer((b"1", {"x-shopcat-client": "shop"}), (b"bad", {"x-shopcat-client": "shop"}))
    worker.answer((b"1", {"x-shopcat-client": "app"}))
    worker.answer((b"1", {}))
    worker.telemetry.flush()
    assert [line.get("client") for line in worker.lines()] == ["shop", "shop", "app", None]
    counted = [("200", "shop"), ("400", "shop"), ("200", "app"), ("200", "")]
    assert [worker.sample("shopcat_requests_total", status=s, client=client) for s, client in counted] == [1] * 4


def test_the_number_of_clients_in_the_metric_is_bounded(tmp_path: Path) -> None:
    worker = Worker("crowd", tmp_path)
    for number in range(130):
        worker.answer((b"1", {"x-shopcat-client": f"client-{number}"}))
    worker.telemetry.flush()
    assert worker.sample("shopcat_requests_total", status="200", client="client-99") == 1
    assert worker.sample("shopcat_requests_total", status="200", client="other") == 30


def test_without_a_gateway_its_headers_count_for_nothing(tmp_path: Path) -> None:
    worker = Worker("bare", tmp_path, behind_gateway=False)
    start = str(int((time.time() - 3) * 1e6))
    worker.answer((b"1", {"x-request-start": start, "x-shopcat-client": "forged"}))
    worker.telemetry.flush()
    assert worker.sample("shopcat_stage_seconds_count", stage="queue") == 0
    assert worker.sample("shopcat_requests_total", status="200") == 1
    assert "client" not in worker.lines()[0]


@pytest.mark.parametrize("step", [3600.0, 7.0, -7.0, -3600.0])
def test_a_step_of_the_wall_clock_is_no_time_in_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """Requests wait a second. The clock is set after some of them have begun to wait."""
    worker = Worker(f"step {step}", tmp_path, max_queue_s=10.0)
    passed, shift = 0.0, 0.0
    monkeypatch.setattr("runtime.clock.perf_counter", lambda: 50.0 + passed)
    monkeypatch.setattr("handlers.batch.time.time", lambda: 1_700_000_000.0 + passed + shift)

    def ask(waited: float, *, before_step: bool) -> None:
        start = 1_700_000_000.0 + passed - waited + (0.0 if before_step else shift)
        worker.answer((b"1", {"x-request-start": str(int(start * 1e6))}))

    ask(1.0, before_step=True)
    passed, shift = 0.5, step
    ask(1.0, before_step=True)
    passed = 5.0
    ask(1.0, before_step=False)
    passed = 11.0
    ask(1.0, before_step=False)
    worker.telemetry.flush()
    assert worker.sample("shopcat_stage_seconds_count", stage="queue") == 2
    assert worker.sample("shopcat_stage_seconds_sum", stage="queue") == pytest.approx(2.0, abs=1e-3)
    assert worker.sample("shopcat_stage_seconds_count", stage="total") == 4


def test_an_exception_does_not_end_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.telemetry.recorder._FLUSH_INTERVAL_S", 0.001)
    worker, failed = Worker("survives", tmp_path), [0]
    count = worker.telemetry._count_records

    def fail_twice() -> None:
        failed[0] += 1
        if failed[0] <= 2:
            raise RuntimeError("twice")
        count()

    monkeypatch.setattr(worker.telemetry, "_count_records", fail_twice)
    worker.telemetry.start()
    worker.answer((b"1", {}))
    wait_for(lambda: worker.sample("shopcat_requests_total", status="200") == 1)


def test_lines_of_the_request_log_are_a_metric(tmp_path: Path) -> None:
    worker = Worker("lines", tmp_path, per_second=2)
    for _ in range(5):
        worker.answer((b"1", {}))
    worker.answer((b"bad", {}))
    worker.telemetry.flush()
    lines = {
        outcome: worker.sample("shopcat_request_log_lines_total", outcome=outcome)
        for outcome in ("written", "left_out")
    }
    assert lines == {"written": 3, "left_out": 3}
