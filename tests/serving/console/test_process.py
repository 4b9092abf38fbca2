"""serving.console.process: the console beside the workers takes no more threads than it needs."""

from pathlib import Path
from threading import Event

import psutil
import pytest

from serving.console.process import Console, running_console
from serving.process import private_folder

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"])
def test_the_console_computes_with_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name, raising=False)
    with private_folder() as folder:
        Console({"data": str(tmp_path), "gateway": "http://127.0.0.1:8080"}, folder / "console", {})
        with running_console(folder / "console", Event()) as console:
            assert psutil.Process(console.process.pid).environ()[name] == "1"
