"""Faults in a worker's model that a request's store asks for."""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handlers.http import Request
from handlers.worker import Worker

KILL, LOSE_DEVICE, FAIL, TAKE_MEMORY, HANG, BREAK = 9001, 9002, 9003, 9004, 9005, 9006
FOLDER = "SHOPCAT_TEST_FOLDER"  # environment variable: folder for marks of the faults that occur once
ROOT = Path(__file__).parents[3]


def faulty_environment(folder: Path) -> dict[str, str]:
    """Return the environment variables with which each worker installs the faults when it starts."""
    return {"PYTHONPATH": f"{Path(__file__).parent / 'faulty'}{os.pathsep}{ROOT}", FOLDER: str(folder)}


def install() -> None:
    """Let all models that this process will load fail where a request asks for it."""
    load = Worker.__init__

    def load_with_faults(worker: Worker, *arguments: Any, **options: Any) -> None:
        load(worker, *arguments, **options)
        _add_faults(worker)

    Worker.__init__ = load_with_faults  # type: ignore[method-assign]


def _add_faults(worker: Worker) -> None:
    predict, lost = worker.handler.model.predict, list[int]()
    worker.safeguards.faults._has_gpu = True  # the tests have no GPU

    def faulty(requests: Sequence[Any]) -> Any:
        stores = {getattr(item, "store", None) for request in requests for item in request.items}
        if KILL in stores:
            os.kill(os.getpid(), signal.SIGKILL)
        if LOSE_DEVICE in stores and _is_first("lost"):
            lost.append(1)
        if lost:
            raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")
        if HANG in stores and _is_first("hung"):
            while True:
                time.sleep(1)
        if FAIL in stores:
            raise RuntimeError("a fault in the model")
        if TAKE_MEMORY in stores:
            np.ones(8 << 30, np.uint8)
        return predict(requests)

    worker.handler.model.predict = faulty  # type: ignore[method-assign]
    begin = worker.telemetry.begin

    def broken(requests: Sequence[Request]) -> None:
        if any(str(BREAK).encode() in request.body() for request in requests) and _is_first("broken"):
            raise RuntimeError("a fault outside of the model")
        begin(requests)

    worker.telemetry.begin = broken  # type: ignore[method-assign]


def _is_first(name: str) -> bool:
    """Return True once, so that another worker answers."""
    mark = Path(os.environ[FOLDER], name)
    is_first = not mark.exists()
    mark.touch()
    return is_first
