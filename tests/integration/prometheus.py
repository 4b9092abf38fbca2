"""A real Prometheus with what is in deploy/, in more of a hurry."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from serving.ports import HOST
from tests.deploy.expressions import DEPLOY

INTERVAL_S = 2  # also how long a scrape may take


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer of the API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str, moment: float | None = None) -> list[dict[str, Any]]:
        """The series of an expression, now or at a moment before; none with NaN, which Grafana doesn't draw."""
        result = self.ask("query", query=expression, time=f"{moment or time.time():.3f}")["result"]
        return [series for series in result if series["value"][1] != "NaN"]


@contextlib.contextmanager
def running_prometheus(program: str, folder: Path, target: int) -> Iterator[Prometheus]:
    """Run one in an empty folder for as long as the block lasts; ``target`` is the port to scrape."""
    for part in ("rules", "targets"):
        shutil.copytree(DEPLOY / part, folder / part)
    config = (DEPLOY / "prometheus.yml").read_text("utf-8").replace("15s", f"{INTERVAL_S}s")
    (folder / "prometheus.yml").write_text(config, "utf-8")
    targets = folder / "targets" / "shopcat.yml"
    targets.write_text(targets.read_text("utf-8").replace("127.0.0.1:8082", f"{HOST}:{target}"), "utf-8")
    with socket.create_server((HOST, 0)) as probe:
        address = f"{HOST}:{probe.getsockname()[1]}"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            until = time.monotonic() + 30
            while not _is_ready(address):
                assert process.poll() is None, log.read_text("utf-8")
                assert time.monotonic() < until, log.read_text("utf-8")
                time.sleep(0.1)
            yield Prometheus(f"http://{address}")
        finally:
            process.kill()


def _is_ready(address: str) -> bool:
    try:
        with urlopen(f"http://{address}/-/ready", timeout=1):
            return True
    except OSError:
        return False
