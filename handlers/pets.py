"""TorchServe's entry point for the breeds of pets.

TorchServe takes the one class that is defined in this module, so there must be no second.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.batch import Context, Sent, answer_batch
from handlers.worker import WorkerContext, load_model
from pets.classifier import Classifier, Query
from schemas.pets import parse_request


class PetsHandler:
    """A worker's classifier."""

    def initialize(self, context: WorkerContext) -> None:
        """Load the bundle of the archive. TorchServe calls it once, before the worker is ready."""
        self.classifier = load_model(context, lambda folder, device: Classifier.load(folder, device=device))

    def handle(self, data: Sequence[Mapping[str, Any]], context: Context) -> list[bytes]:
        """Answer a batch of requests. Photos are decoded one by one, so that a bad one costs its sender alone."""
        return answer_batch(data, context, parse=self._read, run=self.classifier.answer)

    def _read(self, sent: Sent) -> Query:
        return self.classifier.read(parse_request(sent.fields, sent.headers))
