"""TorchServe's entry point for forecasts.

TorchServe uses the only class that this module defines, so the module must not define a second one.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from handlers.batch import HttpRequest, answer_batch
from handlers.context import BatchContext, WorkerContext
from handlers.telemetry.sales import ForecastObserver
from handlers.worker import load_model, warm_up
from sales.forecaster import Forecaster
from schemas.sales.parse import ForecastRequest, parse_request


class SalesHandler:
    """Handler of a worker that forecasts."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the archive's bundle. TorchServe calls it once, before the worker is ready."""
        self.forecaster, self.telemetry, self.safeguards = load_model(context, Forecaster.load, ForecastObserver())
        store = self.forecaster.model.panel.store_ids[0]
        body = json.dumps({"store": store, "date": str(self.forecaster.cutoff + timedelta(days=1))}).encode()
        warm_up(context, self.forecaster, self.telemetry, self.safeguards, self.handle, {"body": body})

    def handle(self, data: Sequence[Mapping[str, Any]], context: BatchContext) -> list[bytes]:
        """Answer a batch of requests."""
        return answer_batch(
            data,
            context,
            parse=parse,
            run=self.forecaster.predict,
            telemetry=self.telemetry,
            safeguards=self.safeguards,
        )


def parse(request: HttpRequest) -> ForecastRequest:
    """Parse a request; raise `ProblemError` if it is invalid."""
    return parse_request(request.body(), explain=request.explain)
