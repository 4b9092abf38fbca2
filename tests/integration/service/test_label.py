"""`shopcat label` with its service: from a folder to a project whose photos are embedded, and its end."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.ports import HOST, Ports
from tests.integration.waiting import until
from tests.pets.fake_classifier import BUNDLE
from tests.training.pets.drawn import draw_photos

pytestmark = pytest.mark.integration


def test_from_a_folder_to_the_page_of_its_project(tmp_path: Path) -> None:
    folder, ports, log = draw_photos(tmp_path / "photos", photos=4), Ports.any_free(), tmp_path / "output"
    label = [sys.executable, "-m", "cli", "label", str(folder), "--bundle", str(BUNDLE), "--name", "Three breeds"]
    label += ["--data", str(tmp_path / "data"), "--port", str(ports.inference), "--metrics-port", str(ports.metrics)]
    environment = os.environ | {
        "SHOPCAT_SERVE_LOG_FORMAT": "text",
        "SHOPCAT_SERVE_MODEL_STORE": str(tmp_path / "store"),
        "SHOPCAT_SERVE_IDLE_AT_STOP": "0",
    }
    with log.open("w") as output:
        service = subprocess.Popen(label, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        ready = until(lambda: "Ctrl-C stops it" in log.read_text() or service.poll() is not None, 120)
        assert ready, log.read_text()
        url = f"http://{HOST}:{ports.inference}"
        page = f"{url}/console/label?project=three-breeds"
        assert log.read_text().endswith(f"open {page} in a browser\nCtrl-C stops it.\n"), log.read_text()
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert answer.status == 200

        def project() -> Any:
            with urllib.request.urlopen(f"{url}/labels/three-breeds", timeout=10) as answer:
                return json.load(answer)

        assert until(lambda: project()["progress"]["finished"], 300), project()
        assert (project()["photos"], project()["progress"]["embedded"]) == (12, 12)

        # The same command again: the service goes on, and looks at the new photos.
        draw_photos(tmp_path / "more", photos=5)
        (tmp_path / "more").rename(folder / "more")
        again = subprocess.run(label, capture_output=True, text=True, env=environment, timeout=60)
        assert again.returncode == 0, again.stderr
        assert again.stdout.endswith(f"a service with this data runs already: open {page} in a browser\n")
        assert until(lambda: project()["progress"]["embedded"] == project()["photos"] == 15, 300), project()

        children = psutil.Process(service.pid).children(recursive=True)
        service.send_signal(signal.SIGINT)
        assert service.wait(60) == 0
        assert until(lambda: not any(child.is_running() for child in children))
    finally:
        service.kill()
        service.wait()
