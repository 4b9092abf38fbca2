"""The sales handler, with telemetry for requests of plain ``application/json`` alone.

`benchmarks.telemetry_cost` measures it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.batch import answer_batch
from handlers.context import BatchContext
from handlers.sales import SalesHandler, parse


class InTurnsHandler(SalesHandler):
    """Give the same answers, with and without metrics and request log."""

    def handle(self, data: Sequence[Mapping[str, Any]], context: BatchContext) -> list[bytes]:
        """Answer a batch of requests with one content type; it decides whether the batch is recorded."""
        content_type = context.get_request_header(0, "content-type") or context.get_request_header(0, "Content-Type")
        telemetry = (
            self.telemetry if content_type in (None, "application/json") else None
        )  # None: the worker's warm-up request
        return answer_batch(
            data,
            context,
            parse=parse,
            run=self.forecaster.predict,
            telemetry=telemetry,
            safeguards=self.safeguards,
        )
