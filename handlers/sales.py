"""TorchServe's entry point for forecasts.

TorchServe takes the one class that is defined in this module, so there must be no second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.batch import Context, Sent, answer_batch
from handlers.worker import WorkerContext, load_model
from sales.forecaster import Forecaster
from schemas.sales import ForecastRequest, parse_request


class SalesHandler:
    """A worker's forecaster."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the bundle of the archive. TorchServe calls it once, before the worker is ready."""
        self.forecaster = load_model(context, lambda folder, device: Forecaster.load(folder, device=device))

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch of requests."""
        return answer_batch(data, context, parse=_parse, run=self.forecaster.answer)


def _parse(sent: Sent) -> ForecastRequest:
    return parse_request(sent.body())
