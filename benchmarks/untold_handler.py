"""The sales handler without what it tells of its answers: no metrics, no audit log. See telemetry_cost.py."""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.batch import answer_batch
from handlers.context import Context
from handlers.sales import SalesHandler, read


class UntoldHandler(SalesHandler):
    """Answers the same."""

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch."""
        return answer_batch(data, context, parse=read, run=self.forecaster.answer)
