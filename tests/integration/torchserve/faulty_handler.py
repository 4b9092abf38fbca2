"""The sales handler, with faults that a request's store asks for."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handlers.torchserve.handler import TorchServeHandler

LOST = Path(os.environ.get("SHOPCAT_TEST_FOLDER", "."), "lost")
KILL, LOSE_DEVICE, FAIL, TAKE_MEMORY = 9001, 9002, 9003, 9004


class FaultyHandler(TorchServeHandler):
    """Give the same answers, except to the stores that name a fault."""

    def initialize(self, context: Any) -> None:
        """Load the archive's bundle, and let its predictor fail where a request asks for it."""
        super().initialize(context)
        predict, lost = self.worker.handler.model.predict, list[int]()
        # The tests have no GPU.
        self.worker.safeguards.faults._has_gpu = True

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

        self.worker.handler.model.predict = faulty  # type: ignore[method-assign]
