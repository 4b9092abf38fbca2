"""The sales handler that tells of its answers only to who calls JSON by its plain name. See telemetry_cost.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.batch import answer_batch
from handlers.context import Context
from handlers.sales import SalesHandler, read


class InTurnsHandler(SalesHandler):
    """Answers the same, with and without metrics and audit log."""

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch, whose requests all name the content type that the first one does."""
        named = context.get_request_header(0, "content-type") or context.get_request_header(0, "Content-Type")
        telemetry = self.telemetry if named in (None, "application/json") else None  # None: the worker's warm-up
        return answer_batch(data, context, parse=read, run=self.forecaster.predict, telemetry=telemetry)
