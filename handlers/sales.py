"""TorchServe's entry point for forecasts.

TorchServe takes the one class that is defined in this module, so there must be no second.
"""

import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from handlers import wire
from handlers.batch import Context, Sent, answer_batch
from sales.forecaster import Forecaster
from schemas.sales import ForecastRequest, parse_request


class SalesHandler:
    """A worker's forecaster."""

    def initialize(self, context: Context) -> None:
        """Load the bundle of the archive. TorchServe calls it once, before the worker is ready."""
        # TorchServe writes two lines for each batch from here. Without them there is room for half as many again.
        logging.getLogger().setLevel(logging.WARNING)
        wire.read_in_one_go()
        properties = context.system_properties
        gpu = properties.get("gpu_id")
        device = "cpu" if gpu is None else f"cuda:{gpu}"
        # Loading runs the bundle's golden rows, so the first client does not pay for the network's first run.
        self.forecaster = Forecaster.load(Path(properties["model_dir"], "bundle").resolve(), device=device)
        # What is loaded stays; the garbage collector need not walk it again while clients wait.
        gc.collect()
        gc.freeze()

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch of requests."""
        return answer_batch(data, context, parse=_parse, run=self.forecaster.answer)


def _parse(sent: Sent) -> ForecastRequest:
    return parse_request(sent.body())
