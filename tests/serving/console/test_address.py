"""serving.console.address: a command finds the service that uses a data folder."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from serving.console.address import announced, running_service

URL = "http://127.0.0.1:8080"


def test_a_service_is_found_as_long_as_it_runs(tmp_path: Path) -> None:
    assert running_service(tmp_path / "missing") is None
    with announced(tmp_path) as announce:
        announce(URL)
        assert running_service(tmp_path) == URL
        assert (tmp_path / "service").stat().st_mode & 0o777 == 0o600
        with announced(tmp_path) as second:  # another service with the same data
            second("http://127.0.0.1:9090")
            assert running_service(tmp_path) == URL
    assert running_service(tmp_path) is None


def test_a_service_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    with announced(tmp_path) as announce:
        assert running_service(tmp_path, seconds=0.2) is None
        found: list[str | None] = []
        waiting = threading.Thread(target=lambda: found.append(running_service(tmp_path)))
        waiting.start()
        announce(URL)
        waiting.join()
    assert found == [URL]


@pytest.mark.integration
def test_a_killed_service_is_none(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from serving.console.address import announced\n"
        "with announced(Path(sys.argv[1])) as announce: announce('http://x'); print(1, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert running_service(tmp_path) == "http://x"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert running_service(tmp_path) is None
