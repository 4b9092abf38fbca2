"""The sales handler, with faults that a request's store asks for."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handlers.context import WorkerContext
from handlers.sales import SalesHandler

LOST = Path(os.environ.get("SHOPCAT_TEST_FOLDER", "."), "lost")
KILL, LOSE_DEVICE, FAIL, TAKE_MEMORY = 9001, 9002, 9003, 9004


class FaultyHandler(SalesHandler):
    """Give the same answers, except to the stores that name a fault."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the archive's bundle, and let its predictor fail where a request asks for it."""
        super().initialize(context)
        predict, lost = self.forecaster.predict, list[int]()
        # The tests have no GPU.
        self.safeguards.faults._has_gpu = True

        def faulty(requests: Sequence[Any]) -> Any:
            stores = {getattr(item, "store", None) for request in requests for item in request.items}
            if KILL in stores:
                os.kill(os.getpid(), signal.SIGKILL)
            if LOSE_DEVICE in stores and not LOST.exists():  # once, so that another worker answers
                LOST.touch()
                lost.append(1)
            if lost:
                raise RuntimeError("CUDA failure 700: an illegal memory access was encountered")
            if FAIL in stores:
                raise RuntimeError("a fault in the model")
            if TAKE_MEMORY in stores:
                np.ones(8 << 30, np.uint8)
            return predict(requests)

        self.forecaster.predict = faulty  # type: ignore[method-assign]

    def handle(self, data: Sequence[Mapping[str, Any]], context: Any) -> list[bytes]:
        """Answer a batch of requests."""
        return super().handle(data, context)
