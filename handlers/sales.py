"""Forecasts in a worker."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from handlers.http import Request
from handlers.telemetry.sales import ForecastObserver
from handlers.worker_settings import receipt_key
from runtime.receipts import sign
from sales.answers.claims import sales_claims
from sales.forecaster import Answer, Forecaster
from schemas.problems import Problem
from schemas.sales.options import no_receipts
from schemas.sales.parse import ForecastRequest, parse_request


class SalesHandler:
    """Handler of a worker that forecasts."""

    def __init__(self, bundle: Path, *, device: str, threads: int = 1) -> None:
        self.model, self.observer = Forecaster.load(bundle, device=device, threads=threads), ForecastObserver()
        self._key = receipt_key()

    def parse(self, request: Request) -> ForecastRequest:
        """Parse a request; raise `ProblemError` if it is invalid."""
        parsed = parse_request(request.body(), explain=request.explain)
        if parsed.options.receipt and self._key is None:
            raise no_receipts()
        return parsed

    def predict(self, requests: Sequence[ForecastRequest]) -> list[Answer]:
        """Answer requests together, with receipts for those that ask for one."""
        answers = self.model.predict(requests)
        if self._key is not None:
            for request, answer in zip(requests, answers, strict=True):
                if request.options.receipt and not isinstance(answer, Problem):
                    answer.receipt = sign(sales_claims(self.model, answer).to_sign(), self._key)
        return answers

    def first_request(self) -> Request:
        """Return a request for the first store and the first day."""
        day = self.model.cutoff + timedelta(days=1)
        store = self.model.model.panel.store_ids[0]
        return Request({"body": json.dumps({"store": store, "date": str(day)}).encode()})


HANDLER = SalesHandler
