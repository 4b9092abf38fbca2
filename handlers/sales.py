"""Forecasts in a worker."""

import json
from datetime import timedelta
from pathlib import Path

from handlers.http import Request
from handlers.telemetry.sales import ForecastObserver
from sales.forecaster import Forecaster
from schemas.sales.parse import ForecastRequest, parse_request


class SalesHandler:
    """Handler of a worker that forecasts."""

    def __init__(self, bundle: Path, *, device: str, threads: int = 1) -> None:
        self.model, self.observer = Forecaster.load(bundle, device=device, threads=threads), ForecastObserver()

    @staticmethod
    def parse(request: Request) -> ForecastRequest:
        """Parse a request; raise `ProblemError` if it is invalid."""
        return parse_request(request.body(), explain=request.explain)

    def first_request(self) -> Request:
        """Return a request for the first store and the first day."""
        day = self.model.cutoff + timedelta(days=1)
        store = self.model.model.panel.store_ids[0]
        return Request({"body": json.dumps({"store": store, "date": str(day)}).encode()})


HANDLER = SalesHandler
