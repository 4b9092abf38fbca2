"""The stop of workers in Python without a gateway: they answer what they have accepted, or end at a second signal."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from serving.ports import HOST, Ports
from tests.integration.runners.test_lifecycle import PROGRAM, ROOT
from tests.integration.service.shopcat import probe
from tests.integration.waiting import until

pytestmark = pytest.mark.integration

BODY = json.dumps({"store": 1, "date": "2015-08-05"}).encode()
HEAD = b"POST /predictions/sales HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.fixture
def port() -> int:
    return Ports.any_free().inference


@pytest.fixture
def process(archived: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """A process that serves a model with one worker."""
    command = [sys.executable, "-c", PROGRAM, "python", str(archived), str(port), str(Ports.any_free().metrics)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["starting\n", "ready\n"]
        yield process
        process.kill()


def is_closed(port: int) -> bool:
    """Return True if the port accepts no connections."""
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) != 0


def test_accepted_requests_and_those_on_open_connections_are_answered(
    process: "subprocess.Popen[str]", port: int
) -> None:
    with (
        closing(http.client.HTTPConnection(HOST, port, timeout=30)) as connection,
        socket.create_connection((HOST, port), timeout=30) as begun,
    ):
        begun.sendall(HEAD + BODY[:5])
        connection.request("POST", "/predictions/sales", BODY)
        assert connection.getresponse().read()
        process.send_signal(signal.SIGTERM)
        assert until(lambda: is_closed(port))
        connection.request("POST", "/predictions/sales", BODY)
        response = connection.getresponse()
        assert (response.status, response.getheader("connection")) == (200, "close")
        response.read()
        begun.sendall(BODY[5:])
        assert begun.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (0, "")


def test_a_second_signal_ends_the_wait_for_a_slow_client(process: "subprocess.Popen[str]", port: int) -> None:
    with socket.create_connection((HOST, port), timeout=30) as begun:
        begun.sendall(HEAD + BODY[:5])
        process.send_signal(signal.SIGINT)
        assert until(lambda: is_closed(port))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)  # the client may take 40 seconds
    assert (process.returncode, stderr) == (0, "")


def test_a_service_that_drains_is_not_ready(archived: Path, port: int) -> None:
    """An ingress stops sending requests to it."""
    metrics = Ports.any_free().metrics
    command = [sys.executable, "-c", PROGRAM, "python", str(archived), str(port), str(metrics)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["starting\n", "ready\n"]
        assert until(lambda: probe(metrics, "/readyz") == 200)
        with socket.create_connection((HOST, port), timeout=30) as begun:
            begun.sendall(HEAD + BODY[:5])
            process.send_signal(signal.SIGTERM)
            assert until(lambda: is_closed(port))
            assert probe(metrics, "/readyz") == 503
            assert probe(metrics, "/livez") == 200
        process.wait(30)
