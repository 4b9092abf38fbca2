"""The handler of TorchServe, with telemetry for requests of plain ``application/json`` alone.

`benchmarks.telemetry_cost` measures it.
"""

from collections.abc import Sequence

from handlers.batch import AnsweredBatch, answer_batch
from handlers.http import Request
from handlers.torchserve.handler import TorchServeHandler


class InTurnsHandler(TorchServeHandler):
    """Give the same answers, with and without metrics and request log."""

    def answer(self, requests: Sequence[Request]) -> AnsweredBatch:
        """Answer a batch of requests with one content type; it decides whether the batch is recorded."""
        recorded = requests[0].header(b"content-type") in ("", "application/json")  # "": the worker's first request
        return answer_batch(
            requests,
            parse=self.worker.handler.parse,
            run=self.worker.handler.predict,
            telemetry=self.worker.telemetry if recorded else None,
            safeguards=self.worker.safeguards,
        )
