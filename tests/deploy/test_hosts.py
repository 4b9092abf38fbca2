"""The shared Envoy of several hosts: it accepts its configuration, which agrees with that of a host."""

import json
import os
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.problems import Problem
from serving.gateway.config import HEADERS_KB, MAX_BODY, Timeouts
from serving.gateway.envoy import VERSION, find_envoy

ROOT = Path(__file__).parents[2]
HOSTS = ROOT / "deploy/hosts"
TEXT = (HOSTS / "envoy.yaml").read_text()
CONFIG = yaml.safe_load(TEXT)
MANAGER = CONFIG["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
EVERYONE = MANAGER["route_config"]["virtual_hosts"][0]
ROUTE = EVERYONE["routes"][0]["route"]
CLUSTER = CONFIG["static_resources"]["clusters"][0]


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_envoy_accepts_the_files(tmp_path: Path) -> None:
    folder = shutil.copytree(HOSTS, tmp_path / "hosts")
    command = [str(find_envoy()), "--mode", "validate", "-c", "envoy.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert "configuration 'envoy.yaml' OK" in done.stdout + done.stderr
    assert f"Envoy {VERSION} before" in TEXT


def test_its_problems_are_those_of_the_hosts() -> None:
    for mapper in MANAGER["local_reply_config"]["mappers"]:
        status = mapper["filter"]["status_code_filter"]["comparison"]["value"]["default_value"]
        body = json.loads(mapper["body_format_override"]["text_format_source"]["inline_string"])
        problem = Problem.of(body["type"].rpartition(":")[2], body["detail"])
        assert body == json.loads(problem.to_json())
        assert status == body["status"]
        assert (status == 503) == any(
            added["header"]["key"] == "retry-after" for added in mapper.get("headers_to_add", ())
        )


def test_its_limits_and_times_suit_those_of_a_host() -> None:
    buffer = next(filter_ for filter_ in MANAGER["http_filters"] if filter_["name"] == "envoy.filters.http.buffer")
    assert EVERYONE["request_body_buffer_limit"] == buffer["typed_config"]["max_request_bytes"] == MAX_BODY
    assert MANAGER["max_request_headers_kb"] <= HEADERS_KB
    options = CLUSTER["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
    assert seconds(options["common_http_protocol_options"]["idle_timeout"]) < Timeouts.idle
    longest = max(
        yaml.safe_load(path.read_text())["responseTimeout"]
        for path in (ROOT / "serving/archives/settings").glob("*.yaml")
    )
    assert seconds(ROUTE["timeout"]) > longest + 5


class Clusters(BaseHTTPRequestHandler):
    """Envoy's administration: the hosts of the server are healthy, except for those in its file `away`."""

    server: "Administration"

    def do_GET(self) -> None:
        away = self.server.away.read_text().split() if self.server.away.exists() else []
        lines = [
            f"hosts::{host}:8080::health_flags::{'/failed_active_hc' if host in away else 'healthy'}\n"
            for host in self.server.hosts
        ]
        self.send_response(200)
        self.end_headers()
        self.wfile.write("".join(["hosts::observability_name::hosts\n", *lines]).encode())

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_: object) -> None:
        pass


class Administration(socketserver.ThreadingUnixStreamServer):
    """Stand-in for Envoy's administration socket in a folder."""

    def __init__(self, folder: Path, hosts: list[str]) -> None:
        self.away, self.hosts = folder / "away", hosts
        super().__init__(str(folder / "admin.sock"), Clusters)


@pytest.fixture
def envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Administration]:
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    monkeypatch.chdir(tmp_path)  # a short name: the path of a socket has at most 107 bytes
    with Administration(Path(), ["a", "b", "c"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def roll(folder: Path, command: str, environment: Mapping[str, str] = {}) -> Any:
    """Restart the hosts a, b and c with a shell command, which gets the host as $1."""
    restart = folder / "restart"
    restart.write_text(f"#!/bin/sh\n{command}\n")
    restart.chmod(0o755)
    return subprocess.run(
        [HOSTS / "roll.sh", "./restart", "a", "b", "c"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "WAIT_S": "0", **environment},
    )


def test_a_roll_restarts_each_host_in_turn(envoy: Administration, tmp_path: Path) -> None:
    done = roll(tmp_path, 'echo "$1" >> restarted')
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "restarted").read_text().split() == ["a", "b", "c"]


def test_a_roll_in_another_folder_restarts_nothing(tmp_path: Path) -> None:
    done = roll(tmp_path, 'echo "$1" >> restarted')
    assert done.returncode == 2
    assert "has no admin.sock" in done.stderr
    assert not (tmp_path / "restarted").exists()


def test_a_roll_needs_a_command_and_hosts() -> None:
    done = subprocess.run([HOSTS / "roll.sh", "10.0.0.11"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "usage: roll.sh COMMAND HOST...\n")


def test_a_roll_begins_with_healthy_hosts_only(envoy: Administration, tmp_path: Path) -> None:
    envoy.away.write_text("c")
    done = roll(tmp_path, 'echo "$1" >> restarted')
    assert done.returncode == 1
    assert "nothing was restarted" in done.stderr
    assert not (tmp_path / "restarted").exists()


def test_a_roll_ends_at_a_host_that_does_not_come_back(envoy: Administration, tmp_path: Path) -> None:
    done = roll(tmp_path, 'echo "$1" >> restarted; test "$1" != b || echo b > away')
    assert done.returncode == 1
    assert "b is not healthy after its restart" in done.stderr
    assert (tmp_path / "restarted").read_text().split() == ["a", "b"]


def test_a_roll_ends_at_a_restart_that_fails(envoy: Administration, tmp_path: Path) -> None:
    done = roll(tmp_path, 'echo "$1" >> restarted; exit 7')
    assert done.returncode == 7
    assert (tmp_path / "restarted").read_text().split() == ["a"]
