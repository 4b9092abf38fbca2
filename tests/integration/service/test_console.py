"""The console of a running service: its start, restarts, reload and stop."""

import csv
import http.client
import io
import json
import os
import random
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.ports import HOST
from tests.integration.runners.kinds import PYTHON
from tests.integration.service.shopcat import DAY, Running, load, probe, serving
from tests.integration.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    options = ("--workers", "1", "--data", str(folder / "data"), "--log-format", "text")
    with serving(demo_bundle, folder, PYTHON, *options, console=True) as running:
        yield running


def process(service: Running) -> psutil.Process:
    """Return the process of the console, once it runs."""
    assert until(lambda: service.descendants("-m console"))
    (found,) = service.descendants("-m console")
    return found


def get(service: Running, path: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection(HOST, service.port, timeout=60)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def is_up(service: Running) -> bool:
    return get(service, "/console/session")[0] == 200


def test_the_last_lines_have_an_address_to_open(service: Running) -> None:
    url = f"http://{HOST}:{service.port}/console/"
    assert service.output().endswith(f"open {url} in a browser\nCtrl-C stops it.\n")
    status, headers, _ = get(service, "/")
    assert (status, headers["location"]) == (302, "/console/")
    status, headers, content = get(service, "/console/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"<script" in content


def test_the_contract_lists_the_consoles_addresses(service: Running) -> None:
    paths: dict[str, Any] = json.loads(get(service, "/openapi.json")[2])["paths"]
    assert "/console/session" in paths


def test_its_data_is_for_this_user_alone(service: Running) -> None:
    folder = service.log.parent / "data"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "console.db").stat().st_mode) == 0o600


def test_its_processes_are_counted(service: Running) -> None:
    metrics = service.metrics()
    assert 'shopcat_restarts_total{process="console"}' in metrics
    assert 'shopcat_process_resident_bytes{process="console"}' in metrics


def test_its_death_costs_the_pages_and_nothing_else(service: Running) -> None:
    assert until(lambda: is_up(service))
    with load(service.port, clients=2) as clients:
        victim = process(service)
        victim.send_signal(signal.SIGKILL)
        statuses = set()

        def is_back() -> bool:
            status, headers, content = get(service, "/console/session")
            statuses.add(status)
            if status == 503:
                assert int(headers["retry-after"]) >= 1
                assert json.loads(content)["type"] == "urn:shopcat:problem:unavailable"
            return status == 200 and process(service).pid != victim.pid

        assert until(is_back, 60)
        assert probe(service.metrics_port, "/readyz") == 200
        clients.wait_for_answers(10)
    assert (clients.lost, {*clients.statuses}) == ([], {200})
    assert statuses <= {200, 503}


def test_no_acknowledged_answer_is_lost_when_the_console_is_killed_again_and_again(service: Running) -> None:
    """A client sends true sales one by one, and the console is killed at random moments."""
    assert until(lambda: is_up(service))
    acknowledged: dict[str, float] = {}
    first, done = date(2015, 8, 1), threading.Event()

    def send() -> None:
        number = 0
        while not done.is_set():
            day, sales = str(first + timedelta(days=number % 30)), 1000.0 + number
            body = json.dumps({"items": [{"store": 1 + number // 30 % 10, "date": day, "sales": sales}]})
            with closing(http.client.HTTPConnection(HOST, service.port, timeout=60)) as connection:
                connection.request("POST", "/feedback/sales", body, {"Content-Type": "application/json"})
                try:
                    answer = connection.getresponse()
                    content = answer.read()
                except (http.client.HTTPException, ConnectionError):
                    continue  # the console was killed within its answer, which acknowledges nothing
            if answer.status == 200:
                assert json.loads(content)["rejected"] == 0, content
                acknowledged[f"{1 + number // 30 % 10},{day}"] = sales
            number += answer.status == 200

    thread = threading.Thread(target=send)
    thread.start()
    try:
        for _ in range(3):
            count = len(acknowledged)
            assert until(lambda count=count: len(acknowledged) > count + random.Random(count).randrange(1, 10), 60)
            process(service).send_signal(signal.SIGKILL)
    finally:
        done.set()
        thread.join()
    assert until(lambda: is_up(service), 60)
    _, _, table = get(service, "/feedback/export?model=sales")
    rows = csv.DictReader(io.StringIO(table.decode()))
    stored = {f"{row['store']},{row['date']}": float(row["sales"]) for row in rows}
    assert {key: stored.get(key) for key in acknowledged} == acknowledged


def test_a_console_that_hangs_harms_no_forecast(service: Running) -> None:
    assert until(lambda: is_up(service))
    victim = process(service)
    victim.suspend()
    try:
        with load(service.port, clients=2) as clients:
            clients.wait_for_answers(20)
        assert (clients.lost, {*clients.statuses}) == ([], {200})
        assert probe(service.metrics_port, "/livez") == 200
    finally:
        victim.resume()


def test_a_reload_leaves_it_running_and_tells_it_the_new_bundles(service: Running) -> None:
    assert until(lambda: is_up(service))
    before = process(service).pid

    def bundles() -> dict[str, str]:
        settings = process(service).cmdline()[-1]
        found: dict[str, str] = json.loads(Path(settings).read_text())["bundles"]
        return found

    old = bundles()
    with load(service.port, clients=2) as clients:
        service.process.send_signal(signal.SIGHUP)
        assert until(lambda: "reloaded" in service.output(), 120), service.output()
        assert until(lambda: bundles() != old)
        clients.wait_for_answers(10)
    assert clients.lost == []
    assert old.keys() == bundles().keys()
    assert all((Path(bundle) / "bundle.json").exists() for bundle in bundles().values())
    assert is_up(service)
    assert process(service).pid == before


def test_a_console_that_cannot_start_leaves_the_models_and_is_tried_again(demo_bundle: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "console.db").write_bytes(b"no database, " * 100)
    options = ("--workers", "1", "--data", str(data), "--log-format", "json")
    with serving(demo_bundle, tmp_path, PYTHON, *options, console=True) as service:
        assert "can't be opened yet; the log has the cause" in service.output()
        with closing(http.client.HTTPConnection(HOST, service.port, timeout=60)) as connection:
            connection.request("POST", "/predictions/sales", DAY)
            assert connection.getresponse().status == 200
        assert until(lambda: "console.db can't be used" in service.output())
        (data / "console.db").unlink()
        assert until(lambda: is_up(service), 60)


def test_it_ends_with_the_service(demo_bundle: Path, tmp_path: Path) -> None:
    with serving(demo_bundle, tmp_path, PYTHON, "--workers", "1", console=True) as service:
        found = process(service)
        socket = Path(json.loads(Path(found.cmdline()[-1]).read_text())["socket"])
        assert socket.exists()
        os.kill(service.process.pid, signal.SIGTERM)
        assert service.process.wait(60) == 0
        assert not found.is_running()
        assert not socket.exists()
        assert "ended unexpectedly" not in service.output()
